/** The flag of every command that opens a key. */
import type { ArgTable } from "./frame/mod.ts";

export const passphraseArg = {
  passphraseFile: {
    type: "string",
    valueHint: "FILE",
    description: "The key file's passphrase; else $DCHAT_PASSPHRASE_FILE, else asked on the terminal",
  },
} satisfies ArgTable;
