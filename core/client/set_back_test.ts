/** Devices whose database is replaced by an older one: what they say afterwards reaches the other side. */
import { describe, expect, test } from "bun:test";
import { type Chatter, openChatter, openPair, texts } from "../../test/harness/chat.ts";
import { clock } from "../../test/harness/device.ts";
import { openRig } from "../../test/harness/rig.ts";

const { relay, devices } = await openRig();

/** Ann from a backup that lacks "one" and "two", which Bob has read; with `gone`, their bodies aren't at the relay any more. */
async function setBack(gone: boolean): Promise<{ ann: Chatter; bob: Chatter } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const two = await openPair(devices, relay.address);
  const [former, bob] = [stack.use(two.ann), stack.use(two.bob)];
  await former.client.send({ to: "bob", text: "zero" });
  await former.client.sync();
  const from = former.backUp();
  for (const text of ["one", "two"]) await former.client.send({ to: "bob", text });
  await bob.client.sync();
  if (gone) await former.client.sync();
  const ann = stack.use(await openChatter(devices, { from }));
  if (gone) {
    ann.bend((session) => ({
      async read(range, signing, options) {
        const result = await session.read(range, signing, options);
        if (result.is === "refused") return result;
        const isGone = (seq: number) => seq === 1 || seq === 2;
        const entries = result.entries.map((each) =>
          isGone(each.leaf.seq) ? { ...each, entry: null } : each,
        );
        return { ...result, entries };
      },
    }));
  }
  const owned = stack.move();
  return { ann, bob, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe("a database that was set back", () => {
  test.each([false, true])("loses nothing that is sent first (former entries gone: %p)", async (gone) => {
    await using both = await setBack(gone);
    const { ann, bob } = both;
    const three = await ann.client.send({ to: "bob", text: "three" });
    expect(three).toMatchObject({ text: "three" });
    expect(three.seq).toBeGreaterThan(3);
    await ann.client.send({ to: "bob", text: "four" });
    await bob.client.sync();
    expect(await texts(bob, "ann")).toEqual(["zero", "one", "two", "three", "four"]);
    await bob.client.send({ to: "ann", text: "five" });
    await ann.client.sync();
    const told = gone ? ["zero", "three", "four", "five"] : ["zero", "two", "three", "four", "five"];
    expect(await texts(ann, "bob")).toEqual(told);
    expect(ann.alarms.join()).toContain("a backup seems to have been put in its place");
    expect([...ann.failures, ...bob.failures]).toEqual([]);
  });

  test.each([false, true])("loses nothing where it reads first (former entries gone: %p)", async (gone) => {
    await using both = await setBack(gone);
    const { ann, bob } = both;
    await ann.client.sync();
    for (const text of ["three", "four"]) await ann.client.send({ to: "bob", text });
    await bob.client.sync();
    expect(await texts(bob, "ann")).toEqual(["zero", "one", "two", "three", "four"]);
    expect(bob.alarms).toEqual([]);
    expect(ann.alarms.join()).toContain("a backup seems to have been put in its place");
    expect([...ann.failures, ...bob.failures]).toEqual([]);
  });

  test("is mended by who follows too, without another command", async () => {
    const start = clock.monotonic();
    const fast = { ...clock, monotonic: () => start + (clock.monotonic() - start) * 20 };
    await using two = await openPair(devices, relay.address);
    await using ann = await openChatter(devices, { from: two.ann.backUp(), clock: fast });
    const over = new AbortController();
    const following = ann.client.follow(over.signal, () => undefined);
    await Bun.sleep(200);
    await two.ann.client.send({ to: "bob", text: "one" });
    // One more than "one": the change of keys.
    const size = async () => (await ann.client.conversations())[0]?.kept.position.size;
    for (let tries = 0; tries < 100 && (await size()) !== 2; tries++) await Bun.sleep(20);
    over.abort();
    await following;
    expect(ann.alarms.join()).toContain("Its keys are renewed");
    expect(await size()).toBe(2);
  });
});
