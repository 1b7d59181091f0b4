/**
 * Every backend against every other and against noble, on seeded random input: a few hundred cases here, a million
 * with DCHAT_TEST_LONG=1. A failure prints its seed; DCHAT_TEST_SEED replays from it.
 */
import { expect, test } from "bun:test";
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { shake256 } from "@noble/hashes/sha3.js";
import { aeads, agreements, each, hashes, signers, verifiers } from "./_each_backend.ts";

const LONG = process.env["DCHAT_TEST_LONG"] === "1";
const CASES = LONG ? 1_000_000 : 600;
const SEED = Number(process.env["DCHAT_TEST_SEED"] ?? 1);
/** Most inputs are short, where the edges of blocks are; some cross several. */
const LENGTH_MAX = 700;

/** xoshiro128** (Blackman and Vigna), which is all that a seeded test needs. */
class Draw {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    this.#state = Uint32Array.of(seed, seed ^ 0x9e3779b9, seed ^ 0x243f6a88, 0xb7e15162);
    for (let i = 0; i < 20; i++) this.next();
  }

  next(): number {
    const s = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = s;
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const rest = d ^ b;
    s.set([a ^ rest, b ^ c ^ a, c ^ a ^ (b << 9), (rest << 11) | (rest >>> 21)]);
    return result;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next());
  }

  data(): Uint8Array {
    return this.bytes(this.below(this.below(4) === 0 ? LENGTH_MAX : 70));
  }

  /** `data` with one bit flipped, or as it is. */
  perhapsFlipped(data: Uint8Array): Uint8Array {
    if (data.length === 0 || this.below(2) === 0) return data;
    const at = this.below(data.length);
    return data.with(at, (data[at] ?? 0) ^ (1 << this.below(8)));
  }
}

/** The answers of all, which must be one. */
type Answers = readonly (string | boolean | null)[];

const AEADS = [
  [aeads("chacha20Poly1305"), chacha20poly1305],
  [aeads("xchacha20Poly1305"), xchacha20poly1305],
  [aeads("aes128Gcm"), gcm],
  [aeads("aes256Gcm"), gcm],
] as const;

function sealing(draw: Draw): Answers {
  const [all, noble] = AEADS[draw.below(AEADS.length)] ?? AEADS[0];
  const [first] = all;
  if (first === undefined) return [];
  const [key, nonce] = [draw.bytes(first.it.keyBytes), draw.bytes(first.it.nonceBytes)];
  const [message, ad] = [draw.data(), draw.data()];
  const sealed = noble(key, nonce, ad).encrypt(message);
  const sent = draw.perhapsFlipped(sealed);
  let opened: string | null = null;
  try {
    opened = noble(key, nonce, ad).decrypt(sent).toHex();
  } catch {
    opened = null;
  }
  const seals = all.map(({ it }) => it.seal(key, nonce, message, ad).toHex() === sealed.toHex());
  const opens = all.map(({ it }) => (it.open(key, nonce, sent, ad)?.toHex() ?? null) === opened);
  return [...seals, ...opens, true];
}

const ciphers = each("cipherState");

function framing(draw: Draw): Answers {
  const [key, message, ad] = [draw.bytes(32), draw.data(), draw.data()];
  const counter = draw.next() * (draw.below(2) === 0 ? 1 : 2 ** 20);
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
  const expected = chacha20poly1305(key, nonce, ad).encrypt(message);
  const frame = new Uint8Array(message.length + 16);
  return [
    expected.toHex(),
    ...ciphers.map(({ it }) => {
      using cipher = it(key);
      cipher.seal(counter, message, frame, 0, ad);
      const sealed = frame.toHex();
      return cipher.open(counter, frame, frame, 0, ad) === message.length ? sealed : "does not open";
    }),
  ];
}

function signing(draw: Draw): Answers {
  const [seed, message] = [draw.bytes(32), draw.data()];
  return [
    ed25519.sign(message, seed).toHex(),
    ...signers.map(({ it }) => {
      using key = it.fromSeed(seed);
      return it.sign(key, message).toHex();
    }),
  ];
}

