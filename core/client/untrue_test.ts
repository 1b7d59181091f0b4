/** Relays that lie and members that break the rules: what is caught, and that nothing of it is believed. */
import { describe, expect, test } from "bun:test";
import { type Chatter, openPair, type Pair, texts } from "../../test/harness/chat.ts";
import { crypto, randomId, randomKey } from "../../test/harness/party.ts";
import { type Hash, hash, isFault } from "../ground/mod.ts";
import { append, leafHash, rootOf } from "../merkle/mod.ts";
import { type DeliveredEntry, leafBytes } from "../wire/mod.ts";
import { publicOf } from "./device.ts";
import { openRig } from "../../test/harness/rig.ts";

const { relay, devices } = await openRig();

function pair(): Promise<Pair> {
  return openPair(devices, relay.address);
}

/** Expects that the last thing that went wrong was a contradiction of the relay's, saying `what`. */
function expectUntrue(chatter: Chatter, what: string): void {
  const last = chatter.failures.at(-1);
  expect(isFault(last, "client/untrue")).toBe(true);
  expect(String(last)).toContain(what);
}

describe("Client.sync()", () => {
  test("believes nothing of a batch whose entry isn't what its leaf says", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    await ann.client.send({ to: "bob", text: "one" });
    await ann.client.send({ to: "bob", text: "two" });
    bob.bend((session) => ({
      async read(range, signing, options) {
        const result = await session.read(range, signing, options);
        if (result.is === "refused") return result;
        const entries = result.entries.map((each, at) =>
          at === 1 && each.entry !== null ? { ...each, entry: crypto.random.bytes(each.entry.length) } : each,
        );
        return { ...result, entries };
      },
    }));
    await bob.client.sync();
    expectUntrue(bob, "entry 1 isn't what its leaf says");
    expect(await texts(bob, "ann")).toEqual([]);
    bob.bend(() => ({}));
    await bob.client.sync();
    expect(await texts(bob, "ann")).toEqual(["one", "two"]);
  });

  test("notices a log that has shrunk without a new generation", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    for (const text of ["one", "two", "three"]) await ann.client.send({ to: "bob", text });
    await bob.client.sync();
    bob.bend((session) => ({
      async command(body, signing, options) {
        const result = await session.command(body, signing, options);
        return result.is === "described" ? { ...result, head: { ...result.head, size: 2 } } : result;
      },
    }));
    await bob.client.sync();
    expectUntrue(bob, "has 2 entries of ann");
    expect((await bob.client.contacts())[0]?.alarms.join()).toContain("has 2 entries of ann");
  });

  test("notices a log that doesn't begin with ours", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    await ann.client.send({ to: "bob", text: "one" });
    await bob.client.sync();
    await ann.client.send({ to: "bob", text: "two" });
    bob.bend((session) => ({
      async command(body, signing, options) {
        const result = await session.command(body, signing, options);
        if (result.is !== "proof") return result;
        return { ...result, path: result.path.map(() => hash(crypto.random.bytes(32))) };
      },
    }));
    await bob.client.sync();
    expectUntrue(bob, "doesn't begin with the 1 entries");
  });

  test("notices that an entry isn't the one that was promised", async () => {
    await using both = await pair();
    const { ann } = both;
    ann.bend((session) => ({
      async command(body, signing, options) {
        const result = await session.command(body, signing, options);
        if (result.is !== "appended") return result;
        return { ...result, promise: { ...result.promise, leaf: hash(crypto.random.bytes(32)) } };
      },
    }));
    await ann.client.send({ to: "bob", text: "one" });
    ann.bend(() => ({}));
    await ann.client.sync();
    expectUntrue(ann, "promised another entry 0 of bob than it gives");
  });

  test("notices that a promised entry was dropped, at the end of the log and inside it", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    const sizes = (size: number) =>
      ann.bend((session) => ({
        async command(body, signing, options) {
          const result = await session.command(body, signing, options);
          return result.is === "described" ? { ...result, head: { ...result.head, size } } : result;
        },
      }));
    await ann.client.send({ to: "bob", text: "one" });
    sizes(0);
    await ann.client.sync();
    expectUntrue(ann, "has 0 entries of bob, and promised us to keep entry 0");
    ann.bend((session) => ({
      async read(range, signing, options) {
        const result = await session.read(range, signing, options);
        if (result.is === "refused") return result;
        const entries = result.entries.map((each) => ({ ...each, leaf: { ...each.leaf, id: randomId() } }));
        return { ...result, entries };
      },
    }));
    await ann.client.sync();
    expectUntrue(ann, "promised entry 0 of bob to us and gives another's there");
    ann.bend(() => ({}));
    await bob.client.sync();
    await ann.client.sync();
    expect(await texts(ann, "bob")).toEqual(["one"]);
  });

  test("finds a split view by the heads that members carry, and tells it once", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    for (const text of ["one", "two"]) await ann.client.send({ to: "bob", text });
    await ann.client.sync();
    for (const text of ["three", "four"]) await ann.client.send({ to: "bob", text });
    // To Bob the relay shows another time for entry 0, and heads that fit.
    bob.bend((session) => {
      const forged = (each: DeliveredEntry): DeliveredEntry =>
        each.leaf.seq === 0 ? { ...each, leaf: { ...each.leaf, timeMs: each.leaf.timeMs + 1 } } : each;
      const rootAt = (entries: readonly DeliveredEntry[]) => {
        const tree = { peaks: [] as Hash[], size: 0 };
        for (const { leaf } of entries) append(crypto.hash, tree, leafHash(crypto.hash, leafBytes(leaf)));
        return rootOf(crypto.hash, tree.peaks);
      };
      return {
        async command(body, signing, options) {
          const result = await session.command(body, signing, options);
          if (result.is !== "described") return result;
          const read = await session.read({ from: 0, bytesMax: 65_536 }, signing, options);
          const root = rootAt(read.is === "refused" ? [] : read.entries.map(forged));
          return { ...result, head: { ...result.head, root } };
        },
        async read(range, signing, options) {
          const result = await session.read(range, signing, options);
          if (result.is === "refused") return result;
          const entries = result.entries.map(forged);
          return { ...result, entries, head: { ...result.head, root: rootAt(entries) } };
        },
      };
    });
    await bob.client.sync();
    expect(bob.failures).toEqual([]);
    expect(bob.alarms).toEqual([
      "the relay shows its readers different logs: at entry 2 of generation 1 ann saw another one",
    ]);
    expect((await bob.client.contacts())[0]?.alarms).toEqual(bob.alarms);
    // Nor does the honest log pass for the one that Bob was shown.
    bob.bend(() => ({}));
    await ann.client.send({ to: "bob", text: "five" });
    await bob.client.sync();
    expectUntrue(bob, "doesn't begin with the 4 entries");
  });

  test("goes on after a member set keys that nobody has, by the owner key that both have", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    await ann.client.send({ to: "bob", text: "before" });
    await bob.client.sync();
    // Bob's modified client starts a turn with a key of its own and an entry that is no commit.
    const kept = await bob.store.transact((keeper) => keeper.conversations()[0]);
    if (kept === undefined) throw new Error("bob has a conversation");
    const seed = await bob.store.transact((keeper) => keeper.writerSeed(kept.id, kept.position.turn));
    if (seed === null) throw new Error("bob can write");
    const device = await devices.connect(relay.address);
    const result = await device.session.command(
      {
        op: "append",
        id: randomId(),
        turn: 0,
        kind: "control",
        slot: 0,
        change: { writer: randomKey().publicKey, added: [], removed: [] },
        entry: crypto.random.bytes(1024),
      },
      { mailbox: kept.place.mailbox, generation: 1, key: crypto.ed25519.fromSeed(seed) },
    );
    expect(result.is).toBe("appended");
    await device[Symbol.asyncDispose]();
    const sent = await ann.client.send({ to: "bob", text: "after" });
    expect(sent.seq).toBe(2);
    await bob.client.send({ to: "ann", text: "and back" });
    await Promise.all([ann.client.sync(), bob.client.sync()]);
    expect(await texts(ann, "bob")).toEqual(["before", "after", "and back"]);
    expect(await texts(bob, "ann")).toEqual(["before", "after", "and back"]);
    expect(ann.alarms).toEqual(["control entry 1 is no valid commit; it was skipped"]);
    expect([...ann.failures, ...bob.failures]).toEqual([]);
  });

  test("takes its place among the readers again, after a member has taken it out", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    await ann.client.send({ to: "bob", text: "before" });
    await Promise.all([ann.client.sync(), bob.client.sync()]);
    const kept = await bob.store.transact((keeper) => keeper.conversations()[0]);
    if (kept === undefined) throw new Error("bob has a conversation");
    const { owner, policy } = kept.place.record;
    const [writer, reader] = [randomKey().publicKey, publicOf(crypto, kept.readerSeed)];
    const device = await devices.connect(relay.address);
    const result = await device.session.command(
      { op: "reset", version: 1, owner, writer, readers: [reader], policy },
      { mailbox: kept.place.mailbox, generation: 1, key: crypto.ed25519.fromSeed(kept.ownerSeed) },
    );
    expect(result.is).toBe("reset");
    await device[Symbol.asyncDispose]();
    await ann.client.sync();
    await ann.client.send({ to: "bob", text: "after" });
    await bob.client.send({ to: "ann", text: "and back" });
    await Promise.all([ann.client.sync(), bob.client.sync()]);
    expect(await texts(ann, "bob")).toEqual(["before", "after", "and back"]);
    expect(await texts(bob, "ann")).toEqual(["before", "after", "and back"]);
    expect([...ann.failures, ...bob.failures]).toEqual([]);
  });

  test("says that the other side has ended the conversation, and keeps what was said", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    await ann.client.send({ to: "bob", text: "last words" });
    await bob.client.sync();
    const kept = await ann.store.transact((keeper) => keeper.conversations()[0]);
    if (kept === undefined) throw new Error("ann has a conversation");
    const device = await devices.connect(relay.address);
    const key = crypto.ed25519.fromSeed(kept.ownerSeed);
    const { mailbox } = kept.place;
    expect((await device.session.command({ op: "delete" }, { mailbox, generation: 1, key })).is).toBe(
      "deleted",
    );
    await device[Symbol.asyncDispose]();
    await bob.client.sync();
    await bob.client.sync();
    // Told once: what comes to an end is nothing that goes wrong each time.
    expect(bob.alarms).toEqual([expect.stringContaining("the other side has ended this conversation")]);
    expect(bob.failures).toEqual([]);
    const sending = bob.client.send({ to: "ann", text: "too late", wait: true });
    const error = await sending.catch((reason: unknown) => reason);
    // Nor does a text wait that will never go out.
    expect([isFault(error, "client/ended"), String(error)]).toEqual([
      true,
      expect.not.stringContaining("goes out"),
    ]);
    expect((await bob.client.conversations())[0]?.unsent).toBe(0);
    expect((await bob.client.contacts())[0]?.alarms.join()).toContain("ended this conversation");
    expect(await texts(bob, "ann")).toEqual(["last words"]);
  });

  test("isn't accused of a log that another command on the device read on while the answer was on its way", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    await ann.client.send({ to: "bob", text: "one" });
    await bob.client.sync();
    let others = 0;
    bob.bend((session) => ({
      async command(body, signing, options) {
        const answer = await session.command(body, signing, options);
        if (body.op === "describe" && others === 0) {
          others += 1;
          await ann.client.send({ to: "bob", text: "two" });
          await bob.client.sync();
        }
        return answer;
      },
    }));
    await bob.client.sync();
    expect(await texts(bob, "ann")).toEqual(["one", "two"]);
    expect([bob.alarms, bob.failures]).toEqual([[], []]);
  });

  test("tells one conversation's trouble and goes on with the others", async () => {
    await using both = await pair();
    await using other = await pair();
    const { ann, bob } = both;
    await ann.client.send({ to: "bob", text: "good" });
    const { uri } = await other.ann.client.invite({ name: "bob2", addresses: [relay.address] });
    const { name } = await bob.client.accept({ uri, name: "troubled" });
    const place = await bob.store.transact(
      (keeper) => keeper.conversations().find((one) => one.name === name)?.place,
    );
    bob.bend((session) => ({
      async command(body, signing, options) {
        const isTroubled = place !== undefined && crypto.equal(signing.mailbox, place.mailbox);
        return isTroubled
          ? { is: "refused", refusal: { code: "limit" } }
          : session.command(body, signing, options);
      },
    }));
    await bob.client.sync();
    expect(await texts(bob, "ann")).toEqual(["good"]);
    expect(bob.failures.map((error) => isFault(error, "client/refused"))).toEqual([true]);
  });
});
