/** Every argument of the interface with what isn't one: a CryptoError that names it, on both sets of backends. */
import { describe, expect, test } from "bun:test";
import { COLUMNS, FITTING } from "./_columns.ts";
import { PLAINTEXT_BYTES_MAX } from "./argument.ts";
import { agreed, dealtMembers, get } from "./frost/_ceremony.ts";
import { FrostRefusal } from "./frost/refusal.ts";
import {
  CryptoError,
  dealReshare,
  finishRepair,
  finishReshare,
  openCrypto,
  openCryptoPool,
  openFrost,
  repairDeltas,
  repairSigma,
  SigningPackage,
} from "./mod.ts";

const SESSION = new Uint8Array(32).fill(3);
const AGREED = agreed(3, 2);

function moved(length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(9);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** A view that its buffer no longer reaches. */
function outOfBounds(): Uint8Array {
  const buffer = new ArrayBuffer(64, { maxByteLength: 128 });
  const view = new Uint8Array(buffer, 16, 32);
  buffer.resize(8);
  return view;
}

/** Bytes that say another length than they have, of their own and by their class. */
function lying(bytes: number, says: number): unknown[] {
  const length = { get: () => says };
  return [
    Object.defineProperty(new Uint8Array(bytes), "length", length),
    Object.setPrototypeOf(new Uint8Array(bytes), Object.create(Uint8Array.prototype, { length })),
  ];
}

/** A record that gives each of its fields once. */
function once<T extends object>(record: T): T {
  const given = new Set<PropertyKey>();
  return new Proxy(record, {
    get(target, field) {
      if (given.has(field)) throw new Error(`${String(field)} is read again`);
      given.add(field);
      return Reflect.get(target, field);
    },
  });
}

const NOTHING = [null, 7, "abc", {}, () => 1] as const;
const NO_BYTES = [
  ...NOTHING,
  [1, 2],
  new Uint16Array(4),
  moved(32),
  outOfBounds(),
  Object.create(Uint8Array.prototype),
] as const;

type Call = (wrong: never) => unknown;

/** Calls `call` with each of `wrongs`, which must be refused naming `name`. */
function refuses(name: string, wrongs: readonly unknown[], call: Call): void {
  for (const [i, wrong] of wrongs.entries()) {
    let error: unknown;
    try {
      call(wrong as never);
    } catch (thrown) {
      error = thrown;
    }
    const told = error instanceof CryptoError ? `${error.code} ${error.message}` : String(error);
    expect(`${i} ${told}`).toStartWith(`${i} argument ${name}`);
  }
}

const { key, message, signature } = {
  key: new Uint8Array(32),
  message: new Uint8Array(3),
  signature: new Uint8Array(64).fill(255),
};
const BAD = { key, message, signature };
const LONG = new Uint8Array((1 << 26) + 1);

const CRYPTOS = await Promise.all(
  COLUMNS.map(async (backends) => [backends, await openCrypto({ backends })] as const),
);

describe.each(CRYPTOS)("openCrypto() of %s backends", (_, crypto) => {
  const signing = crypto.ed25519.generate();
  const agreement = crypto.x25519.generate();
  const { ed25519, x25519, hash, noise, password } = crypto;

  test("verifyBatch() takes an array alone: what only looks like one never means that all hold", () => {
    expect(ed25519.verifyBatch([BAD])).toEqual([0]);
    const all = [...NOTHING, new Set([BAD]), [BAD].values(), { 0: BAD }, { 0: BAD, length: 1 }];
    refuses("items must be an array", all, (items) => ed25519.verifyBatch(items));
    refuses("items[1]", [...NOTHING, undefined], (item) => ed25519.verifyBatch([BAD, item]));
    for (const field of ["key", "message", "signature"]) {
      refuses(`items[0].${field}`, NO_BYTES, (wrong) => ed25519.verifyBatch([{ ...BAD, [field]: wrong }]));
    }
  });

  test("bytes that are none, were moved away or lie out of bounds are refused everywhere", () => {
    refuses("message", NO_BYTES, (wrong) => ed25519.sign(signing, wrong));
    refuses("key", NO_BYTES, (wrong) => ed25519.verify(wrong, message, signature));
    refuses("message", NO_BYTES, (wrong) => ed25519.verify(key, wrong, signature));
    refuses("signature", NO_BYTES, (wrong) => ed25519.verify(key, message, wrong));
    refuses("seed", NO_BYTES, (wrong) => ed25519.fromSeed(wrong));
    refuses("publicKey", NO_BYTES, (wrong) => ed25519.toX25519(wrong));
    refuses("publicKey", NO_BYTES, (wrong) => x25519.agree(agreement, wrong));
    refuses("parts[1]", NO_BYTES, (wrong) => hash.sha256(message, wrong));
    refuses("parts[0]", NO_BYTES, (wrong) => hash.sha512(wrong));
    refuses("key", NO_BYTES, (wrong) => hash.hmacSha256(wrong, message));
    refuses("data", NO_BYTES, (wrong) => hash.sha256Stream().update(wrong));
    refuses("data", NO_BYTES, (wrong) => hash.blake3(wrong));
    refuses("data", NO_BYTES, (wrong) => hash.shake256(wrong, 3));
    for (const aead of [crypto.chacha20Poly1305, crypto.xchacha20Poly1305, crypto.aes256Gcm]) {
      const nonce = new Uint8Array(aead.nonceBytes);
      refuses("key", NO_BYTES, (wrong) => aead.seal(wrong, nonce, message, message));
      refuses("nonce", NO_BYTES, (wrong) => aead.seal(key, wrong, message, message));
      refuses("plaintext", NO_BYTES, (wrong) => aead.seal(key, nonce, wrong, message));
      refuses("ad", NO_BYTES, (wrong) => aead.seal(key, nonce, message, wrong));
      refuses("ciphertext", NO_BYTES, (wrong) => aead.open(key, nonce, wrong, message));
    }
    using cipher = noise.cipher(key);
    refuses("plaintext", NO_BYTES, (wrong) => cipher.seal(0, wrong, new Uint8Array(60), 0));
    refuses("ad", NO_BYTES, (wrong) => cipher.seal(0, message, new Uint8Array(60), 0, wrong));
    refuses("into", NO_BYTES, (wrong) => cipher.seal(0, message, wrong, 0));
    refuses("secretKey", NO_BYTES, (wrong) => crypto.xWing.decapsulate(wrong, new Uint8Array(1120)));
  });

  test("bytes that lie about their length are refused, and those of a class of their own aren't", () => {
    refuses("seed", lying(10, 32), (wrong) => ed25519.fromSeed(wrong));
    refuses("secret", lying(10, 32), (wrong) => x25519.fromSecret(wrong));
    refuses("message", lying(10, 500), (wrong) => ed25519.sign(signing, wrong));
    refuses("signature", lying(10, 64), (wrong) => ed25519.verify(key, message, wrong));
    refuses("items[0].message", lying(10, 500), (wrong) => ed25519.verifyBatch([{ ...BAD, message: wrong }]));
    refuses("parts[0]", lying(10, 9), (wrong) => hash.sha256(wrong));
    class Named extends Uint8Array {}
    expect(ed25519.fromSeed(new Named(32)).publicKey).toEqual(ed25519.fromSeed(new Uint8Array(32)).publicKey);
  });

  test("records are read once, so that what is used is what was checked", () => {
    const hkdf = { ikm: key, salt: key, info: message, length: 40 };
    expect(hash.hkdfSha256(once(hkdf))).toEqual(hash.hkdfSha256(hkdf));
    const argon = { password: key, salt: key.subarray(16), memoryKib: 8, passes: 1, length: 32 };
    expect(password.argon2id(once(argon))).toEqual(password.argon2id(argon));
    expect(ed25519.verifyBatch([BAD, BAD].map(once))).toEqual([0, 1]);
  });

  test("what could just be sealed can be opened again, and a byte more is refused", () => {
    const most = new Uint8Array(PLAINTEXT_BYTES_MAX - 1);
    for (const aead of [crypto.chacha20Poly1305, crypto.aes256Gcm]) {
      const nonce = new Uint8Array(aead.nonceBytes);
      const ad = new Uint8Array(1);
      const sealed = aead.seal(key, nonce, most, ad);
      expect(aead.open(key, nonce, sealed, ad)?.length).toBe(most.length);
      refuses("plaintext", [most], (all) => aead.seal(key, nonce, all, new Uint8Array(2)));
    }
    using cipher = noise.cipher(key);
    const into = new Uint8Array(PLAINTEXT_BYTES_MAX + 16);
    const all = new Uint8Array(PLAINTEXT_BYTES_MAX);
    expect(cipher.seal(0, all, into, 0)).toBe(into.length);
    expect(cipher.open(0, into, all, 0)).toBe(all.length);
  });

  test("records, choices and counts are refused by name", () => {
    refuses("options", [...NOTHING.slice(0, 3), undefined], (wrong) => hash.hkdfSha256(wrong));
    refuses("options", [...NOTHING.slice(0, 3), undefined], (wrong) => password.argon2id(wrong));
    refuses("type", [...NOTHING, "x"], (wrong) => noise.verifyPeerOther(wrong, key, message, signature));
    for (const type of ["rsa", "secp256k1", "ecdsa"] as const) {
      refuses("key", NO_BYTES, (wrong) => noise.verifyPeerOther(type, wrong, message, signature));
      refuses("signature", NO_BYTES, (wrong) => noise.verifyPeerOther(type, key, message, wrong));
    }
    const argon = { password: key, salt: key.subarray(16), memoryKib: 8, passes: 1, length: 32 };
    refuses("salt", [new Uint8Array(8), new Uint8Array(17)], (salt) => password.argon2id({ ...argon, salt }));
    refuses("memoryKib", [7, (1 << 20) + 1, "8"], (memoryKib) => password.argon2id({ ...argon, memoryKib }));
  });

  test("a key of the other kind, of nothing or of a made-up shape is refused by name", () => {
    const [seed, secret] = [signing.exportSeed(), agreement.exportSecret()];
    const shaped = { publicKey: key, exportSeed: () => seed, exportSecret: () => secret };
    const none = [
      ...NOTHING,
      undefined,
      { publicKey: key },
      shaped,
      Object.create(Object.getPrototypeOf(signing)),
      Object.create(Object.getPrototypeOf(agreement)),
      Object.create(signing),
      Object.create(agreement),
      new Proxy(signing, {}),
      new Proxy(agreement, {}),
    ];
    refuses("key must be a signing key", [...none, agreement], (wrong) => ed25519.sign(wrong, message));
    refuses("key must be an agreement key", [...none, signing], (wrong) => x25519.agree(wrong, key));
    refuses("key must be an agreement key", [...none, signing], (wrong) => noise.agree(wrong, key));
    refuses("key must be a signing key", [...none, agreement], (wrong) => ed25519.toAgreement(wrong));
  });

  test("more than one call takes is refused by name, the same on every backend", () => {
    refuses("message", [LONG], (long) => ed25519.sign(signing, long));
    refuses("message", [LONG], (long) => ed25519.verify(key, long, signature));
    refuses("items[0].message", [LONG], (long) => ed25519.verifyBatch([{ ...BAD, message: long }]));
    const nonce = new Uint8Array(12);
    for (const aead of [crypto.chacha20Poly1305, crypto.aes256Gcm]) {
      refuses("plaintext", [LONG], (long) => aead.seal(key, nonce, long, message));
      refuses("ad", [LONG], (long) => aead.seal(key, nonce, message, long));
      refuses("ciphertext", [LONG], (long) => aead.open(key, nonce, long, message));
    }
  });

  test("a stream gives its digest once and takes nothing after it", () => {
    for (const [open, whole] of [
      [hash.sha256Stream, hash.sha256],
      [hash.sha512Stream, hash.sha512],
      [hash.blake3Stream, hash.blake3],
    ] as const) {
      const data = new Uint8Array(3_000_000).map((_, i) => i);
      const stream = open();
      for (let at = 0, step = 1; at < data.length; at += step, step = (step * 7) % 1_500_001) {
        stream.update(data.subarray(at, at + step));
      }
      expect(stream.digest()).toEqual(whole(data));
      for (const late of [() => stream.digest(), () => stream.update(data)]) {
        expect(late).toThrow(expect.objectContaining({ code: "disposed" }));
      }
    }
  });
});

test("openCrypto() names an option that is none", async () => {
  for (const wrong of [
    { backends: "bogus" },
    { needs: ["bogus"] },
    { needs: "kem" },
    { random: 7 },
    { ephemeralsAhead: -1 },
  ]) {
    const opening = openCrypto(wrong as never);
    const name = Object.keys(wrong)[0];
    await expect(opening).rejects.toThrow(new RegExp(`^${name}.* must be`));
    await expect(opening).rejects.toBeInstanceOf(CryptoError);
  }
});

describe("FROST", () => {
  const frost = openFrost();
  const members = dealtMembers(frost, AGREED);
  const { share, group } = get(members, 1);
  const one = share.commit(SESSION);
  const two = get(members, 2).share.commit(SESSION);
  const commitments = new Map([
    [1, one.commitments],
    [2, two.commitments],
  ]);
  const options = { group, session: SESSION, commitments, message };
  const signing = SigningPackage.open(options);
  const notRecords = [null, 7, "abc", undefined];

  test("stored bytes that are no share or group are malformed, whatever their length", () => {
    for (const length of [0, 1, 2, 4, 73, 5000]) {
      const stored = new Uint8Array(length);
      for (const read of [() => frost.importShare(stored), () => frost.importGroup(stored)]) {
        expect(read).toThrow(FrostRefusal);
        expect(read).toThrow("malformed");
      }
    }
  });

  test("ceremonies name what is wrong of what was agreed on", () => {
    for (const call of [
      (wrong: never) => frost.deal(wrong),
      (wrong: never) => frost.generate(wrong, 1),
      (wrong: never) => frost.accept(wrong, { member: 1, message }),
    ]) {
      refuses("agreed", notRecords, call);
      refuses("session", NO_BYTES, (session) => call({ ...AGREED, session } as never));
      refuses("members", [null, 7, "123", {}], (all) => call({ ...AGREED, members: all } as never));
      refuses("members[0]", [0, 65_536, "1", null], (each) =>
        call({ ...AGREED, members: [each, 2, 3] } as never),
      );
      refuses("threshold", [1, 17, "2"], (threshold) => call({ ...AGREED, threshold } as never));
    }
    refuses("member", [0, "1", null], (member) => frost.generate(AGREED, member));
    refuses("dealt", notRecords, (wrong) => frost.accept(AGREED, wrong));
    refuses("complaint", notRecords, (wrong) => frost.judgeComplaint(wrong));
    refuses("session", [{}], (wrong) => frost.judgeComplaint(wrong));
  });

  test("deal() splits a reduced scalar of 32 bytes, and nothing else in its place", () => {
    const wrong = [0, 31, 33].map((length) => new Uint8Array(length).fill(1));
    refuses("secret", [...NO_BYTES, ...wrong], (secret) => frost.deal(AGREED, secret));
    refuses("secret", [new Uint8Array(32), new Uint8Array(32).fill(255)], (secret) =>
      frost.deal(AGREED, secret),
    );
  });

  test("signing names a wrong group, share, nonces, messages", () => {
    refuses("options", notRecords, (wrong) => SigningPackage.open(wrong));
    refuses("group", [...NOTHING, share], (wrong) => SigningPackage.open({ ...options, group: wrong }));
    refuses("session", NO_BYTES, (wrong) => SigningPackage.open({ ...options, session: wrong }));
    const lyingMap = Object.defineProperty(new Map(commitments), "size", { value: 1 });
    refuses("commitments", [...NOTHING, [], Object.create(Map.prototype), lyingMap], (wrong) =>
      SigningPackage.open({ ...options, commitments: wrong }),
    );
    refuses("session", NO_BYTES, (wrong) => share.commit(wrong));
    refuses("nonces", [...NOTHING, share], (wrong) => signing.sign(share, wrong));
    refuses("share", [group], (wrong) => signing.sign(wrong, one.nonces));
    expect(() => signing.sign(share, one.nonces)).toThrow(expect.objectContaining({ code: "nonce-reused" }));
    refuses("shares", [...NOTHING, [1, 2]], (wrong) => signing.aggregate(wrong));
    refuses("shares of 1", NO_BYTES, (wrong) => signing.aggregate(new Map([[1, wrong]])));
    refuses("member", [null, 0, "abc", {}], (wrong) => signing.holds(wrong, message));
    refuses("share", NO_BYTES, (wrong) => signing.holds(1, wrong));
    refuses("stored", NO_BYTES, (wrong) => frost.importShare(wrong));
    refuses("encoded", NO_BYTES, (wrong) => frost.importGroup(wrong));
  });

  test("repair and resharing name what is wrong", () => {
    const repair = { session: SESSION, group, lost: 3, helpers: [1, 2] };
    const reshare = { ...AGREED, group, dealers: [1, 2] };
    refuses("repair", notRecords, (wrong) => repairDeltas(wrong, share));
    refuses("group", [...NOTHING, share], (wrong) => repairDeltas({ ...repair, group: wrong }, share));
    refuses("share", [...NOTHING, group], (wrong) => repairDeltas(repair, wrong));
    refuses("received", notRecords, (wrong) => repairSigma(repair, wrong));
    refuses("received", notRecords, (wrong) => finishRepair(repair, wrong));
    refuses("reshare", notRecords, (wrong) => dealReshare(wrong, share));
    refuses("share", [...NOTHING, group], (wrong) => dealReshare(reshare, wrong));
    refuses("reshare", notRecords, (wrong) => finishReshare(wrong, wrong));
    refuses("received", notRecords, (wrong) => finishReshare(reshare, wrong));
  });

  test("the pool rejects by the same names", async () => {
    const { ed25519 } = await openCrypto({ ...FITTING, needs: [] });
    using pool = openCryptoPool({ ed25519, frost });
    const rejects = async (work: () => Promise<unknown>, name: string) => {
      await expect(work()).rejects.toThrow(new RegExp(`^${name}`));
      await expect(work()).rejects.toBeInstanceOf(CryptoError);
    };
    for (const wrong of [null, 7, {}] as never[]) {
      await rejects(() => pool.verifyBatch(wrong), "items must be an array");
    }
    for (const wrong of [null, 7] as never[]) {
      await rejects(() => pool.frost.generate(wrong, 1), "agreed must be");
      await rejects(() => pool.frost.accept(AGREED, wrong), "dealt must be");
      await rejects(() => pool.frost.finishReshare(wrong, wrong), "reshare must be");
    }
    for (const wrong of [undefined, null]) {
      await rejects(() => pool.verifyBatch(Array(20).fill(wrong)), "items\\[0\\] must be");
    }
    expect(await pool.verifyBatch(Array.from({ length: 20 }, () => once(BAD)))).toHaveLength(20);
    expect(() => openCryptoPool({} as never)).toThrow(/^ed25519 must be/);
    refuses("script must be a path or a URL", [5, null, {}, new Uint8Array(3)], (script) =>
      openCryptoPool({ ed25519, script }),
    );
  });
});
