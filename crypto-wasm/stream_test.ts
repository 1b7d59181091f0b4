import { describe, expect, test } from "bun:test";
import { gcm } from "@noble/ciphers/aes.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import * as fc from "fast-check";
import { COLUMNS } from "./_columns.ts";
import { CryptoError, openCrypto } from "./mod.ts";
import type { AeadStream } from "./port.ts";

const PIECE = 65_536;
const SEALED = PIECE + 16;
const KEY = run(32, 3);
const AD = run(20, 4);
const EMPTY = new Uint8Array(0);

function run(length: number, from = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.imul(i + from, 2_654_435_761) >>> 24);
}

/** `data` cut at `steps` in turn. */
function* cut(data: Uint8Array, steps: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < data.length; i++) {
    const step = steps[i % steps.length] ?? 1;
    yield data.subarray(at, at + step);
    at += step;
  }
}

function sealed(stream: AeadStream, data: Uint8Array, steps = [data.length || 1]): Uint8Array {
  using sealing = stream.seal(KEY, AD);
  const all = [...cut(data, steps)].map((piece) => sealing.update(piece));
  return new Uint8Array(Buffer.concat([...all, sealing.finish()]));
}

/** What opens, or null where it isn't whole. */
function opened(
  stream: AeadStream,
  data: Uint8Array,
  steps = [data.length || 1],
  ad = AD,
): Uint8Array | null {
  using opening = stream.open(KEY, ad);
  const all: Uint8Array[] = [];
  let refused = false;
  for (const piece of cut(data, steps)) {
    const plain = opening.update(piece);
    if (refused) expect(plain).toBeNull();
    refused ||= plain === null;
    if (plain !== null) all.push(plain);
  }
  const last = opening.finish();
  if (refused) expect(last).toBeNull();
  return last === null ? null : new Uint8Array(Buffer.concat([...all, last]));
}

/** The format as the module's head writes it, by noble. */
function byNoble(salt: Uint8Array, data: Uint8Array): Uint8Array {
  const info = Buffer.concat([Buffer.from("dchat stream v1"), AD]);
  const derived = hkdf(sha256, KEY, salt, info, 39);
  const count = Math.max(1, Math.ceil(data.length / PIECE));
  const pieces = Array.from({ length: count }, (_, i) => {
    const nonce = Buffer.alloc(12);
    nonce.set(derived.subarray(32));
    nonce.writeUInt32BE(i, 7);
    nonce[11] = i === count - 1 ? 1 : 0;
    return gcm(derived.subarray(0, 32), nonce).encrypt(data.subarray(i * PIECE, (i + 1) * PIECE));
  });
  return new Uint8Array(Buffer.concat([salt, ...pieces]));
}

