/** What isn't authentic is a value, what is of the wrong type or length is a CryptoError, on every backend. */
import { describe, expect, test } from "bun:test";
import {
  aeads,
  agreements,
  each,
  hashes,
  type OnBackend,
  passwords,
  signers,
  verifiers,
} from "./_each_backend.ts";
import { CryptoError } from "./error.ts";
import { openCrypto } from "./open.ts";
import type { BackendName } from "./part.ts";
import type { Aead } from "./port.ts";

/** Around the blocks of every primitive here: 16 of Poly1305, 64 of ChaCha20 and SHA-256, 128 of SHA-512. */
const LENGTHS = [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025];
const MIB = 1 << 20;

/** Deterministic bytes, different for each `seed`. */
function bytes(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state;
  }
  return out;
}

/** `data` once for each of its bytes, with one bit of that byte flipped. */
function* flips(data: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < data.length; i++) {
    const flipped = data.slice();
    flipped[i] = (flipped[i] ?? 0) ^ (1 << (i % 8));
    yield flipped;
  }
}

/** The message of the CryptoError that `act` throws. */
function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof CryptoError && error.code === "argument") return error.message;
    throw error;
  }
  return "nothing was refused";
}

/** What isn't a Uint8Array of the right length, but gets past a type checker that was told so. */
const WRONG: Uint8Array[] = JSON.parse('[null, "text", 7, {"length": 32}, [1, 2]]');

function isWasm(backend: BackendName): boolean {
  return backend === "wide" || backend === "portable";
}

const ALL_AEADS: (OnBackend<Aead> & { name: string })[] = (
  ["chacha20Poly1305", "xchacha20Poly1305", "aes128Gcm", "aes256Gcm"] as const
).flatMap((name) => aeads(name).map((on) => ({ ...on, name })));

describe.each(ALL_AEADS)("$name on $backend", ({ it }) => {
  const key = bytes(it.keyBytes, 2);
  const nonce = bytes(it.nonceBytes, 3);

  test("seals and opens every length around a block, and 1 MiB", () => {
    for (const length of [...LENGTHS, MIB]) {
      for (const adLength of length === MIB ? [0, 65] : LENGTHS) {
        const [message, ad] = [bytes(length), bytes(adLength, 5)];
        const sealed = it.seal(key, nonce, message, ad);
        expect(sealed.length).toBe(length + 16);
        expect(Buffer.compare(it.open(key, nonce, sealed, ad) ?? new Uint8Array(0), message)).toBe(0);
      }
    }
  });

  test("refuses a flipped bit in any byte of key, nonce, associated data, ciphertext and tag", () => {
    const [message, ad] = [bytes(100), bytes(33, 5)];
    const sealed = it.seal(key, nonce, message, ad);
    for (const flipped of flips(sealed)) expect(it.open(key, nonce, flipped, ad)).toBeNull();
    for (const flipped of flips(key)) expect(it.open(flipped, nonce, sealed, ad)).toBeNull();
    for (const flipped of flips(nonce)) expect(it.open(key, flipped, sealed, ad)).toBeNull();
    for (const flipped of flips(ad)) expect(it.open(key, nonce, sealed, flipped)).toBeNull();
  });

  test("refuses every truncation and a byte more", () => {
    const sealed = it.seal(key, nonce, bytes(40), bytes(0));
    for (let length = 0; length < sealed.length; length++) {
      expect(it.open(key, nonce, sealed.subarray(0, length), bytes(0))).toBeNull();
    }
    expect(it.open(key, nonce, Uint8Array.of(...sealed, 0), bytes(0))).toBeNull();
  });

  test("leaves its inputs as they were", () => {
    const [message, ad] = [bytes(100), bytes(33, 5)];
    const sealed = it.seal(key, nonce, message, ad);
    it.open(key, nonce, sealed, ad);
    expect([message, ad, key, nonce]).toEqual([
      bytes(100),
      bytes(33, 5),
      bytes(it.keyBytes, 2),
      bytes(it.nonceBytes, 3),
    ]);
  });

  test("names the argument that is wrong", () => {
    for (const wrong of [...WRONG, bytes(it.keyBytes - 1), bytes(it.keyBytes + 1)]) {
      expect(refusal(() => it.seal(wrong, nonce, nonce, nonce))).toStartWith("key must be");
      expect(refusal(() => it.open(wrong, nonce, nonce, nonce))).toStartWith("key must be");
    }
    for (const wrong of [...WRONG, bytes(it.nonceBytes - 1), bytes(it.nonceBytes + 1)]) {
      expect(refusal(() => it.seal(key, wrong, nonce, nonce))).toStartWith("nonce must be");
      expect(refusal(() => it.open(key, wrong, nonce, nonce))).toStartWith("nonce must be");
    }
    for (const wrong of WRONG) {
      expect(refusal(() => it.seal(key, nonce, wrong, nonce))).toStartWith("plaintext must be");
      expect(refusal(() => it.open(key, nonce, wrong, nonce))).toStartWith("ciphertext must be");
      expect(refusal(() => it.seal(key, nonce, nonce, wrong))).toStartWith("ad must be");
      expect(refusal(() => it.open(key, nonce, nonce, wrong))).toStartWith("ad must be");
    }
  });
});

