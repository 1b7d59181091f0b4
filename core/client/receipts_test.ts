/** What is forgotten because others have read it: by what they signed, whatever a relay claims. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Chatter, openPair, type Pair, texts } from "../../test/harness/chat.ts";
import { crypto } from "../../test/harness/party.ts";
import { spawnRelay } from "../../test/harness/relay.ts";
import { backUp, restore } from "../../test/harness/restore.ts";
import type { KeptConversation } from "../conversation/mod.ts";
import {
  entryId,
  type Hash,
  hash,
  isFault,
  limit,
  type PublicKey,
  publicKey,
  signature,
} from "../ground/mod.ts";
import type { ReaderReceipt } from "../wire/mod.ts";
import { publicOf } from "./device.ts";
import type { CommandResult } from "./port.ts";
import { reachOf } from "./receipts.ts";
import { openRig } from "../../test/harness/rig.ts";

const { relay, devices } = await openRig();

/** Sent by Ann before Bob reads any of it: more than the last ones, which are kept in any case, and a change of keys. */
const SENT = 70;

async function send({ client }: Chatter, texts: number): Promise<void> {
  for (let at = 0; at < texts; at++) await client.send({ to: "bob", text: `${at}` });
}

async function pairWithMuchSent(): Promise<Pair> {
  const both = await openPair(devices, relay.address);
  await send(both.ann, SENT);
  return both;
}

async function kept({ store }: Chatter): Promise<KeptConversation> {
  const [first] = await store.transact((keeper) => keeper.conversations());
  if (first === undefined) throw new Error("there is a conversation");
  return first;
}

async function readerOf(chatter: Chatter): Promise<PublicKey> {
  return publicOf(crypto, (await kept(chatter)).readerSeed);
}

/** How much of what was sent is kept, and whether a state before a commit is. */
async function keeps(chatter: Chatter): Promise<{ sent: number; formers: boolean }> {
  const { id } = await kept(chatter);
  return chatter.store.transact((keeper) => ({
    sent: keeper.sent(id).length,
    formers: keeper.hasFormers(id, Number.MAX_SAFE_INTEGER),
  }));
}

type Receipts = Extract<CommandResult, { is: "receipts" }>;

/**
 * Passes descriptions on with every cursor at the log's size, and what comes of a question for receipts through
 * `receipts`; counts those.
 */
function claimAll(
  chatter: Chatter,
  receipts: (real: Receipts) => CommandResult = (real) => real,
): { asked: number } {
  const count = { asked: 0 };
  chatter.bend((session) => ({
    async command(body, signing, options) {
      const result = await session.command(body, signing, options);
      if (body.op === "receipts") count.asked += 1;
      if (result.is === "receipts") return receipts(result);
      if (result.is !== "described") return result;
      const readers = result.readers.map((one) => ({ ...one, cursor: result.head.size }));
      return { ...result, readers };
    },
  }));
  return count;
}

