import { expect, spyOn, test } from "bun:test";
import { type Crypto, CryptoError, openCrypto, type SignedMessage } from "@dchat/crypto-wasm";
import { limit } from "../../ground/mod.ts";
import { SignatureCheck } from "./verify.ts";
import type { Command } from "../../wire/mod.ts";

type Item = { readonly command: Command };

/** Makes the next `traps` batches trap: verification weighs by random numbers, and there are none. */
function trap(traps: number): Disposable {
  const draw = crypto.getRandomValues.bind(crypto);
  let left = traps;
  const spied = spyOn(crypto, "getRandomValues").mockImplementation((into) => {
    if (left-- > 0) throw new Error("no randomness");
    return draw(into);
  });
  return { [Symbol.dispose]: () => spied.mockRestore() };
}

/** Commands as the check sees them; the second's signature doesn't hold. */
function commands(opened: Crypto): Item[] {
  const seed = new Uint8Array(32).fill(7);
  using key = opened.ed25519.fromSeed(seed);
  return [0, 1, 2].map((i) => {
    const statement = new Uint8Array(40).fill(i);
    const signature = opened.ed25519.sign(key, statement);
    if (i === 1) signature[40]! ^= 1;
    const signed: SignedMessage = { key: key.publicKey, message: statement, signature };
    const command = { statement, authority: { key: signed.key, signature } };
    // The check reads nothing else of a command.
    return { command: command as unknown as Command };
  });
}

/** What becomes of the commands of one tick. */
async function outcome(traps: number): Promise<unknown> {
  await using opened = await openCrypto({ needs: [], ephemeralsAhead: 0 });
  const items = commands(opened);
  using _ = trap(traps);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const check = new SignatureCheck<Item>({
    crypto: opened,
    checked: (_items, authentic) => resolve(authentic),
    failed: (_items, error) => resolve(error),
  });
  for (const item of items) check.push(item);
  return await promise;
}

test("SignatureCheck checks a tick's commands again, on another instance, when the first one trapped", async () => {
  expect(await outcome(0)).toEqual([true, false, true]);
  expect(await outcome(1)).toEqual([true, false, true]);
});

test("SignatureCheck gives a tick's commands up, and says why, when that instance trapped too", async () => {
  const error = await outcome(2);
  expect(error).toBeInstanceOf(CryptoError);
  expect(error).toMatchObject({ code: "poisoned" });
});

test("SignatureCheck checks VERIFY_BATCH_MAX in one turn of the loop at most, and keeps the order", async () => {
  await using opened = await openCrypto({ needs: [], ephemeralsAhead: 0 });
  const [item] = commands(opened);
  if (item === undefined) throw new Error("no command");
  const told: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const items = Array.from({ length: 2 * limit.VERIFY_BATCH_MAX + 1 }, () => ({ ...item }));
  const taken: Item[] = [];
  const check = new SignatureCheck<Item>({
    crypto: opened,
    checked(batch) {
      told.push(batch.length);
      taken.push(...batch);
      if (taken.length === items.length) resolve();
    },
    failed: () => told.push(-1),
  });
  for (const each of items) check.push(each);
  await promise;
  expect(told).toEqual([limit.VERIFY_BATCH_MAX, limit.VERIFY_BATCH_MAX, 1]);
  expect(taken.every((each, at) => each === items[at])).toBe(true);
});