describe.each(each("cipherState"))("a CipherState on $backend", ({ it }) => {
  test("seals and opens in place every length up to the largest Noise frame", () => {
    using cipher = it(bytes(32, 2));
    const buffer = new Uint8Array(65_535 + 7);
    for (const length of [...LENGTHS, 65_519]) {
      buffer.set(bytes(length), 7);
      expect(cipher.seal(length, buffer.subarray(7, 7 + length), buffer, 7)).toBe(length + 16);
      expect(cipher.open(length, buffer.subarray(7, 7 + length + 16), buffer, 7)).toBe(length);
      expect(Buffer.compare(buffer.subarray(7, 7 + length), bytes(length))).toBe(0);
    }
  });

  test("answers -1 to a flipped bit, another counter, associated data or key, and to what is too short", () => {
    using cipher = it(bytes(32, 2));
    using other = it(bytes(32, 3));
    const [sealed, out] = [new Uint8Array(66), new Uint8Array(66)];
    cipher.seal(5, bytes(50), sealed, 0, bytes(3));
    for (const flipped of flips(sealed)) expect(cipher.open(5, flipped, out, 0, bytes(3))).toBe(-1);
    for (const counter of [0, 4, 6, 2 ** 32 + 5])
      expect(cipher.open(counter, sealed, out, 0, bytes(3))).toBe(-1);
    expect(cipher.open(5, sealed, out, 0)).toBe(-1);
    expect(cipher.open(5, sealed, out, 0, bytes(4))).toBe(-1);
    expect(other.open(5, sealed, out, 0, bytes(3))).toBe(-1);
    for (let length = 0; length < 66; length++) {
      expect(cipher.open(5, sealed.subarray(0, length), out, 0, bytes(3))).toBe(-1);
    }
    expect(cipher.open(5, sealed, out, 0, bytes(3))).toBe(50);
  });

  test("writes nothing outside its place, and refuses a place that is too small", () => {
    using cipher = it(bytes(32, 2));
    const into = new Uint8Array(100).fill(0xaa);
    cipher.seal(0, bytes(50), into, 10);
    expect(into.subarray(0, 10)).toEqual(new Uint8Array(10).fill(0xaa));
    expect(into.subarray(76)).toEqual(new Uint8Array(24).fill(0xaa));
    expect(refusal(() => cipher.seal(0, bytes(50), into, 35))).toStartWith("into must have 66 bytes");
    for (const at of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(refusal(() => cipher.seal(0, bytes(5), into, at))).toMatch(/^(at|into) must/);
    }
    for (const counter of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(refusal(() => cipher.seal(counter, bytes(5), into, 0))).toStartWith("counter must be");
      expect(refusal(() => cipher.open(counter, bytes(50), into, 0))).toStartWith("counter must be");
    }
    for (const wrong of WRONG) {
      expect(refusal(() => cipher.seal(0, wrong, into, 0))).toContain("must be a Uint8Array");
      expect(refusal(() => cipher.open(0, wrong, into, 0))).toContain("must be a Uint8Array");
      expect(refusal(() => cipher.seal(0, into, wrong, 0))).toStartWith("into must");
    }
  });

  test("throws after dispose, and may be disposed twice", () => {
    const cipher = it(bytes(32, 2));
    cipher[Symbol.dispose]();
    cipher[Symbol.dispose]();
    expect(() => cipher.seal(0, bytes(5), new Uint8Array(50), 0)).toThrow(CryptoError);
    expect(() => cipher.open(0, bytes(21), new Uint8Array(50), 0)).toThrow(CryptoError);
  });
});

