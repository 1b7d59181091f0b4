/** The JSON of a key file: its shape, strictly, and what is said of text that isn't one. */
import { z } from "zod";
import { fault } from "./fault.ts";

const KEYSTORE_VERSION = 1;

const base64 = z.string().max(256);

const headerShape = {
  format: z.literal("dchat-keystore"),
  version: z.literal(KEYSTORE_VERSION),
  type: z.enum(["identity", "relay", "validator"]),
  publicKey: base64,
  created: z.iso.datetime(),
};

const sealing = z.strictObject({
  kdf: z.strictObject({
    name: z.literal("argon2id"),
    // Less would be a downgrade, much more would let a file stop the machine that opens it.
    memoryKib: z
      .int()
      .min(64 * 1024)
      .max(1024 * 1024),
    passes: z.int().min(3).max(16),
    salt: base64,
  }),
  cipher: z.strictObject({ name: z.literal("xchacha20-poly1305"), nonce: base64 }),
  check: base64,
  seed: base64,
});

const document = z.union([
  z.strictObject({ ...headerShape, sealed: sealing, digest: base64 }),
  z.strictObject({ ...headerShape, burner: base64, digest: base64 }),
]);

const headerSchema = z.object(headerShape);

/** What stands in the open in every key file. */
export type Header = z.output<typeof headerSchema>;
export type Sealing = z.output<typeof sealing>;

export interface Document {
  readonly header: Header;
  readonly body: { readonly sealed: Sealing } | { readonly burner: string };
  readonly digest: string;
}

/** Throws Fault<"identity/truncated" | "identity/not-keystore" | "identity/version" | "identity/damaged">. */
export function parseKeystore(text: string): Document {
  const value = parseJson(text);
  if (!isRecord(value) || value["format"] !== "dchat-keystore") {
    throw fault("identity/not-keystore", "This is not a dchat key file");
  }
  const version = value["version"];
  if (typeof version === "number" && version > KEYSTORE_VERSION) {
    throw fault(
      "identity/version",
      `This key file has version ${version}, and this dchat knows versions to ${KEYSTORE_VERSION}: use a newer dchat`,
    );
  }
  const parsed = document.safeParse(value);
  if (!parsed.success) {
    throw fault("identity/damaged", `This key file is damaged: ${whatIsWrong(value)}`, parsed.error);
  }
  const { digest, ...rest } = parsed.data;
  const header = headerSchema.parse(rest);
  return { header, digest, body: "sealed" in rest ? { sealed: rest.sealed } : { burner: rest.burner } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // None of the strings in a key file holds a brace, so counting them tells a cut from other damage.
    const cut = text.trimStart().startsWith("{") && text.split("{").length > text.split("}").length;
    if (text.trim() === "" || cut)
      throw fault("identity/truncated", "This key file is cut off: its end is missing", error);
    throw fault("identity/not-keystore", "This is not a dchat key file: it is not JSON", error);
  }
}

/** The first key that is wrong, by the branch of the union that the file means to be. */
function whatIsWrong(value: Record<string, unknown>): string {
  const [sealedDocument, burnerDocument] = document.options;
  const { error } = ("sealed" in value ? sealedDocument : burnerDocument).safeParse(value);
  const issue = error?.issues[0];
  if (issue === undefined) return "its parts don't fit together";
  return `${issue.path.length === 0 ? "the document" : issue.path.join(".")}: ${issue.message}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
