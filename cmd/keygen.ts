/** `dchat keygen` and what is below it: key files made, looked at, locked anew, exported and imported. */
import {
  encodePem,
  fingerprint,
  fingerprintGroups,
  inspectKeystore,
  parsePem,
  sealKeystore,
} from "@dchat/core/identity/mod.ts";
import {
  openKeyFile,
  readKeyFile,
  readPassphrase,
  refuseExisting,
  rewrapDevice,
  writeKeyFile,
} from "@dchat/core/node/mod.ts";
import { type Crypto, openCrypto, type SigningKey } from "@dchat/crypto-wasm";
import { z } from "zod";
import { type ArgTable, command, type Context, exit, jsonArg, twoColumns, usage } from "./frame/mod.ts";
import { passphraseArg } from "./passphrase.ts";

const types = ["identity", "relay", "validator"] as const;

const makingArgs = {
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

const makingShape = {
  output: z.string(),
  type: z.enum(types),
  burner: z.boolean(),
  force: z.boolean(),
  passphraseFile: z.string().optional(),
  json: z.boolean(),
};

const makingSchema = z.strictObject(makingShape);
type Making = z.output<typeof makingSchema>;

export const keygen = command({
  about:
    "Makes an Ed25519 key in a file of mode 0600, encrypted by a passphrase (Argon2id, XChaCha20-Poly1305). An identity's key certifies devices and is needed for little else, so keep its file and its passphrase apart.",
  args: makingArgs,
  input: makingSchema,
  examples: [
    { line: "dchat keygen --output keys/identity.json", does: "An identity; asks for its passphrase." },
    {
      line: "dchat keygen -o keys/relay.json --type relay --passphrase-file /run/secrets/relay",
      does: "A relay's key, the passphrase read from a file.",
    },
    { line: "dchat keygen -o /tmp/burner.json --burner", does: "An identity to throw away, unencrypted." },
  ],
  async run(input, context) {
    await using crypto = await open(context);
    using key = crypto.ed25519.generate();
    save(crypto, key, input, context);
    return exit.done;
  },
});

export const importPem = command({
  about:
    "Makes a key file of an Ed25519 key in PEM (PKCS#8), as openssl genpkey -algorithm ed25519 writes it.",
  args: {
    pem: { type: "positional", valueHint: "PEM", description: "The PEM file; mode 0600" },
    ...makingArgs,
  },
  input: z.strictObject({ pem: z.string(), ...makingShape }),
  examples: [
    {
      line: "dchat keygen import old.pem --output keys/identity.json",
      does: "Take over a key made elsewhere.",
    },
  ],
  async run({ pem, ...input }, context) {
    await using crypto = await open(context);
    using key = parsePem(crypto, readKeyFile(pem));
    save(crypto, key, input, context);
    return exit.done;
  },
});

export const exportPem = command({
  about: "Writes the key of a key file as bare PEM (PKCS#8), mode 0600. Whoever reads that file has the key.",
  args: {
    file: { type: "positional", description: "The key file" },
    output: {
      type: "string",
      required: true,
      alias: "o",
      valueHint: "PEM",
      description: "Where the PEM goes",
    },
    force: { type: "boolean", description: "Replace a file that is there" },
    ...passphraseArg,
  },
  input: z.strictObject({
    file: z.string(),
    output: z.string(),
    force: z.boolean(),
    passphraseFile: z.string().optional(),
  }),
  examples: [
    { line: "dchat keygen export keys/identity.json --output identity.pem", does: "For another program." },
  ],
  async run({ file, output, force, passphraseFile }, context) {
    await using crypto = await open(context);
    using key = openKeyFile(crypto, { path: file, passphrase: { file: passphraseFile, env: context.env } });
    writeKeyFile(output, encodePem(crypto, key.key), { force });
    context.note(
      `${context.err.style.warn("unencrypted")}  ${output} holds the bare key: whoever reads it has it`,
    );
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
    await using crypto = await open(context);
    show(crypto, { file, text: readKeyFile(file), json }, context);
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
    await using crypto = await open(context);
    using opened = openKeyFile(crypto, {
      path: file,
      passphrase: { file: passphraseFile, env: context.env },
    });
    const passphrase = burner
      ? null
      : readPassphrase({
          file: newPassphraseFile,
          env: context.env,
          flag: "--new-passphrase-file",
          variable: "DCHAT_NEW_PASSPHRASE_FILE",
          prompt: "New passphrase",
          confirm: true,
        });
    try {
      const { type, key, createdMs } = opened;
      const text = sealKeystore(crypto, { type, key, createdMs, passphrase });
      const between = () => writeKeyFile(file, text, { force: true });
      if (type !== "identity") between();
      else {
        const { config } = await context.config();
        const { publicKey: identity, passphrase: from } = opened;
        await rewrapDevice({ config, crypto, env: context.env, identity, from, to: passphrase, between });
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

async function open(context: Context): Promise<Crypto> {
  const { config } = await context.config();
  return openCrypto({ backends: config.crypto.backends, needs: [] });
}

function save(crypto: Crypto, key: SigningKey, input: Making, context: Context): void {
  const { output, type, burner, force, json, passphraseFile } = input;
  if (burner && passphraseFile !== undefined) throw usage("--burner takes no --passphrase-file");
  if (!force) refuseExisting(output);
  const passphrase = burner
    ? null
    : readPassphrase({
        file: passphraseFile,
        env: context.env,
        prompt: `New passphrase for ${output}`,
        confirm: true,
      });
  try {
    const text = sealKeystore(crypto, { type, key, createdMs: Date.now(), passphrase });
    writeKeyFile(output, text, { force });
    show(crypto, { file: output, text, json }, context);
  } finally {
    passphrase?.fill(0);
  }
  if (burner) bareWarning(output, context);
}

function bareWarning(file: string, context: Context): void {
  context.note(
    `${context.err.style.warn("unencrypted")}  ${file} is a burner: whoever reads the file has the key`,
  );
}

interface Shown {
  readonly file: string;
  readonly text: string;
  readonly json: boolean;
}

function show(crypto: Crypto, { file, text, json }: Shown, context: Context): void {
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