describe("Ed25519", () => {
  const [signer] = signers;
  if (signer === undefined) throw new Error("no backend signs");
  const key = signer.it.fromSeed(bytes(32));
  const message = bytes(70);
  const signature = signer.it.sign(key, message);
  const publicKey = key.publicKey;

  test.each(verifiers)("verify() on $backend refuses a flipped bit in any byte", ({ it }) => {
    for (const flipped of flips(signature)) expect(it.verify(publicKey, message, flipped)).toBe(false);
    for (const flipped of flips(message)) expect(it.verify(publicKey, flipped, signature)).toBe(false);
    for (const flipped of flips(publicKey)) expect(it.verify(flipped, message, signature)).toBe(false);
    expect(it.verify(publicKey, message, signature)).toBe(true);
  });

  test.each(verifiers)("verifyBatch() on $backend names exactly the bad ones", ({ it }) => {
    const items = Array.from({ length: 300 }, (_, i) => ({
      key: publicKey,
      message,
      signature,
      bad: i % 37 === 5,
    }));
    const sent = items.map((item) => (item.bad ? { ...item, message: bytes(70, 9) } : item));
    expect(it.verifyBatch(sent)).toEqual(items.flatMap((item, at) => (item.bad ? [at] : [])));
    expect(it.verifyBatch([])).toEqual([]);
    expect(it.verifyBatch(sent.filter((item) => item.bad))).toHaveLength(8);
  });

  test.each(verifiers)(
    "verify() on $backend takes messages of every length around a block, and 1 MiB",
    ({ it }) => {
      for (const length of [...LENGTHS, MIB]) {
        const long = bytes(length);
        expect(it.verify(publicKey, long, signer.it.sign(key, long))).toBe(true);
      }
    },
  );

  test.each(verifiers)("verify() on $backend names the argument that is wrong", ({ it }) => {
    for (const wrong of [...WRONG, bytes(31), bytes(33)]) {
      expect(refusal(() => it.verify(wrong, message, signature))).toStartWith("key must be");
      expect(refusal(() => it.verifyBatch([{ key: wrong, message, signature }]))).toStartWith(
        "items[0].key must be",
      );
    }
    for (const wrong of [...WRONG, bytes(63), bytes(65)]) {
      expect(refusal(() => it.verify(publicKey, message, wrong))).toStartWith("signature must be");
    }
    for (const wrong of WRONG)
      expect(refusal(() => it.verify(publicKey, wrong, signature))).toStartWith("message must");
  });

  test.each(signers)(
    "keys on $backend refuse wrong seeds, foreign handles and use after dispose",
    ({ it, backend }) => {
      for (const wrong of [...WRONG, bytes(31), bytes(33)])
        expect(refusal(() => it.fromSeed(wrong))).toStartWith("seed must");
      const own = it.fromSeed(bytes(32));
      for (const wrong of WRONG) expect(refusal(() => it.sign(own, wrong))).toStartWith("message must be");
      own[Symbol.dispose]();
      own[Symbol.dispose]();
      expect(() => it.sign(own, message)).toThrow(CryptoError);
      expect(() => own.exportSeed()).toThrow(CryptoError);
      for (const foreign of signers) {
        // The WASM's two builds share their handles' class, and each handle knows its instance.
        if (foreign.backend === backend || (isWasm(foreign.backend) && isWasm(backend))) continue;
        using theirs = foreign.it.fromSeed(bytes(32));
        expect(refusal(() => it.sign(theirs, message))).toStartWith("key must be");
      }
    },
  );
});

describe.each(agreements)("X25519 on $backend", ({ it, backend }) => {
  test("agrees with itself and refuses what is wrong", () => {
    const [a, b] = [it.fromSecret(bytes(32, 1)), it.generate()];
    const shared = it.agree(a, b.publicKey);
    expect(shared).toEqual(it.agree(b, a.publicKey));
    expect(it.agree(a, new Uint8Array(32))).toBeNull();
    expect(a.exportSecret()).toEqual(bytes(32, 1));
    for (const wrong of [...WRONG, bytes(31), bytes(33)]) {
      expect(refusal(() => it.agree(a, wrong))).toStartWith("publicKey must be");
      expect(refusal(() => it.fromSecret(wrong))).toStartWith("secret must be");
    }
    a[Symbol.dispose]();
    expect(() => it.agree(a, b.publicKey)).toThrow(CryptoError);
    expect(() => a.exportSecret()).toThrow(CryptoError);
    for (const foreign of agreements) {
      if (foreign.backend === backend || (isWasm(foreign.backend) && isWasm(backend))) continue;
      using theirs = foreign.it.generate();
      expect(refusal(() => it.agree(theirs, b.publicKey))).toStartWith("key must be");
    }
  });
});

test("every backend hashes every length around a block, and 1 MiB, alike, in one piece and in three", () => {
  for (const length of [...LENGTHS, MIB]) {
    const data = bytes(length);
    const cut = [0, length >> 2, length >> 1, length] as const;
    const parts = [
      data.subarray(cut[0], cut[1]),
      data.subarray(cut[1], cut[2]),
      data.subarray(cut[2], cut[3]),
    ];
    for (const name of ["sha256", "sha512"] as const) {
      const all = hashes(name).flatMap(({ it }) => [it(data).toHex(), it(...parts).toHex()]);
      expect([name, length, new Set(all).size, all.length]).toEqual([
        name,
        length,
        1,
        2 * ("Bun" in globalThis ? 2 : 1),
      ]);
    }
    for (const name of ["hmacSha256", "hmacSha512"] as const) {
      const all = hashes(name).flatMap(({ it }) => [it(data, data).toHex(), it(data, ...parts).toHex()]);
      expect([name, length, new Set(all).size, all.length]).toEqual([
        name,
        length,
        1,
        2 * ("Bun" in globalThis ? 2 : 1),
      ]);
    }
    const xof = hashes("shake256").map(({ it }) => it(data, 137).toHex());
    expect([length, new Set(xof).size, xof.length]).toEqual([length, 1, 2]);
    for (const { it } of each("blake3")) {
      const stream = it.blake3Stream();
      for (const part of parts) stream.update(part);
      expect(stream.digest()).toEqual(it.blake3(data));
    }
  }
});