describe.each(COLUMNS)("aes256GcmStream on the %s backends", (backends) => {
  const opening = openCrypto({ backends, needs: [] });

  test("is what its format says, for lengths around a piece and 1 MiB, and opens again", async () => {
    const { aes256GcmStream: stream } = await opening;
    for (const length of [0, 1, 63, 64, 65, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 1 << 20]) {
      const data = run(length);
      const all = sealed(stream, data);
      expect(all.length).toBe(32 + length + 16 * Math.max(1, Math.ceil(length / PIECE)));
      expect(Buffer.compare(all, byNoble(all.slice(0, 32), data))).toBe(0);
      expect(Buffer.compare(opened(stream, all) ?? KEY, data)).toBe(0);
    }
  });

  test("doesn't depend on how data is cut, at either end", async () => {
    const { aes256GcmStream: stream } = await opening;
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 150_000 })), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(fc.nat(200_000), steps, steps, (length, one, two) => {
        const data = run(length);
        const all = sealed(stream, data, one);
        expect(Buffer.compare(all, byNoble(all.slice(0, 32), data))).toBe(0);
        expect(Buffer.compare(opened(stream, all, two) ?? KEY, data)).toBe(0);
      }),
      { numRuns: backends === "fast" ? 30 : 8 },
    );
  });

  test("refuses a flipped bit in any byte of a short one, and of salt, tags and borders of a long one", async () => {
    const { aes256GcmStream: stream } = await opening;
    const short = sealed(stream, run(40));
    const long = sealed(stream, run(2 * PIECE + 40));
    const borders = [0, 31, 32, 32 + PIECE, 31 + SEALED, 32 + SEALED, 31 + 2 * SEALED, 32 + 2 * SEALED];
    for (const [all, places] of [
      [short, short.keys()],
      [long, [...borders, long.length - 1]],
    ] as const) {
      for (const at of places) {
        const flipped = all.slice();
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        expect(opened(stream, flipped)).toBeNull();
      }
    }
    expect(opened(stream, short, [9], run(20, 5))).toBeNull();
    expect(opened(stream, short, [9], AD.subarray(1))).toBeNull();
  });

  test("refuses what was cut off anywhere, goes on, or has pieces moved, repeated, left out or of another", async () => {
    const { aes256GcmStream: stream } = await opening;
    const [one, two] = [sealed(stream, run(3 * PIECE)), sealed(stream, run(3 * PIECE))];
    const [head, ...pieces] = [0, 1, 2, 3].map((i) =>
      i === 0 ? one.subarray(0, 32) : one.subarray(32 + (i - 1) * SEALED, 32 + i * SEALED),
    );
    const joined = (...order: number[]) => Buffer.concat([head!, ...order.map((i) => pieces[i]!)]);
    expect(opened(stream, joined(0, 1, 2))).toEqual(run(3 * PIECE));
    for (const order of [[], [0], [0, 1], [1, 2], [0, 2], [0, 1, 1, 2], [1, 0, 2], [0, 1, 2, 2], [2]]) {
      expect(opened(stream, joined(...order))).toBeNull();
    }
    for (const other of [
      Buffer.concat([head!, pieces[0]!, two.subarray(32 + SEALED)]),
      Buffer.concat([two.subarray(0, 32), ...pieces]),
      Buffer.concat([one, Buffer.alloc(1)]),
      Buffer.concat([one, Buffer.alloc(16)]),
      Buffer.concat([one, pieces[2]!]),
    ]) {
      expect(opened(stream, other)).toBeNull();
    }
    for (const length of [
      0,
      1,
      31,
      32,
      33,
      47,
      48,
      32 + 16,
      31 + SEALED,
      32 + SEALED,
      33 + SEALED,
      one.length - 1,
    ]) {
      expect(opened(stream, one.subarray(0, length))).toBeNull();
    }
    const short = sealed(stream, run(5));
    for (let length = 0; length < short.length; length++) {
      expect(opened(stream, short.subarray(0, length), [7])).toBeNull();
    }
  });

  test("hands out nothing of a piece before its tag has been checked", async () => {
    const { aes256GcmStream: stream } = await opening;
    const all = sealed(stream, run(2 * PIECE));
    all[32 + SEALED - 1] = (all[32 + SEALED - 1] ?? 0) ^ 1;
    using opening_ = stream.open(KEY, AD);
    expect(opening_.update(all.subarray(0, 32 + SEALED))).toEqual(EMPTY);
    expect(opening_.update(all.subarray(32 + SEALED))).toBeNull();
    expect(opening_.finish()).toBeNull();
  });

  test("two streams of one key and the same data have nothing in common", async () => {
    const { aes256GcmStream: stream } = await opening;
    const [one, two] = [sealed(stream, run(100)), sealed(stream, run(100))];
    expect(one.filter((byte, i) => byte === two[i]).length).toBeLessThan(20);
  });

  test("names the argument that is wrong, and refuses use after the end", async () => {
    const { aes256GcmStream: stream } = await opening;
    const wrong = [null, "text", 7, {}, [1], new Uint8Array(31), new Uint8Array(33)] as never[];
    for (const one of wrong) {
      for (const work of [() => stream.seal(one, AD), () => stream.open(one, AD)]) {
        expect(work).toThrow(expect.objectContaining({ code: "argument" }));
        expect(work).toThrow(/^key must be/);
      }
    }
    for (const one of [...wrong.slice(0, 5), new Uint8Array(65_537) as never]) {
      for (const work of [() => stream.seal(KEY, one), () => stream.open(KEY, one)]) {
        expect(work).toThrow(expect.objectContaining({ code: "argument" }));
        expect(work).toThrow(/^ad must be/);
      }
    }
    for (const begin of [() => stream.seal(KEY, AD), () => stream.open(KEY, AD)]) {
      const begun = begin();
      for (const one of wrong.slice(0, 5)) expect(() => begun.update(one)).toThrow(/^data must be/);
      begun.finish();
      expect(() => begun.update(EMPTY)).toThrow(CryptoError);
      expect(() => begun.finish()).toThrow(expect.objectContaining({ code: "disposed" }));
      const disposed = begin();
      disposed[Symbol.dispose]();
      disposed[Symbol.dispose]();
      expect(() => disposed.update(EMPTY)).toThrow(expect.objectContaining({ code: "disposed" }));
    }
  });
});

test("each column opens what the other sealed", async () => {
  const all = await Promise.all(COLUMNS.map((backends) => openCrypto({ backends, needs: [] })));
  for (const { aes256GcmStream: one } of all) {
    for (const { aes256GcmStream: two } of all) {
      const data = run(PIECE + 9);
      expect(opened(two, sealed(one, data))).toEqual(data);
    }
  }
});