describe("Client.sync()", () => {
  test("forgets nothing that a relay claims all have read, and asks for what would show it", async () => {
    await using both = await pairWithMuchSent();
    const { ann } = both;
    const count = claimAll(ann);
    await ann.client.sync();
    expect(await keeps(ann)).toEqual({ sent: SENT + 2, formers: true });
    expect(count.asked).toBe(1);
    expect([ann.failures, ann.alarms]).toEqual([[], []]);
  });

  test("forgets by receipts, all but the last entries and no state before a commit, and asks no more then", async () => {
    await using both = await pairWithMuchSent();
    const { ann, bob } = both;
    const count = claimAll(ann);
    await bob.client.sync();
    await ann.client.sync();
    expect(await keeps(ann)).toEqual({ sent: 64, formers: false });
    expect(count.asked).toBe(1);
    await ann.client.sync();
    await ann.client.sync();
    expect(count.asked).toBe(1);
  });

  test("asks an honest relay for no receipts before its readers have read", async () => {
    await using both = await pairWithMuchSent();
    const { ann, bob } = both;
    let asked = 0;
    ann.bend((session) => ({
      command(body, signing, options) {
        if (body.op === "receipts") asked += 1;
        return session.command(body, signing, options);
      },
    }));
    for (let round = 0; round < 3; round++) await ann.client.sync();
    expect(asked).toBe(0);
    await bob.client.sync();
    await ann.client.sync();
    expect(asked).toBe(1);
  });

  test("goes by a receipt as far as it says, where the relay shows one from before", async () => {
    await using both = await openPair(devices, relay.address);
    const { ann, bob } = both;
    await send(ann, 3);
    await bob.client.sync();
    const reader = await readerOf(bob);
    await using device = await devices.connect(relay.address);
    const { place, readerSeed } = await kept(ann);
    using key = crypto.ed25519.fromSeed(readerSeed);
    const signing = { mailbox: place.mailbox, generation: 1, key };
    const before = await device.session.command({ op: "receipts", from: reader }, signing);
    if (before.is !== "receipts") throw new Error("the relay has receipts");
    expect(before.receipts.map(({ cursor }) => cursor)).toEqual([3]);
    await send(ann, SENT);
    await bob.client.sync();
    claimAll(ann, () => before);
    await ann.client.sync();
    expect(await keeps(ann)).toEqual({ sent: SENT + 2, formers: true });
    expect(ann.failures).toEqual([]);
  });

  test.each<[string, (own: PublicKey, other: PublicKey) => (real: Receipts) => CommandResult]>([
    [
      "made up",
      (_, other) => () => {
        const made = { generation: 1, cursor: SENT, notAfterMs: Date.now() };
        const forged = { ...made, reader: other, signature: signature(new Uint8Array(64).fill(1)) };
        return { is: "receipts", receipts: [forged], next: null };
      },
    ],
    [
      "further than it was signed",
      (_, other) => (real) => ({
        ...real,
        receipts: real.receipts.map((one) =>
          crypto.equal(one.reader, other) ? { ...one, cursor: SENT } : one,
        ),
      }),
    ],
    [
      "of this device, as the other's",
      (own, other) => (real) => {
        const mine = real.receipts.filter(({ reader }) => crypto.equal(reader, own));
        return { ...real, receipts: mine.map((one) => ({ ...one, reader: other })), next: null };
      },
    ],
  ])("tells of a receipt that is %s, and forgets nothing", async (_, forging) => {
    await using both = await openPair(devices, relay.address);
    const { ann, bob } = both;
    await send(ann, 1);
    await bob.client.sync();
    await send(ann, SENT - 1);
    const forge = forging(await readerOf(ann), await readerOf(bob));
    await ann.client.sync();
    const before = await keeps(ann);
    claimAll(ann, forge);
    await ann.client.sync();
    const last = ann.failures.at(-1);
    expect(isFault(last, "client/untrue")).toBe(true);
    expect(String(last)).toContain("a receipt of a reader of bob's that this reader didn't sign");
    expect((await ann.client.contacts())[0]?.alarms.join()).toContain("didn't sign");
    expect(await keeps(ann)).toEqual(before);
    expect(before).toEqual({ sent: SENT + 1, formers: true });
  });

  test("keeps what it sent until others answer, at a relay that doesn't know receipts", async () => {
    await using both = await pairWithMuchSent();
    const { ann, bob } = both;
    const malformed = { is: "refused", refusal: { code: "malformed" } } as const;
    await bob.client.sync();
    claimAll(ann, () => malformed);
    for (let round = 0; round < 2; round++) await ann.client.sync();
    expect(await keeps(ann)).toEqual({ sent: SENT + 2, formers: true });
    await bob.client.send({ to: "ann", text: "read it" });
    await ann.client.sync();
    expect(await keeps(ann)).toEqual({ sent: 0, formers: false });
    expect([ann.failures, ann.alarms]).toEqual([[], []]);
  });

  test("asks for no more pages than the readers of a mailbox fill", async () => {
    await using both = await pairWithMuchSent();
    const { ann } = both;
    const count = claimAll(ann, () => ({
      is: "receipts",
      receipts: [],
      next: publicKey(new Uint8Array(32).fill(1)),
    }));
    await ann.client.sync();
    expect(count.asked).toBe(limit.MAILBOX_READERS_MAX / limit.RECEIPTS_MAX);
    expect([ann.failures, ann.alarms]).toEqual([[], []]);
  });

  test("goes by receipts from before a restore, as far as both logs are the same", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dchat-receipts-"));
    let own = await spawnRelay();
    try {
      await using both = await openPair(devices, own.address);
      const { ann, bob } = both;
      await send(ann, SENT);
      await ann.client.sync();
      await bob.client.sync();
      await backUp(own, join(folder, "backup"));
      own = await restore(own, join(folder, "backup"));
      await ann.client.sync();
      expect((await kept(ann)).position.generation).toBeGreaterThan(1);
      expect(await keeps(ann)).toEqual({ sent: 64, formers: false });
    } finally {
      await own[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    }
  });

  test("loses nothing to a relay that claims all was read and then goes back behind it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dchat-receipts-"));
    let own = await spawnRelay();
    try {
      await using both = await openPair(devices, own.address);
      const { ann, bob } = both;
      await backUp(own, join(folder, "backup"));
      await send(ann, SENT);
      claimAll(ann);
      await ann.client.sync();
      own = await restore(own, join(folder, "backup"));
      for (const one of [ann, bob, bob]) await one.client.sync();
      expect(await texts(bob, "ann")).toEqual(Array.from({ length: SENT }, (_, at) => `${at}`));
    } finally {
      await own[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    }
  });
});

describe("reachOf()", () => {
  const filled = (fill: number): Hash => hash(new Uint8Array(32).fill(fill));

  /** Generation 1 had four entries; generation 3 begins with two of them and goes on otherwise. */
  async function reaches(chatter: Chatter, receipt: Pick<ReaderReceipt, "generation" | "cursor">) {
    const before = await kept(chatter);
    return chatter.store.transact((keeper) => {
      const conversation = before.id;
      const add = (generation: number, seq: number, fill: number) =>
        keeper.addLeaf({
          conversation,
          generation,
          seq,
          id: entryId(new Uint8Array(16).fill(fill)),
          turn: 0,
          leaf: filled(fill),
          root: filled(fill + 100),
        });
      for (let seq = 0; seq < 4; seq++) add(1, seq, 10 + seq);
      add(3, 2, 32);
      const position = { ...before.position, generation: 3, size: 3 };
      const signed = { reader: filled(1), notAfterMs: 0, signature: new Uint8Array(64) };
      return reachOf(keeper, { ...before, position }, { ...signed, ...receipt } as unknown as ReaderReceipt);
    });
  }

  test.each([
    ["in the generation that runs", 3, 3, 3],
    ["before it, where both logs are the same", 1, 2, 2],
    ["before it, and of more than both have in common", 1, 3, 0],
    ["before it, and beyond what is here", 1, 4, 0],
    ["between, which this device never saw", 2, 2, 0],
    ["after it", 4, 2, 0],
    ["before anything was read", 1, 0, 0],
  ])("of a receipt %s", async (_, generation, cursor, reach) => {
    await using both = await openPair(devices, relay.address);
    expect(await reaches(both.ann, { generation, cursor })).toBe(reach);
  });
});