describe("hashes name the argument that is wrong", () => {
  test.each(hashes("sha256"))("sha256 on $backend", ({ it }) => {
    for (const wrong of WRONG) expect(refusal(() => it(bytes(1), wrong))).toStartWith("parts[1] must be");
  });

  test.each(hashes("hmacSha256"))("hmacSha256 on $backend", ({ it }) => {
    for (const wrong of WRONG) expect(refusal(() => it(wrong, bytes(1)))).toStartWith("key must be");
  });

  test.each(hashes("hkdfSha256"))("hkdfSha256 on $backend", ({ it }) => {
    const options = { ikm: bytes(3), salt: bytes(3), info: bytes(3), length: 3 };
    for (const length of [-1, 0.5, 8161, Number.NaN]) {
      expect(refusal(() => it({ ...options, length }))).toStartWith("length must be");
    }
    for (const name of ["ikm", "salt", "info"] as const) {
      for (const wrong of WRONG)
        expect(refusal(() => it({ ...options, [name]: wrong }))).toStartWith(`${name} must be`);
    }
    expect(it({ ...options, length: 0 })).toHaveLength(0);
    expect(it({ ...options, length: 8160 })).toHaveLength(8160);
  });
});

test.each(passwords)("argon2id() on $backend names the argument that is wrong", ({ it }) => {
  const options = { password: bytes(8), salt: bytes(16), memoryKib: 8, passes: 1, length: 32 };
  expect(refusal(() => it.argon2id({ ...options, salt: bytes(7) }))).toStartWith("salt must be");
  expect(refusal(() => it.argon2id({ ...options, memoryKib: 7 }))).toStartWith("memoryKib must be");
  expect(refusal(() => it.argon2id({ ...options, passes: 0 }))).toStartWith("passes must be");
  expect(refusal(() => it.argon2id({ ...options, length: 15 }))).toStartWith("length must be");
  for (const wrong of WRONG) {
    expect(refusal(() => it.argon2id({ ...options, password: wrong }))).toStartWith("password must be");
  }
});

test("the rest of openCrypto() names the argument that is wrong", async () => {
  await using crypto = await openCrypto({ backends: "Bun" in globalThis ? "fast" : "portable" });
  for (const kem of [crypto.mlKem768, crypto.xWing]) {
    const { publicKey, secretKey } = kem.generate();
    const { ciphertext, secret } = kem.encapsulate(publicKey);
    expect(kem.decapsulate(secretKey, ciphertext)).toEqual(secret);
    for (const flipped of [...flips(ciphertext)].slice(0, 40)) {
      // Implicit rejection: another secret, never an error that would tell.
      expect(kem.decapsulate(secretKey, flipped)).not.toEqual(secret);
    }
    for (const wrong of [...WRONG, bytes(31)]) {
      expect(refusal(() => kem.fromSeed(wrong))).toStartWith("seed must be");
      expect(refusal(() => kem.encapsulate(wrong))).toStartWith("publicKey must be");
      expect(refusal(() => kem.decapsulate(wrong, ciphertext))).toStartWith("secretKey must be");
      expect(refusal(() => kem.decapsulate(secretKey, wrong))).toStartWith("ciphertext must be");
    }
    // FIPS 203 section 7.2: a key with a coefficient that isn't reduced is no key.
    expect(refusal(() => kem.encapsulate(new Uint8Array(publicKey.length).fill(0xff)))).toStartWith(
      "publicKey",
    );
  }
  for (const length of [-1, 0.5, Number.NaN, 2 ** 31]) {
    expect(refusal(() => crypto.random.bytes(length))).toStartWith("length must be");
  }
  expect(crypto.random.bytes(200_000)).toHaveLength(200_000);
  for (const wrong of WRONG) {
    expect(refusal(() => crypto.equal(wrong, bytes(1)))).toStartWith("a must be");
    expect(refusal(() => crypto.wipe(wrong))).toStartWith("secrets[0] must be");
  }
  expect([
    crypto.equal(bytes(9), bytes(9)),
    crypto.equal(bytes(9), bytes(9, 2)),
    crypto.equal(bytes(9), bytes(8)),
  ]).toEqual([true, false, false]);
});
