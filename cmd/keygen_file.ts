/** What the subcommands of keygen share: flags of a key that is made, saving it, showing its public parts. */
import { Fault, isFault } from "@dchat/core/ground/mod.ts";
import { fingerprint, fingerprintGroups, inspectKeystore, sealKeystore } from "@dchat/core/identity/mod.ts";
import { readPassphrase, refuseTaken, writeKeyFile } from "@dchat/core/node/mod.ts";
import { type Crypto, openCrypto, type SigningKey } from "@dchat/crypto-wasm";
import { z } from "zod";
import { type ArgTable, type Context, jsonArg, twoColumns, usage } from "./frame/mod.ts";
import { passphraseArg } from "./passphrase.ts";

const types = ["identity", "relay", "validator"] as const;

/** Flags of a command that makes a key file. */
export const makingArgs = {
  output: {
    type: "string",
    required: true,
    alias: "o",
    valueHint: "FILE",
    description: "Where the key file goes; its folder is made where it is missing",
  },
  type: {
    type: "enum",
    options: [...types],
    default: "identity",
    valueHint: "TYPE",
    description: "What the key is for: identity, relay or validator",
  },
  burner: {
    type: "boolean",
    description: "Leave the file unencrypted: whoever reads it has the key",
  },
  force: { type: "boolean", description: "Replace a file that is there; its key is then gone" },
  ...passphraseArg,
  ...jsonArg,
} satisfies ArgTable;

/** The same as a schema's shape. */
export const makingShape = {
  output: z.string(),
  type: z.enum(types),
  burner: z.boolean(),
  force: z.boolean(),
  passphraseFile: z.string().optional(),
  json: z.boolean(),
};

type Making = z.output<z.ZodObject<typeof makingShape>>;

/** Opens what key files need of cryptography. */
export async function openKeyCrypto(context: Context): Promise<Crypto> {
  const { config } = await context.config();
  return openCrypto({ backends: config.crypto.backends, needs: [] });
}

interface KeyToSave {
  readonly crypto: Crypto;
  readonly key: SigningKey;
  readonly input: Making;
}

/** Seals `key`, writes its file and shows it. Throws Fault<"secret/…"> and, for flags that exclude one another, Fault<"cli/usage">. */
export async function saveKey({ crypto, key, input }: KeyToSave, context: Context): Promise<void> {
  const { output, type, burner, force, json, passphraseFile } = input;
  if (burner && passphraseFile !== undefined) throw usage("--burner takes no --passphrase-file");
  refuseTaken(output, { force });
  const passphrase = burner
    ? null
    : await readPassphrase({
        file: passphraseFile,
        env: context.env,
        prompt: `New passphrase for ${output}`,
        confirm: true,
      });
  try {
    const text = sealKeystore(crypto, { type, key, createdMs: Date.now(), passphrase });
    writeKeyFile(output, text, { force });
    showKey({ crypto, file: output, text, json }, context);
  } finally {
    passphrase?.fill(0);
  }
  if (burner) bareWarning(output, context);
}

/** Does `work` with what stands in `file`; a Fault of it names the file. */
export function readingFrom<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isFault(error)) throw error;
    throw new Fault(error.code, `Cannot read ${file}: ${error.message}`, { cause: error });
  }
}

/** Says that a file holds its key bare. */
export function bareWarning(file: string, context: Context): void {
  context.note(
    `${context.err.style.warn("unencrypted")}  ${file} is a burner: whoever reads the file has the key`,
  );
}

interface Shown {
  readonly crypto: Crypto;
  readonly file: string;
  readonly text: string;
  readonly json: boolean;
}

/** Shows the public parts of a key file's text. */
export function showKey({ crypto, file, text, json }: Shown, context: Context): void {
  const { type, publicKey, createdMs, sealed, version } = inspectKeystore(crypto, text);
  const print = fingerprint(crypto, publicKey);
  const created = new Date(createdMs).toISOString();
  if (json) {
    context.json({
      file,
      version,
      type,
      publicKey: publicKey.toHex(),
      fingerprint: print,
      created,
      sealed: sealed !== null,
    });
    return;
  }
  const { style, width } = context.out;
  const protection =
    sealed === null
      ? style.warn("none (burner)")
      : `passphrase (Argon2id, ${sealed.memoryKib / 1024} MiB, ${sealed.passes} passes)`;
  const rows: [string, string][] = [
    ["file", file],
    ["type", type],
    ["public key", publicKey.toHex()],
    ["fingerprint", style.bold(fingerprintGroups(print))],
    ["created", created],
    ["protection", protection],
  ];
  context.print(
    twoColumns(
      rows.map(([name, value]) => [style.dim(name), value]),
      { width, indent: 0 },
    ),
  );
}
