/** Relays that drop, reorder or hide what they acknowledged: that it is noticed, and nothing is lost by it. */
import { describe, expect, test } from "bun:test";
import { type Chatter, openPair, type Pair, texts } from "../../test/harness/chat.ts";
import { crypto, mls } from "../../test/harness/party.ts";
import type { KeptConversation } from "../conversation/mod.ts";
import { type Hash, isFault } from "../ground/mod.ts";
import { append, leafHash, rootOf } from "../merkle/mod.ts";
import { leafBytes } from "../wire/mod.ts";
import { publicOf, putAlarm } from "./device.ts";
import { loadState } from "./group.ts";
import { takeEntries } from "./intake.ts";
import type { CommandResult } from "./port.ts";
import { openRig } from "../../test/harness/rig.ts";

const { relay, devices } = await openRig();

function pair(): Promise<Pair> {
  return openPair(devices, relay.address);
}

async function kept(chatter: Chatter): Promise<KeptConversation> {
  const [first] = await chatter.store.transact((keeper) => keeper.conversations());
  if (first === undefined) throw new Error("there is a conversation");
  return first;
}

/** Answers appends of `kind` with the first promise that the relay gave, and keeps nothing, while `on()`. */
function replayPromises(chatter: Chatter, kind: "plain" | "control", on: () => boolean): void {
  let first: CommandResult | null = null;
  chatter.bend((session) => ({
    async command(body, signing, options) {
      if (first !== null && body.op === "append" && body.kind === kind && on()) return first;
      const result = await session.command(body, signing, options);
      if (result.is === "appended") first ??= result;
      return result;
    },
  }));
}

describe("Client.send()", () => {
  test.each([false, true])(
    "takes no promise that was given for another entry (read before: %p)",
    async (isRead) => {
      await using both = await pair();
      const { ann, bob } = both;
      let on = false;
      replayPromises(ann, "plain", () => on);
      await ann.client.send({ to: "bob", text: "one" });
      if (isRead) for (const one of [bob, ann, ann]) await one.client.sync();
      on = true;
      const error = await ann.client.send({ to: "bob", text: "two" }).catch((thrown: unknown) => thrown);
      expect(isFault(error, "client/untrue")).toBe(true);
      expect((await ann.client.contacts())[0]?.alarms.join()).toContain("promised number 0 of bob");
      on = false;
      await ann.client.sync();
      await bob.client.sync();
      expect(await texts(bob, "ann")).toEqual(["one", "two"]);
      expect(await texts(ann, "bob")).toEqual(["one", "two"]);
    },
  );

  test("takes no such promise for a change of keys", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    replayPromises(ann, "control", () => true);
    const errors: unknown[] = [];
    for (let at = 0; at < 34; at++) {
      await ann.client.send({ to: "bob", text: `${at}` }).catch((error: unknown) => errors.push(error));
    }
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.every((error) => isFault(error, "client/untrue"))).toBe(true);
    ann.bend(() => ({}));
    await ann.client.sync();
    await bob.client.sync();
    expect((await texts(bob, "ann")).length).toBe(34);
    const epoch = await ann.store.transact(async (keeper) => {
      const state = loadState(keeper, keeper.conversations()[0] ?? (await kept(ann)));
      return state.group.groupContext.epoch;
    });
    expect(epoch).toBe(2n);
  });
});

describe("Client.sync()", () => {
  test("finds by the heads that members carry that the log it is shown lacks entries", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    for (const text of ["one", "two"]) await ann.client.send({ to: "bob", text });
    await ann.client.sync();
    await ann.client.send({ to: "bob", text: "three" });
    bob.bend((session) => {
      const tree = { peaks: [] as Hash[], size: 0 };
      return {
        async command(body, signing, options) {
          const result = await session.command(body, signing, options);
          if (result.is !== "described") return result;
          return { ...result, head: { ...result.head, size: result.head.size - 2 } };
        },
        async read(range, signing, options) {
          const result = await session.read({ ...range, from: range.from + 2 }, signing, options);
          if (result.is === "refused") return result;
          const entries = result.entries.map((each) => ({
            ...each,
            leaf: { ...each.leaf, seq: each.leaf.seq - 2 },
          }));
          for (const { leaf } of entries) append(crypto.hash, tree, leafHash(crypto.hash, leafBytes(leaf)));
          const head = { ...result.head, size: tree.size, root: rootOf(crypto.hash, tree.peaks) };
          return { ...result, entries, head };
        },
      };
    });
    await bob.client.sync();
    expect(await texts(bob, "ann")).toEqual(["three"]);
    expect(bob.alarms).toEqual([
      "the relay shows its readers different logs: here entry 0 of generation 1 has 0 before it, and ann had seen 2 of generation 1 when writing it",
    ]);
  });
});

test("putAlarm() keeps what was told once, however many others are told", async () => {
  await using both = await pair();
  const { store } = both.bob;
  const { id } = await kept(both.bob);
  await store.transact((keeper) => {
    putAlarm(keeper, id, "The relay contradicts itself: it has 2 entries");
    for (let at = 0; at < 100; at++) putAlarm(keeper, id, `entry ${at} can't be read: junk`);
  });
  const { alarms } = await kept(both.bob);
  expect(alarms.length).toBe(32);
  expect(alarms[0]).toContain("contradicts itself");
  expect(alarms.at(-1)).toBe("entry 99 can't be read: junk");
});

