/** What the interface costs: every operation of the table through it, and by the backend that it lies on alone. */
import { openBlake3 } from "../../crypto-wasm/blake3.ts";
import { openWasm, type Wasm } from "../../crypto-wasm/wasm/mod.ts";
import type { Crypto, SignedMessage } from "@dchat/crypto-wasm";
import sodium from "libsodium-wrappers-sumo";
import {
  argon2Sync,
  createCipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import type { Row } from "../harness/result.ts";
import { p50, type Timed } from "./time.ts";

/** What one operation may cost more than its backend alone: one or the other. */
const SHARE_MAX = 0.05;
const US_MAX = 0.3;
const PREFIX = "interface: ";
const BATCH = 8;
const EMPTY = new Uint8Array(0);

/** What of an operation is done through the interface, and what by the backend itself, with the same result. */
type Pair = readonly [dchat: () => unknown, bare: () => unknown];

interface Inputs {
  readonly dchat: Crypto;
  readonly key: Uint8Array;
  readonly data: Uint8Array;
}

function der(head: string, raw: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(head, "hex"), raw]);
}

function privateKey(oid: "6e" | "70", raw: Uint8Array): KeyObject {
  return createPrivateKey({
    key: der(`302e020100300506032b65${oid}04220420`, raw),
    format: "der",
    type: "pkcs8",
  });
}

const SPKI = {
  ed25519: Buffer.from("302a300506032b6570032100", "hex"),
  x25519: Buffer.from("302a300506032b656e032100", "hex"),
};

/** A peer's key comes as bytes, so to import it belongs to the work. */
function publicKey(curve: "ed25519" | "x25519", raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI[curve], raw]), format: "der", type: "spki" });
}

function curves({ dchat, key, data }: Inputs, wide: Wasm): Record<string, Pair> {
  const [signer, object] = [dchat.ed25519.fromSeed(key), privateKey("70", key)];
  const signature = dchat.ed25519.sign(signer, data);
  const ed = signer.publicKey;
  const items: SignedMessage[] = Array.from({ length: BATCH }, () => ({ key: ed, message: data, signature }));
  const [agreement, own] = [dchat.x25519.fromSecret(key), privateKey("6e", key)];
  const peer = dchat.x25519.generate().publicKey;
  return {
    "ed25519 sign": [() => dchat.ed25519.sign(signer, data), () => sign(null, data, object)],
    "ed25519 verify": [
      () => dchat.ed25519.verify(ed, data, signature),
      () => wide.ed25519.verify(ed, data, signature),
    ],
    "ed25519 verifyBatch": [() => dchat.ed25519.verifyBatch(items), () => wide.ed25519.verifyBatch(items)],
    "ed25519 verify, a Noise peer's": [
      () => dchat.noise.verifyPeer(ed, data, signature),
      () => verify(null, data, publicKey("ed25519", ed), signature),
    ],
    "ed25519 to x25519": [() => dchat.ed25519.toX25519(ed), () => wide.ed25519.toX25519(ed)],
    "x25519 agree": [
      () => dchat.x25519.agree(agreement, peer),
      () => diffieHellman({ privateKey: own, publicKey: publicKey("x25519", peer) }),
    ],
  };
}

function hashes({ dchat: { hash }, key, data }: Inputs): Record<string, Pair> {
  const options = { ikm: key, salt: key, info: EMPTY, length: 64 };
  const bun = (algorithm: "sha256" | "sha512") => new Bun.CryptoHasher(algorithm, key).update(data).digest();
  return {
    sha256: [() => hash.sha256(data), () => Bun.SHA256.hash(data, new Uint8Array(32))],
    sha512: [() => hash.sha512(data), () => Bun.SHA512.hash(data, new Uint8Array(64))],
    "sha256 in pieces": [
      () => {
        const stream = hash.sha256Stream();
        stream.update(data);
        return stream.digest();
      },
      () => new Bun.SHA256().update(data).digest(new Uint8Array(32)),
    ],
    "sha512 in pieces": [
      () => {
        const stream = hash.sha512Stream();
        stream.update(data);
        return stream.digest();
      },
      () => new Bun.SHA512().update(data).digest(new Uint8Array(64)),
    ],
    "hmac sha256": [() => hash.hmacSha256(key, data), () => bun("sha256")],
    "hmac sha512": [() => hash.hmacSha512(key, data), () => bun("sha512")],
    "hkdf sha256": [() => hash.hkdfSha256(options), () => hkdfSync("sha256", key, key, EMPTY, 64)],
    shake256: [
      () => hash.shake256(data, 32),
      () => createHash("shake256", { outputLength: 32 }).update(data).digest(),
    ],
  };
}

