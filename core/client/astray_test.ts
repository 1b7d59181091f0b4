/** Devices that can't follow a change of keys: they say so, and nothing goes out that nobody reads. */
import { describe, expect, test } from "bun:test";
import { type Chatter, openChatter, openPair, texts } from "../../test/harness/chat.ts";
import { isFault } from "../ground/mod.ts";
import { openRig } from "../../test/harness/rig.ts";

const { relay, devices } = await openRig();

/** More than a device writes without changing its keys. */
const SENT = 40;

/** Ann from a backup that lacks a change of her keys, which Bob has followed. */
async function setBack(): Promise<{ ann: Chatter; bob: Chatter } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const two = await openPair(devices, relay.address);
  const [former, bob] = [stack.use(two.ann), stack.use(two.bob)];
  await former.client.send({ to: "bob", text: "zero" });
  const from = former.backUp();
  for (let at = 0; at < SENT; at++) await former.client.send({ to: "bob", text: `${at}` });
  await bob.client.sync();
  const ann = stack.use(await openChatter(devices, { from }));
  const owned = stack.move();
  return { ann, bob, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const code = (sending: Promise<unknown>): Promise<unknown> => sending.catch((error: unknown) => error);

describe("a database that was set back behind a change of its own keys", () => {
  test("takes no text that nobody could read, and says that another conversation is needed", async () => {
    await using both = await setBack();
    const { ann, bob } = both;
    for (const text of ["lost?", "lost too?"]) {
      const error = await code(ann.client.send({ to: "bob", text, wait: true }));
      expect(isFault(error, "client/astray")).toBe(true);
      expect(String(error)).not.toContain("goes out");
    }
    const [one] = await ann.client.conversations();
    expect(one?.unsent).toBe(0);
    expect(await texts(ann, "bob")).not.toContain("lost?");
    await bob.client.sync();
    // Nothing of it reached the other side, not as rubbish either.
    expect([...bob.alarms, ...bob.failures, ...ann.failures]).toEqual([]);
    expect((await ann.client.contacts())[0]?.alarms.join()).toContain("start another conversation");
  });

  test("is told in a few words, and of what comes later in none", async () => {
    await using both = await setBack();
    const { ann, bob } = both;
    await ann.client.sync();
    await bob.client.send({ to: "ann", text: "answer" });
    await ann.client.sync();
    expect(ann.alarms).toEqual([
      expect.stringContaining("a backup seems to have been put in its place"),
      expect.stringContaining("start another conversation"),
    ]);
    expect(ann.failures).toEqual([]);
  });
});

test("a device whose change of keys went before it was read says so, and sends nothing that nobody could read", async () => {
  await using both = await openPair(devices, relay.address);
  const { ann, bob } = both;
  for (let at = 0; at < SENT; at++) await ann.client.send({ to: "bob", text: `${at}` });
  await ann.client.sync();
  bob.bend((session) => ({
    async read(range, signing, options) {
      const result = await session.read(range, signing, options);
      if (result.is === "refused") return result;
      return { ...result, entries: result.entries.map((each) => ({ ...each, entry: null })) };
    },
  }));
  await bob.client.sync();
  const runs = bob.alarms.filter((what) => what.includes("were gone before we could read them"));
  expect([runs.length, bob.alarms.length]).toEqual([2, 3]);
  expect(bob.alarms.join()).toContain("a change of keys, was gone before we could read it");
  const error = await code(bob.client.send({ to: "ann", text: "lost?", wait: true }));
  expect(isFault(error, "client/astray")).toBe(true);
  await ann.client.sync();
  expect([...ann.alarms, ...ann.failures, ...bob.failures]).toEqual([]);
});
