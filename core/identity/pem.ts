/** Ed25519 keys in PKCS#8 PEM (RFC 5958, RFC 7468, RFC 8410), bare: whoever reads the file has the key. */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { fault } from "./fault.ts";

/** OneAsymmetricKey version 1 with id-Ed25519, up to the seed. */
const HEAD_V1 = Uint8Array.fromHex("302e020100300506032b657004220420");
/** Version 2, which adds the public key after the seed. */
const HEAD_V2 = Uint8Array.fromHex("3051020101300506032b657004220420");
const PUBLIC_V2 = Uint8Array.fromHex("812100");
const SEED_BYTES = 32;

/** The key as PKCS#8 PEM, as `openssl pkey` writes it. */
export function encodePem(crypto: Pick<Crypto, "wipe">, key: SigningKey): string {
  const seed = key.exportSeed();
  const der = new Uint8Array(HEAD_V1.length + SEED_BYTES);
  der.set(HEAD_V1);
  der.set(seed, HEAD_V1.length);
  const body = der.toBase64();
  crypto.wipe(seed, der);
  return `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`;
}

/** Reads what `encodePem` and openssl write. Throws Fault<"identity/pem">. */
export function parsePem(crypto: Pick<Crypto, "wipe" | "ed25519" | "equal">, text: string): SigningKey {
  const [, label, body] =
    /-----BEGIN ([A-Z0-9 ]+)-----\s*([A-Za-z0-9+/=\s]*?)\s*-----END \1-----/.exec(text) ?? [];
  if (label === "ENCRYPTED PRIVATE KEY") {
    throw fault("identity/pem", "This PEM is encrypted; decrypt it first: openssl pkey -in FILE -out BARE");
  }
  if (label !== "PRIVATE KEY" || body === undefined) {
    throw fault(
      "identity/pem",
      `Expected a PEM of the kind PRIVATE KEY (PKCS#8), got ${label ?? "something else"}`,
    );
  }
  const der = decodeBase64(body);
  try {
    return keyOf(crypto, der);
  } finally {
    crypto.wipe(der);
  }
}

function decodeBase64(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text.replace(/\s/g, ""));
  } catch (error) {
    throw fault("identity/pem", "The body of this PEM is not base64", error);
  }
}

function keyOf(crypto: Pick<Crypto, "wipe" | "ed25519" | "equal">, der: Uint8Array): SigningKey {
  const version2 = startsWith(der, HEAD_V2);
  if (!version2 && !startsWith(der, HEAD_V1)) {
    throw fault("identity/pem", "This PEM holds no Ed25519 key");
  }
  const end = HEAD_V1.length + SEED_BYTES;
  const length = version2 ? end + PUBLIC_V2.length + 32 : end;
  if (der.length !== length) {
    throw fault("identity/pem", `An Ed25519 key in PKCS#8 has ${length} bytes here, got ${der.length}`);
  }
  const key = crypto.ed25519.fromSeed(der.subarray(HEAD_V1.length, end));
  if (version2 && !crypto.equal(key.publicKey, der.subarray(end + PUBLIC_V2.length))) {
    key[Symbol.dispose]();
    throw fault("identity/pem", "The public key in this PEM is not that of its private key");
  }
  return key;
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return bytes.length >= head.length && head.every((byte, at) => bytes[at] === byte);
}
