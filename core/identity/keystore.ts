/**
 * The key file: a versioned JSON document with one Ed25519 seed, sealed by a passphrase or, burner, bare.
 *
 * Sealed: Argon2id (RFC 9106) makes 64 bytes of passphrase and salt; the first 32 are the XChaCha20-Poly1305 key
 * of the seed, the other 32 make `check`, by which a wrong passphrase is told from a changed file. Associated data is the
 * whole header in a fixed order, so nothing beside the seed can be changed unseen. `digest` is SHA-256 over all
 * the rest and finds accidents without a passphrase; whoever changes a file on purpose can renew it, and is
 * found by the seal.
 *
 * What it does not protect: a weak passphrase, and a machine on which somebody else reads memory. Type, public
 * key and parameters stand in the open.
 */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { publicKey, type PublicKey } from "../ground/mod.ts";
import { utf8 } from "./bytes.ts";
import { fault } from "./fault.ts";
import { type Header, parseKeystore, type Sealing } from "./keystore_format.ts";

export type KeyCrypto = Pick<
  Crypto,
  "ed25519" | "hash" | "xchacha20Poly1305" | "password" | "random" | "equal" | "wipe"
>;

export type KeyType = "identity" | "relay" | "validator";

/** RFC 9106's second recommendation: 64 MiB, 3 passes. */
export const ARGON2_MEMORY_KIB = 64 * 1024;
export const ARGON2_PASSES = 3;
const SALT_BYTES = 16;
const NONCE_BYTES = 24;
const CHECK_BYTES = 16;
const HEADER_TAG = "dchat/keystore/1\0";
const CHECK_TAG = utf8("dchat/keystore/check/1\0");

/** An opened key. Disposing wipes it. */
export interface Keystore extends Disposable {
  readonly type: KeyType;
  readonly publicKey: PublicKey;
  readonly createdMs: number;
  readonly key: SigningKey;
  /** Whether a passphrase protects the file. */
  readonly sealed: boolean;
}

export interface SealOptions {
  readonly type: KeyType;
  readonly key: SigningKey;
  readonly createdMs: number;
  /** UTF-8, borrowed; null makes a burner. */
  readonly passphrase: Uint8Array | null;
}

/** The text of a key file. */
export function sealKeystore(crypto: KeyCrypto, options: SealOptions): string {
  const { type, key, createdMs, passphrase } = options;
  const header: Header = {
    format: "dchat-keystore",
    version: 1,
    type,
    publicKey: key.publicKey.toBase64(),
    created: new Date(createdMs).toISOString(),
  };
  const seed = key.exportSeed();
  const body =
    passphrase === null
      ? { burner: seed.toBase64() }
      : { sealed: sealSeed(crypto, { header, seed, passphrase }) };
  crypto.wipe(seed);
  const rest = { ...header, ...body };
  return `${JSON.stringify({ ...rest, digest: digestOf(crypto, rest) }, null, 2)}\n`;
}

interface SeedToSeal {
  readonly header: Header;
  readonly seed: Uint8Array;
  readonly passphrase: Uint8Array;
}

function sealSeed(crypto: KeyCrypto, { header, seed, passphrase }: SeedToSeal): Sealing {
  const salt = crypto.random.bytes(SALT_BYTES);
  const nonce = crypto.random.bytes(NONCE_BYTES);
  const kdf = { memoryKib: ARGON2_MEMORY_KIB, passes: ARGON2_PASSES, salt: salt.toBase64() };
  const secrets = derive(crypto, passphrase, kdf);
  const sealing = {
    kdf: { name: "argon2id", ...kdf },
    cipher: { name: "xchacha20-poly1305", nonce: nonce.toBase64() },
    check: checkOf(crypto, secrets).toBase64(),
  } as const;
  const seed_ = crypto.xchacha20Poly1305.seal(
    secrets.subarray(0, 32),
    nonce,
    seed,
    associated(header, sealing),
  );
  crypto.wipe(secrets);
  return { ...sealing, seed: seed_.toBase64() };
}

/** What stands in the open in a key file. Throws what `parseKeystore` throws. */
export interface KeystoreParts {
  readonly version: 1;
  readonly type: KeyType;
  readonly publicKey: PublicKey;
  readonly createdMs: number;
  /** Null for a burner. */
  readonly sealed: { readonly memoryKib: number; readonly passes: number } | null;
}

/** Reads the public parts and finds accidental damage; needs no passphrase. Throws Fault<"identity/…">. */
export function inspectKeystore(crypto: KeyCrypto, text: string): KeystoreParts {
  const { header, body } = checked(crypto, text);
  return {
    version: header.version,
    type: header.type,
    publicKey: keyOf(header),
    createdMs: Date.parse(header.created),
    sealed:
      "sealed" in body ? { memoryKib: body.sealed.kdf.memoryKib, passes: body.sealed.kdf.passes } : null,
  };
}

