/** What isn't authentic is a value, what is of the wrong type or length is a CryptoError, on every backend. */
import { describe, expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { bytes, flips, LENGTHS, MIB, refusal, WRONG } from "./_attack.ts";
import { aeads, agreements, each, type OnBackend, passwords, signers, verifiers } from "./_each_backend.ts";
import { CryptoError } from "./error.ts";
import { openCrypto } from "./open.ts";
import type { BackendName } from "./part.ts";
import type { Aead } from "./port.ts";

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

  test.each(each("ed25519.verifyPeer"))(
    "verifyPeer on $backend refuses a flipped bit in any byte",
    ({ it }) => {
      for (const flipped of flips(signature)) expect(it(publicKey, message, flipped)).toBe(false);
      for (const flipped of flips(message)) expect(it(publicKey, flipped, signature)).toBe(false);
      for (const flipped of flips(publicKey)) expect(it(flipped, message, signature)).toBe(false);
      expect(it(publicKey, message, signature)).toBe(true);
    },
  );

  test.each(verifiers)("verifyBatch() on $backend names every item with a flipped bit", ({ it }) => {
    const good = { key: publicKey, message, signature };
    const bad = [
      ...[...flips(signature)].map((flipped) => ({ ...good, signature: flipped })),
      ...[...flips(message)].map((flipped) => ({ ...good, message: flipped })),
      ...[...flips(publicKey)].map((flipped) => ({ ...good, key: flipped })),
    ];
    const items = bad.flatMap((item) => [good, item]);
    expect(it.verifyBatch(items)).toEqual(bad.map((_, i) => 2 * i + 1));
  });

  test.each(signers)("sign() on $backend is noble's for every length around a block, and 1 MiB", ({ it }) => {
    using own = it.fromSeed(bytes(32));
    for (const length of [...LENGTHS, MIB]) {
      const long = bytes(length);
      expect(it.sign(own, long)).toEqual(ed25519.sign(long, bytes(32)));
    }
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
  // X-Wing's X25519 part comes last, in a key as in a ciphertext, and mustn't be of low order.
  const { publicKey, secretKey } = crypto.xWing.generate();
  const { ciphertext } = crypto.xWing.encapsulate(publicKey);
  const low = { publicKey: publicKey.fill(0, 1184), ciphertext: ciphertext.fill(0, 1088) };
  expect(refusal(() => crypto.xWing.encapsulate(low.publicKey))).toStartWith("publicKey is");
  expect(refusal(() => crypto.xWing.decapsulate(secretKey, low.ciphertext))).toStartWith("ciphertext is");
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