function verifying(draw: Draw): Answers {
  const [seed, message] = [draw.bytes(32), draw.data()];
  const signature = draw.perhapsFlipped(ed25519.sign(message, seed));
  const key = draw.perhapsFlipped(ed25519.getPublicKey(seed));
  const items = [{ key, message, signature }];
  return [
    ed25519.verify(signature, message, key, { zip215: true }),
    ...verifiers.map(({ it }) => it.verify(key, message, signature)),
    ...verifiers.map(({ it }) => it.verifyBatch(items).length === 0),
  ];
}

function agreeing(draw: Draw): Answers {
  const [secret, publicKey] = [draw.bytes(32), draw.bytes(32)];
  return [
    x25519.getSharedSecret(secret, publicKey).toHex(),
    ...agreements.map(({ it }) => {
      using key = it.fromSecret(secret);
      return it.agree(key, publicKey)?.toHex() ?? null;
    }),
  ];
}

const HASHES = { sha256, sha512 } as const;
const HMACS = { hmacSha256: sha256, hmacSha512: sha512 } as const;

function hashing(draw: Draw): Answers {
  const [data, key] = [draw.data(), draw.data()];
  const cut = draw.below(data.length + 1);
  const parts = [data.subarray(0, cut), data.subarray(cut)];
  const plain = draw.below(2) === 0 ? "sha256" : "sha512";
  const keyed = draw.below(2) === 0 ? "hmacSha256" : "hmacSha512";
  const agreed = [
    ...hashes(plain).map(({ it }) => it(...parts).toHex() === HASHES[plain](data).toHex()),
    ...hashes(keyed).map(({ it }) => it(key, ...parts).toHex() === hmac(HMACS[keyed], key, data).toHex()),
    ...hashes("shake256").map(({ it }) => it(data, cut).toHex() === shake256(data, { dkLen: cut }).toHex()),
  ];
  return [true, ...agreed];
}

const blakes = each("blake3");

function deriving(draw: Draw): Answers {
  const [ikm, salt, info, key] = [draw.data(), draw.data(), draw.data(), draw.bytes(32)];
  const length = 1 + draw.below(200);
  const expected = hkdf(sha256, ikm, salt, info, length).toHex();
  const agreed = [
    ...hashes("hkdfSha256").map(({ it }) => it({ ikm, salt, info, length }).toHex() === expected),
    ...blakes.map(({ it }) => it.blake3(ikm).toHex() === blake3(ikm).toHex()),
    ...blakes.map(({ it }) => it.blake3(info, key).toHex() === blake3(info, { key }).toHex()),
  ];
  return [true, ...agreed];
}

const converters = each("ed25519.toX25519");

function converting(draw: Draw): Answers {
  const publicKey = ed25519.getPublicKey(draw.bytes(32));
  return [
    ed25519.utils.toMontgomery(publicKey).toHex(),
    ...converters.map(({ it }) => it(publicKey)?.toHex() ?? null),
  ];
}

const KINDS = [sealing, framing, signing, verifying, agreeing, hashing, deriving, converting] as const;

test(
  `${CASES} random cases from seed ${SEED} are answered alike by every backend and noble`,
  () => {
    const counted: Record<string, number> = {};
    for (let i = 0; i < CASES; i++) {
      const seed = (SEED + i) >>> 0;
      const draw = new Draw(seed);
      const kind = KINDS[draw.below(KINDS.length)] ?? sealing;
      const answers = kind(draw);
      counted[kind.name] = (counted[kind.name] ?? 0) + 1;
      if (new Set(answers).size !== 1) {
        throw new Error(`${kind.name} differs: DCHAT_TEST_SEED=${seed}, answers ${JSON.stringify(answers)}`);
      }
    }
    expect(Object.keys(counted).toSorted()).toEqual(KINDS.map((kind) => kind.name).toSorted());
  },
  LONG ? 24 * 3_600_000 : 60_000,
);