function aeads({ dchat, key, data }: Inputs, wide: Wasm): Record<string, Pair> {
  const [nonce, long, into] = [key.subarray(0, 12), key.subarray(0, 24), new Uint8Array(data.length + 16)];
  const ciphers = [dchat.noise.cipher(key), wide.cipherState(key)] as const;
  const gcm = (bits: 128 | 256) => {
    const cipher = createCipheriv(`aes-${bits}-gcm`, key.subarray(0, bits / 8), nonce);
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  };
  return {
    chacha20poly1305: [
      () => dchat.chacha20Poly1305.seal(key, nonce, data, EMPTY),
      () => wide.chacha20Poly1305.seal(key, nonce, data, EMPTY),
    ],
    xchacha20poly1305: [
      () => dchat.xchacha20Poly1305.seal(key, long, data, EMPTY),
      () => wide.xchacha20Poly1305.seal(key, long, data, EMPTY),
    ],
    "aes-128-gcm": [() => dchat.aes128Gcm.seal(key.subarray(0, 16), nonce, data, EMPTY), () => gcm(128)],
    "aes-256-gcm": [() => dchat.aes256Gcm.seal(key, nonce, data, EMPTY), () => gcm(256)],
    "cipher state": [() => ciphers[0].seal(1, data, into, 0), () => ciphers[1].seal(1, data, into, 0)],
  };
}

function rest({ dchat, key }: Inputs): Record<string, Pair> {
  const [mlKem, xWing] = [dchat.mlKem768.generate().publicKey, dchat.xWing.generate().publicKey];
  const salt = key.subarray(0, 16);
  const bare = {
    message: key,
    nonce: salt,
    parallelism: 1,
    tagLength: 32,
    memory: 256,
    passes: 1,
  };
  return {
    argon2id: [
      () => dchat.password.argon2id({ password: key, salt, memoryKib: 256, passes: 1, length: 32 }),
      () => argon2Sync("argon2id", bare),
    ],
    "ml-kem-768": [() => dchat.mlKem768.encapsulate(mlKem), () => sodium.crypto_kem_mlkem768_enc(mlKem)],
    "x-wing": [() => dchat.xWing.encapsulate(xWing), () => sodium.crypto_kem_xwing_enc(xWing)],
  };
}

/** Every operation of the table at the size of a command, where what is done besides weighs most. */
export async function overheads(dchat: Crypto): Promise<Timed[]> {
  const inputs = { dchat, key: dchat.random.bytes(32), data: dchat.random.bytes(64) };
  const wide = openWasm();
  const blake3 = await openBlake3();
  const pairs: Record<string, Pair> = {
    ...curves(inputs, wide),
    ...hashes(inputs),
    blake3: [() => dchat.hash.blake3(inputs.data), () => blake3.blake3(inputs.data)],
    ...aeads(inputs, wide),
    ...rest(inputs),
  };
  return Object.entries(pairs).map(([name, [through, bare]]) => ({
    operation: PREFIX + name,
    size: inputs.data.length,
    rounds: 3,
    subjects: { dchat: through, bare },
  }));
}

export interface Worst {
  readonly operation: string;
  readonly count: number;
  /** Its cost over what is allowed, by the kinder of the two bounds. */
  readonly share: number;
}

/** The operation whose interface costs most of what it may. */
export function worstOverhead(rows: readonly Row[]): Worst {
  const operations = new Set(
    rows.map(({ parameters }) => String(parameters["operation"])).filter((name) => name.startsWith(PREFIX)),
  );
  let worst: Worst = { operation: "none", count: operations.size, share: -1 };
  for (const operation of operations) {
    const bare = p50(rows, "bare", operation);
    const costs = p50(rows, "dchat", operation) - bare;
    const share = Math.max(0, Math.min(costs / US_MAX, costs / bare / SHARE_MAX));
    if (share > worst.share) worst = { ...worst, operation: operation.slice(PREFIX.length), share };
  }
  return worst;
}
