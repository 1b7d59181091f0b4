/** `dchat keygen import|export`: keys from and for other programs. */
import { encodePem, parsePem } from "@dchat/core/identity/mod.ts";
import { openKeyFile, readKeyFile, writeKeyFile } from "@dchat/core/node/mod.ts";
import { z } from "zod";
import { command, exit } from "./frame/mod.ts";
import { makingArgs, makingShape, openKeyCrypto, readingFrom, saveKey } from "./keygen_file.ts";
import { passphraseArg } from "./passphrase.ts";

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
    await using crypto = await openKeyCrypto(context);
    const text = readKeyFile(pem);
    using key = readingFrom(pem, () => parsePem(crypto, text));
    await saveKey({ crypto, key, input }, context);
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
    await using crypto = await openKeyCrypto(context);
    using key = await openKeyFile(crypto, {
      path: file,
      passphrase: { file: passphraseFile, env: context.env },
    });
    writeKeyFile(output, encodePem(crypto, key.key), { force });
    context.note(
      `${context.err.style.warn("unencrypted")}  ${output} holds the bare key: whoever reads it has it`,
    );
    return exit.done;
  },
});
