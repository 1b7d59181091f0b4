/**
 * How a device's database keeps its key: random, 32 bytes, sealed under Argon2id of the passphrase, or bare for a
 * burner. A new passphrase wraps the same key anew.
 *
 * What it does not protect: a burner's database, at all, from whoever can read the file.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import { z } from "zod";
import { Fault } from "../../ground/mod.ts";

/** RFC 9106's second recommendation, as for key files. */
const MEMORY_KIB = 64 * 1024;
const PASSES = 3;
const SALT_BYTES = 16;
const NONCE_BYTES = 24;
const ASSOCIATED = new TextEncoder().encode("dchat/device-database/1\0");

const sealedWrap = z.strictObject({
  version: z.literal(1),
  kdf: z.strictObject({
    name: z.literal("argon2id"),
    // As of key files: less would be a downgrade, much more would let a file stop the machine that opens it.
    memoryKib: z
      .int()
      .min(MEMORY_KIB)
      .max(1024 * 1024),
    passes: z.int().min(PASSES).max(16),
    salt: z.base64(),
  }),
  nonce: z.base64(),
  key: z.base64(),
});
const bareWrap = z.strictObject({ version: z.literal(1), burner: z.base64() });
const wrapDocument = z.union([sealedWrap, bareWrap]);

/** Wraps `key` (borrowed) by `passphrase` (UTF-8, borrowed); null keeps it bare. */
export function wrapKey(crypto: Crypto, key: Uint8Array, passphrase: Uint8Array | null): string {
  if (passphrase === null) {
    return JSON.stringify({ version: 1, burner: key.toBase64() } satisfies z.infer<typeof bareWrap>);
  }
  const salt = crypto.random.bytes(SALT_BYTES);
  const nonce = crypto.random.bytes(NONCE_BYTES);
  const kdf = { name: "argon2id", memoryKib: MEMORY_KIB, passes: PASSES } as const;
  const wrapping = crypto.password.argon2id({ ...kdf, password: passphrase, salt, length: 32 });
  const sealed = crypto.xchacha20Poly1305.seal(wrapping, nonce, key, ASSOCIATED);
  crypto.wipe(wrapping);
  return JSON.stringify({
    version: 1,
    kdf: { ...kdf, salt: salt.toBase64() },
    nonce: nonce.toBase64(),
    key: sealed.toBase64(),
  } satisfies z.infer<typeof sealedWrap>);
}

/**
 * The key that `wrapKey` wrapped; throws Fault<"store/key"> where the passphrase isn't that of this database. With a
 * passphrase a bare wrap is refused: anybody can write one, and the identity would certify whatever device lies there.
 */
export function unwrapKey(crypto: Crypto, document: string, passphrase: Uint8Array | null): Uint8Array {
  const parsed = wrapDocument.safeParse(JSON.parse(document));
  if (!parsed.success) throw new Fault("store/corrupt", "The device database's key can't be read");
  const wrap = parsed.data;
  if ("burner" in wrap) {
    if (passphrase === null) return Uint8Array.fromBase64(wrap.burner);
    throw new Fault(
      "store/key",
      "The key file is sealed by a passphrase, and this device's database isn't, so that whoever can write the file can have put it there. Trust it only where a rewrap of yours didn't find it",
    );
  }
  if (passphrase === null) {
    throw new Fault(
      "store/key",
      "This device's database is sealed by a passphrase, and the key file is a burner",
    );
  }
  const { memoryKib, passes, salt } = wrap.kdf;
  const wrapping = crypto.password.argon2id({
    password: passphrase,
    salt: Uint8Array.fromBase64(salt),
    memoryKib,
    passes,
    length: 32,
  });
  const nonce = Uint8Array.fromBase64(wrap.nonce);
  const key = crypto.xchacha20Poly1305.open(wrapping, nonce, Uint8Array.fromBase64(wrap.key), ASSOCIATED);
  crypto.wipe(wrapping);
  if (key === null) {
    throw new Fault(
      "store/key",
      "The passphrase opens the key file but not this device's database, which was sealed under a former one",
    );
  }
  return key;
}
