import { expect, test } from "bun:test";
import { type Chatter, openPair } from "../../test/harness/chat.ts";
import { loadState } from "./group.ts";
import { openRig } from "../../test/harness/rig.ts";

const { relay, devices } = await openRig();

/** The HPKE key of this device's own leaf. */
function leafKey({ store }: Chatter): Promise<string> {
  return store.transact((keeper) => {
    const [conversation] = keeper.conversations();
    if (conversation === undefined) throw new Error("there is no conversation");
    const { group } = loadState(keeper, conversation);
    const node = group.ratchetTree[group.privatePath.leafIndex * 2];
    if (node?.nodeType !== "leaf") throw new Error("there is no leaf of our own");
    return node.leaf.hpkePublicKey.toHex();
  });
}

async function say(from: Chatter, to: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await from.client.send({ to, text: `${n}` });
}

test("who writes less renews its keys too, whatever commits the other makes in between", async () => {
  const pair = await openPair(devices, relay.address);
  await using ann = pair.ann;
  await using bob = pair.bob;
  const keys = [await leafKey(bob)];
  for (let round = 0; round < 2; round++) {
    await say(bob, "ann", 20);
    await ann.client.sync();
    await say(ann, "bob", 34);
    await bob.client.sync();
    keys.push(await leafKey(bob));
  }
  await say(bob, "ann", 1);
  keys.push(await leafKey(bob));
  expect(new Set(keys).size).toBeGreaterThan(1);
  expect([...ann.alarms, ...bob.alarms, ...ann.failures, ...bob.failures]).toEqual([]);
}, 30_000);

test.each(["sync", "follow"])(
  "who only reads renews its keys as well (%s)",
  async (how) => {
    const pair = await openPair(devices, relay.address);
    await using ann = pair.ann;
    await using bob = pair.bob;
    const before = await leafKey(bob);
    const over = new AbortController();
    const following = how === "follow" ? bob.client.follow(over.signal, () => undefined) : null;
    await say(ann, "bob", 128);
    if (following === null) await bob.client.sync();
    for (let tries = 0; tries < 100 && (await leafKey(bob)) === before; tries++) await Bun.sleep(20);
    over.abort();
    await following;
    expect(await leafKey(bob)).not.toBe(before);
    await ann.client.sync();
    await say(ann, "bob", 1);
    await bob.client.sync();
    expect((await bob.client.history("ann")).length).toBe(129);
    expect([...ann.alarms, ...bob.alarms, ...ann.failures, ...bob.failures]).toEqual([]);
  },
  30_000,
);
