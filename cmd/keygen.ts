/** `dchat keygen`, `inspect` and `rewrap`: key files made, looked at, locked anew. */
import { sealKeystore } from "@dchat/core/identity/mod.ts";
import {
  openKeyFile,
  quietTerminal,
  readKeyFile,
  readPassphrase,
  rewrapDevice,
  writeKeyFile,
} from "@dchat/core/node/mod.ts";
import { z } from "zod";
import { command, type Context, exit, jsonArg, usage } from "./frame/mod.ts";
import {
  bareWarning,
  makingArgs,
  makingShape,
  openKeyCrypto,
  readingFrom,
  saveKey,
  showKey,
} from "./keygen_file.ts";
import { passphraseArg } from "./passphrase.ts";

export const keygen = command({
  about:
    "Makes an Ed25519 key in a file of mode 0600, encrypted by a passphrase (Argon2id, XChaCha20-Poly1305). An identity's key certifies devices and is needed for little else, so keep its file and its passphrase apart.",
  args: makingArgs,
  input: z.strictObject(makingShape),
  examples: [
    { line: "dchat keygen --output keys/identity.json", does: "An identity; asks for its passphrase." },
    {
      line: "dchat keygen -o keys/relay.json --type relay --passphrase-file /run/secrets/relay",
      does: "A relay's key, the passphrase read from a file.",
    },
    { line: "dchat keygen -o /tmp/burner.json --burner", does: "An identity to throw away, unencrypted." },
  ],
  async run(input, context) {
    await using crypto = await openKeyCrypto(context);
    using key = crypto.ed25519.generate();
    await saveKey({ crypto, key, input }, context);
    return exit.done;
  },
});

export const inspect = command({
  about: "Shows what stands in the open in a key file. Asks for no passphrase.",
  args: { file: { type: "positional", description: "The key file" }, ...jsonArg },
  input: z.strictObject({ file: z.string(), json: z.boolean() }),
  examples: [
    { line: "dchat keygen inspect keys/identity.json", does: "Type, public key, fingerprint, protection." },
    { line: "dchat keygen inspect keys/identity.json --json", does: "The same for a script." },
  ],
  async run({ file, json }, context) {
    await using crypto = await openKeyCrypto(context);
    const text = readKeyFile(file);
    readingFrom(file, () => showKey({ crypto, file, text, json }, context));
    return exit.done;
  },
});

export const rewrap = command({
  about:
    "Encrypts a key file anew under another passphrase. The key stays the same; the file is replaced whole. The database of the identity's device, where there is one, gets the same passphrase.",
  args: {
    file: { type: "positional", description: "The key file" },
    ...passphraseArg,
    newPassphraseFile: {
      type: "string",
      valueHint: "FILE",
      description: "The new passphrase; else $DCHAT_NEW_PASSPHRASE_FILE, else asked on the terminal",
    },
    burner: { type: "boolean", description: "Leave the file unencrypted from now on" },
    dataDir: {
      type: "string",
      setting: "user.data_dir",
      valueHint: "DIR",
      description: "Where the identity's device keeps its database",
    },
  },
  input: z.strictObject({
    file: z.string(),
    passphraseFile: z.string().optional(),
    newPassphraseFile: z.string().optional(),
    burner: z.boolean(),
  }),
  examples: [
    { line: "dchat keygen rewrap keys/identity.json", does: "Asks for the old passphrase and the new one." },
    {
      line: "dchat keygen rewrap keys/identity.json --passphrase-file old --new-passphrase-file new",
      does: "Both from files.",
    },
  ],
  async run({ file, passphraseFile, newPassphraseFile, burner }, context) {
    if (burner && newPassphraseFile !== undefined) throw usage("--burner takes no --new-passphrase-file");
    await using crypto = await openKeyCrypto(context);
    // Opening takes a moment, in which the new passphrase may be typed already.
    using quiet = quietTerminal();
    using opened = await openKeyFile(crypto, {
      path: file,
      passphrase: { file: passphraseFile, env: context.env },
    });
    const passphrase = burner
      ? null
      : await readPassphrase({
          file: newPassphraseFile,
          env: context.env,
          flag: "--new-passphrase-file",
          variable: "DCHAT_NEW_PASSPHRASE_FILE",
          prompt: "New passphrase",
          confirm: true,
        });
    quiet[Symbol.dispose]();
    try {
      const { type, key, createdMs } = opened;
      const text = sealKeystore(crypto, { type, key, createdMs, passphrase });
      // A link stays one: what it leads to would keep the key under the old passphrase.
      const between = () => writeKeyFile(opened.path, text, { force: true });
      if (type !== "identity") between();
      else {
        const { config } = await context.config();
        const { publicKey: identity, passphrase: from } = opened;
        const rewrapping = { config, crypto, env: context.env, identity, from, to: passphrase, between };
        const { path, isThere } = await rewrapDevice(rewrapping);
        if (!isThere) noDatabase(path, context);
      }
    } finally {
      passphrase?.fill(0);
    }
    if (burner) bareWarning(file, context);
    else
      context.note(
        `${context.err.style.good("done")}  ${file} opens by the new passphrase, and no longer by the old one`,
      );
    return exit.done;
  },
});

/** Whoever keeps the device's database elsewhere would find out by being shut out of it. */
function noDatabase(path: string, { err, note }: Context): void {
  note(
    `${err.style.warn("note")}  there is no device's database at ${path}. One that is elsewhere still has the old passphrase, and opens no more: give the key file that one back, and rewrap it with the --data-dir of the database`,
  );
}
