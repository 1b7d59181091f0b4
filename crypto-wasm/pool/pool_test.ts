import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { COLUMNS, FITTING } from "../_columns.ts";
import { CryptoError, openCrypto, openCryptoPool, type Crypto, type SignedMessage } from "../mod.ts";
import { packSigned, unpackSigned } from "./pack.ts";

let crypto: Crypto;

beforeAll(async () => {
  crypto = await openCrypto({ ...FITTING, needs: [] });
});

afterAll(async () => {
  await crypto[Symbol.asyncDispose]();
});

/** `count` signed messages of different lengths; those at `bad` don't hold. */
function signed(count: number, bad: readonly number[] = []): SignedMessage[] {
  using key = crypto.ed25519.generate();
  return Array.from({ length: count }, (_, i) => {
    const message = crypto.random.bytes(i % 70);
    const signature = crypto.ed25519.sign(key, message);
    return { key: key.publicKey, message: bad.includes(i) ? crypto.random.bytes(71) : message, signature };
  });
}

test("unpackSigned() gives back what packSigned() took", () => {
  for (const count of [0, 1, 80]) {
    const items = signed(count);
    expect(unpackSigned(packSigned(items))).toEqual(items);
  }
});

describe("a CryptoPool", () => {
  test.each(COLUMNS)("names the bad ones from a thread, on the %s backends", async (backends) => {
    using pool = openCryptoPool({ ed25519: crypto.ed25519, backends, workers: 2 });
    const bad = [[], [0], [3, 99], [50, 51, 52]];
    const batches = bad.map((positions) => pool.verifyBatch(signed(100, positions)));
    expect(pool.waiting).toBe(4);
    expect(await Promise.all(batches)).toEqual(bad);
    expect(pool.waiting).toBe(0);
  });

  test("does small batches in place, and all where its threads are full", async () => {
    using pool = openCryptoPool({ ed25519: crypto.ed25519, waitingMax: 2 });
    const small = pool.verifyBatch(signed(5, [2]));
    expect(pool.waiting).toBe(0);
    const large = [
      pool.verifyBatch(signed(60, [7])),
      pool.verifyBatch(signed(60)),
      pool.verifyBatch(signed(60, [1])),
    ];
    expect(pool.waiting).toBe(2);
    expect(await Promise.all([small, ...large])).toEqual([[2], [7], [], [1]]);
  });

  test("answers in the order of the calls, a failed one too", async () => {
    using pool = openCryptoPool({ ed25519: crypto.ed25519, workers: 2, waitingMax: 1 });
    const order: number[] = [];
    const calls = [300, 40, 2, 100, 1].map((count, at) =>
      pool
        .verifyBatch(
          at === 2
            ? [{ key: new Uint8Array(1), message: new Uint8Array(1), signature: new Uint8Array(1) }]
            : signed(count),
        )
        .catch(() => [])
        .then(() => order.push(at)),
    );
    await Promise.all(calls);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  test("borrows its items for the call only", async () => {
    using pool = openCryptoPool({ ed25519: crypto.ed25519 });
    const items = signed(40);
    const answer = pool.verifyBatch(items);
    for (const { message, signature } of items) {
      message.fill(0);
      signature.fill(0);
    }
    expect(await answer).toEqual([]);
  });

  test("names a wrong argument", async () => {
    using pool = openCryptoPool({ ed25519: crypto.ed25519 });
    const items = signed(40).with(30, { ...signed(1)[0]!, key: new Uint8Array(31) });
    await expect(pool.verifyBatch(items)).rejects.toThrow("items[30].key must be");
  });

  test("rejects what waits when it is disposed, and works in place from then on", async () => {
    const pool = openCryptoPool({ ed25519: crypto.ed25519 });
    const waiting = pool.verifyBatch(signed(200));
    pool[Symbol.dispose]();
    await expect(waiting).rejects.toThrow(CryptoError);
    expect(await pool.verifyBatch(signed(40, [39]))).toEqual([39]);
  });
});
