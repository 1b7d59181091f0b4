/** Relays that come back from a backup, while and after the device had trouble of its own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Chatter, openPair, texts } from "../../test/harness/chat.ts";
import { type Devices, openDevices } from "../../test/harness/device.ts";
import { type SpawnedRelay, spawnRelay } from "../../test/harness/relay.ts";
import { backUp, restore } from "../../test/harness/restore.ts";

let devices: Devices;
let dir: string;

beforeAll(async () => {
  devices = await openDevices();
  dir = mkdtempSync(join(tmpdir(), "dchat-heal-"));
});

afterAll(async () => {
  await devices[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

/** A relay with a pair on it; `back` kills it and brings it back as `keep` found it. */
async function stage() {
  await using stack = new AsyncDisposableStack();
  let relay: SpawnedRelay = await spawnRelay();
  stack.defer(() => relay[Symbol.asyncDispose]());
  const both = stack.use(await openPair(devices, relay.address));
  const backup = join(dir, crypto.randomUUID());
  const owned = stack.move();
  return {
    ...both,
    keep: () => backUp(relay, backup),
    back: async () => {
      relay = await restore(relay, backup);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function say(chatter: Chatter, to: string, said: readonly string[]): Promise<void> {
  for (const text of said) await chatter.client.send({ to, text });
}

describe("Client.sync() after a restore", () => {
  test.each([0, 2])("goes on behind entries that were gone before they were read (%i lost)", async (lost) => {
    await using here = await stage();
    const { ann, bob, keep, back } = here;
    await say(ann, "bob", ["one"]);
    await bob.client.sync();
    await say(ann, "bob", ["two", "three", "four", "five"]);
    bob.bend((session) => ({
      async read(range, signing, options) {
        if (range.from < 3) return { is: "refused", refusal: { code: "lapsed", floor: 3 } };
        return session.read(range, signing, options);
      },
    }));
    await bob.client.sync();
    await keep();
    const said = ["six", "seven"].slice(0, lost);
    await say(bob, "ann", said);
    for (const one of [bob, ann]) await one.client.sync();
    await back();
    await bob.client.sync();
    await say(ann, "bob", ["eight"]);
    for (const one of [bob, ann]) await one.client.sync();
    expect([...ann.failures, ...bob.failures]).toEqual([]);
    expect(await texts(bob, "ann")).toEqual(["one", "four", "five", ...said, "eight"]);
    expect(await texts(ann, "bob")).toEqual(["one", "two", "three", "four", "five", ...said, "eight"]);
  });

  test("takes nothing that was read before another command of the device went over to the new generation", async () => {
    await using here = await stage();
    const { ann, bob, keep, back } = here;
    await say(ann, "bob", ["one"]);
    for (const one of [bob, ann]) await one.client.sync();
    await keep();
    await say(ann, "bob", ["two"]);
    await ann.client.sync();
    // What stops this command here is the terminal, or a machine that sleeps.
    let isStopped = false;
    bob.bend((session) => ({
      async read(range, signing, options) {
        const result = await session.read(range, signing, options);
        if (isStopped) return result;
        isStopped = true;
        await back();
        await say(ann, "bob", ["three"]);
        await bob.client.send({ to: "ann", text: "hello?" });
        return result;
      },
    }));
    await bob.client.sync();
    bob.bend(() => ({}));
    for (const one of [ann, bob]) await one.client.sync();
    expect([...ann.failures, ...bob.failures]).toEqual([]);
    const log = await texts(ann, "bob");
    expect(log.toSorted()).toEqual(["hello?", "one", "three", "two"]);
    expect(await texts(bob, "ann")).toEqual(log);
  });

  test("keeps no state of a branch that the log has left", async () => {
    await using here = await stage();
    const { ann, bob, keep, back } = here;
    const many = (from: string, count: number) => Array.from({ length: count }, (_, at) => `${from} ${at}`);
    await keep();
    // Two changes of keys that Bob never sees, and then one of his.
    await say(ann, "bob", many("ann", 66));
    await back();
    await say(bob, "ann", many("bob", 34));
    for (const one of [ann, bob, ann, bob]) await one.client.sync();
    expect([...ann.failures, ...bob.failures]).toEqual([]);
    expect((await texts(bob, "ann")).length).toBe(100);
    expect(await texts(ann, "bob")).toEqual(await texts(bob, "ann"));
    const lost = await ann.store.transact((keeper) => keeper.lostFormers(keeper.conversations()[0]?.id ?? 0));
    expect(lost.map(({ seq }) => seq)).toEqual([]);
  }, 30_000);
});