/**
 * Opens a key file. `passphrase` is borrowed; null opens burners only. Throws Fault<"identity/…">, each wrong case
 * by a code of its own.
 */
export function openKeystore(crypto: KeyCrypto, text: string, passphrase: Uint8Array | null): Keystore {
  const { header, body } = checked(crypto, text);
  const seed =
    "sealed" in body
      ? openSeed(crypto, { header, sealing: body.sealed, passphrase })
      : bytesOf(body.burner, "burner", 32);
  const key = crypto.ed25519.fromSeed(seed);
  crypto.wipe(seed);
  if (!crypto.equal(key.publicKey, keyOf(header))) {
    key[Symbol.dispose]();
    throw fault("identity/damaged", "The public key in this key file is not that of its private key");
  }
  return {
    type: header.type,
    publicKey: publicKey(key.publicKey),
    createdMs: Date.parse(header.created),
    key,
    sealed: "sealed" in body,
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}

interface SeedToOpen {
  readonly header: Header;
  readonly sealing: Sealing;
  readonly passphrase: Uint8Array | null;
}

function openSeed(crypto: KeyCrypto, { header, sealing, passphrase }: SeedToOpen): Uint8Array {
  if (passphrase === null)
    throw fault("identity/needs-passphrase", "This key file is encrypted and needs its passphrase");
  const { seed, ...open } = sealing;
  const secrets = derive(crypto, passphrase, sealing.kdf);
  try {
    if (!crypto.equal(checkOf(crypto, secrets), bytesOf(sealing.check, "check", CHECK_BYTES))) {
      throw fault("identity/passphrase", "The passphrase does not open this key file");
    }
    const opened = crypto.xchacha20Poly1305.open(
      secrets.subarray(0, 32),
      bytesOf(sealing.cipher.nonce, "nonce", NONCE_BYTES),
      bytesOf(seed, "seed", 48),
      associated(header, open),
    );
    if (opened === null) {
      throw fault(
        "identity/damaged",
        "The passphrase is right, but the key file was changed after it was sealed: its header does not match the seal",
      );
    }
    return opened;
  } finally {
    crypto.wipe(secrets);
  }
}

/** 64 bytes: the cipher's key and the check's. The caller wipes them. */
function derive(
  crypto: KeyCrypto,
  password: Uint8Array,
  { memoryKib, passes, salt }: { memoryKib: number; passes: number; salt: string },
): Uint8Array {
  return crypto.password.argon2id({
    password,
    salt: bytesOf(salt, "salt", SALT_BYTES),
    memoryKib,
    passes,
    length: 64,
  });
}

function checkOf(crypto: KeyCrypto, secrets: Uint8Array): Uint8Array {
  return crypto.hash.hmacSha256(secrets.subarray(32), CHECK_TAG).subarray(0, CHECK_BYTES);
}

/** Built from the values in a fixed order, so that spaces and the order of keys in the file don't matter. */
function associated(header: Header, sealing: Omit<Sealing, "seed">): Uint8Array {
  const { format, version, type, publicKey: key, created } = header;
  const { kdf, cipher, check } = sealing;
  const parts = [format, version, type, key, created, kdf.name, kdf.memoryKib, kdf.passes, kdf.salt];
  return utf8(HEADER_TAG + JSON.stringify([...parts, cipher.name, cipher.nonce, check]));
}

/** Over the whole document but itself, keys sorted at every depth. */
function digestOf(crypto: KeyCrypto, rest: object): string {
  return crypto.hash.sha256(utf8(JSON.stringify(sorted(rest)))).toBase64();
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, sorted(inner)]);
}

function checked(crypto: KeyCrypto, text: string) {
  const { digest, header, body } = parseKeystore(text);
  if (digestOf(crypto, { ...header, ...body }) !== digest) {
    throw fault(
      "identity/damaged",
      "This key file was changed or damaged: its digest does not match what it holds",
    );
  }
  return { header, body };
}

function keyOf(header: Header): PublicKey {
  return publicKey(bytesOf(header.publicKey, "publicKey", 32));
}

function bytesOf(text: string, name: string, length: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(text);
  } catch (error) {
    throw fault("identity/damaged", `This key file is damaged: ${name} is not base64`, error);
  }
  if (bytes.length === length) return bytes;
  throw fault(
    "identity/damaged",
    `This key file is damaged: ${name} must have ${length} bytes, got ${bytes.length}`,
  );
}