test("the owner signs the policy that was agreed on, not what the relay describes", async () => {
  await using both = await pair();
  const { ann } = both;
  const { record } = (await kept(ann)).place;
  const signed: unknown[] = [];
  let denied = false;
  ann.bend((session) => ({
    async command(body, signing, options) {
      if (body.op === "reset") signed.push(body.policy);
      if (body.op === "append" && !denied) {
        denied = true;
        return { is: "refused", refusal: { code: "denied" } };
      }
      const result = await session.command(body, signing, options);
      if (result.is !== "described") return result;
      return { ...result, policy: { ...result.policy, ttlMs: 60_000, retentionMs: 0 } };
    },
  }));
  await ann.client.send({ to: "bob", text: "one" });
  expect(signed).toEqual([record.policy]);
});

describe("what everybody has read", () => {
  /** Passes descriptions on with every reader's cursor at `cursor` of the log's size. */
  function claim(chatter: Chatter, cursor: (size: number) => number): void {
    chatter.bend((session) => ({
      async command(body, signing, options) {
        const result = await session.command(body, signing, options);
        if (result.is !== "described") return result;
        const readers = result.readers.map((one) => ({ ...one, cursor: cursor(result.head.size) }));
        return { ...result, readers };
      },
    }));
  }

  const sent = async ({ store }: Chatter): Promise<number> =>
    store.transact((keeper) => keeper.sent(keeper.conversations()[0]?.id ?? 0).length);

  const hasFormers = async ({ store }: Chatter): Promise<boolean> =>
    store.transact((keeper) =>
      keeper.hasFormers(keeper.conversations()[0]?.id ?? 0, Number.MAX_SAFE_INTEGER),
    );

  test("is forgotten once its reader says so, and not by the relay's word alone", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    claim(ann, (size) => size);
    await ann.client.send({ to: "bob", text: "one" });
    await ann.client.sync();
    expect(await sent(ann)).toBe(1);
    await bob.client.sync();
    await bob.client.send({ to: "ann", text: "two" });
    await ann.client.sync();
    expect(await sent(ann)).toBe(0);
  });

  test("is forgotten where its readers have signed so and much was sent since", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    for (let at = 0; at < 70; at++) await ann.client.send({ to: "bob", text: `${at}` });
    await ann.client.sync();
    expect(await sent(ann)).toBeGreaterThanOrEqual(70);
    await bob.client.sync();
    await ann.client.sync();
    expect(await sent(ann)).toBe(64);
  });

  test("isn't believed where a member's reader key isn't listed, or too many are said to have lapsed", async () => {
    await using both = await pair();
    const { ann } = both;
    for (let at = 0; at < 70; at++) await ann.client.send({ to: "bob", text: `${at}` });
    const own = publicOf(crypto, (await kept(ann)).readerSeed);
    for (const lie of ["left out", "lapsed"]) {
      ann.bend((session) => ({
        async command(body, signing, options) {
          const result = await session.command(body, signing, options);
          if (result.is !== "described") return result;
          const readers =
            lie === "lapsed"
              ? result.readers.map((one) => ({ ...one, lapsed: !crypto.equal(one.key, own) }))
              : result.readers.filter(({ key }) => crypto.equal(key, own));
          return { ...result, readers };
        },
      }));
      for (let round = 0; round < 2; round++) await ann.client.sync();
      expect(await sent(ann)).toBeGreaterThanOrEqual(70);
    }
  });

  test("states before commits go once all others write after it, whatever the relay says", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    claim(ann, () => 0);
    for (let at = 0; at < 33; at++) await bob.client.send({ to: "ann", text: `${at}` });
    await bob.client.sync();
    await ann.client.sync();
    // The message behind Bob's commit is of the new epoch.
    expect(await hasFormers(ann)).toBe(false);
    for (let at = 0; at < 33; at++) await ann.client.send({ to: "bob", text: `${at}` });
    await ann.client.sync();
    expect(await hasFormers(ann)).toBe(true);
    await bob.client.sync();
    await bob.client.send({ to: "ann", text: "in the epoch after" });
    await ann.client.sync();
    expect(await hasFormers(ann)).toBe(false);
  });
});

describe("takeEntries()", () => {
  test("leaves an entry where it stands when the log has it once more", async () => {
    await using both = await pair();
    const { ann, bob } = both;
    await ann.client.send({ to: "bob", text: "yes" });
    await bob.client.sync();
    await bob.client.send({ to: "ann", text: "may I?" });
    await bob.client.sync();
    const { id, place, readerSeed } = await kept(bob);
    await using device = await devices.connect(relay.address);
    using key = crypto.ed25519.fromSeed(readerSeed);
    const signing = { mailbox: place.mailbox, generation: 1, key };
    const read = await device.session.read({ from: 0, bytesMax: 1 }, signing);
    const [first] = read.is === "refused" ? [] : read.entries;
    if (first === undefined) throw new Error("the relay has the entry");
    const alarms: string[] = [];
    const events = { alarm: (_: string, what: string) => alarms.push(what) };
    const again = { ...first, leaf: { ...first.leaf, seq: 2 } };
    const parts = { store: bob.store, crypto, mls, events, identity: place.record.owner };
    await takeEntries(parts as never, id, { generation: 1, entries: [again], head: null });
    expect(await texts(bob, "ann")).toEqual(["yes", "may I?"]);
    expect(alarms).toEqual(["entry 2 has the id of entry 0 and was passed over"]);
  });
});
