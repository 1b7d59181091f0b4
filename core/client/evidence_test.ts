/**
 * A relay that breaks its word, in earnest: it is set back to an older copy of its files and goes on in the same
 * generation, signing with its own keys. What it is caught at must be shown to others, and nothing else.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Chatter, openChatter, openPair, type Pair, texts } from "../../test/harness/chat.ts";
import { type Devices, openDevices } from "../../test/harness/device.ts";
import { logOf, SigningNode } from "../../test/harness/evidence.ts";
import { crypto } from "../../test/harness/party.ts";
import { type SpawnedRelay, spawnRelay } from "../../test/harness/relay.ts";
import { backUp, copyFiles, restore, setBack } from "../../test/harness/restore.ts";
import { hash } from "../ground/mod.ts";
import { type Evidence, evidenceFlaw, parseEvidence, subjectOf } from "../mailbox/mod.ts";
import { noteUntrue } from "./evidence.ts";
import { Untrue } from "./fault.ts";

let relay: SpawnedRelay;
let devices: Devices;
let both: Pair;
let dir: string;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "dchat-evidence-"));
  [relay, devices] = await Promise.all([spawnRelay({ dataDir: join(dir, "relay") }), openDevices()]);
  both = await openPair(devices, relay.address);
});

afterEach(async () => {
  await both[Symbol.asyncDispose]();
  await devices[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

/** Keeps the relay's files as they are. */
async function copy(): Promise<void> {
  relay = await copyFiles(relay, join(dir, "older"));
}

/** Puts them in the place of what came since. */
async function goBack(): Promise<void> {
  relay = await setBack(relay, join(dir, "older"));
}

async function say(chatter: Chatter, to: string, ...said: string[]): Promise<void> {
  for (const text of said) await chatter.client.send({ to, text });
}

/** All pieces that a device keeps, each of which proves something about the relay. */
async function evidenceOf(chatter: Chatter): Promise<Evidence[]> {
  const kept = await chatter.client.evidence();
  return kept.map(({ document }) => {
    const evidence = parseEvidence(document);
    expect(evidenceFlaw(crypto, evidence)).toBeNull();
    return evidence;
  });
}

async function sentPromises({ store }: Chatter): Promise<boolean[]> {
  return store.transact((keeper) =>
    keeper
      .sent(keeper.conversations()[0]?.id ?? 0)
      .map(({ conversation, id }) => keeper.promise(conversation, id) !== null),
  );
}

describe("a relay that was set back without a new generation", () => {
  test("has broken its promise where another entry stands at the number", async () => {
    const { ann, bob } = both;
    await say(ann, "bob", "one");
    await ann.client.sync();
    await copy();
    await say(ann, "bob", "promised");
    await goBack();
    await ann.client.sync();
    // That it has fewer entries than it promised is told, and can't be proven.
    expect(String(ann.failures.at(-1))).toContain("promised us to keep entry 1");
    expect(await evidenceOf(ann)).toEqual([]);
    await say(bob, "ann", "in its place", "and more");
    await ann.client.sync();
    await ann.client.sync();
    const [evidence, ...more] = await evidenceOf(ann);
    expect([evidence?.kind, more]).toEqual(["broken", []]);
    if (evidence === undefined) throw new Error("there is one");
    const { mailbox, relay: identity, ...subject } = subjectOf(evidence);
    const place = await ann.store.transact((keeper) => keeper.conversations()[0]?.place);
    expect([mailbox, identity]).toEqual([place!.mailbox, place!.record.relay]);
    expect(subject).toEqual({ generation: 1, number: 1 });
    expect((await ann.client.contacts())[0]?.alarms.join()).toContain("promised entry 1 of bob to us");
  });

  test("has broken it too where more follows than is read at once", async () => {
    const { ann, bob } = both;
    await say(ann, "bob", "one");
    await copy();
    await say(ann, "bob", "promised");
    await goBack();
    const much = "long ".repeat(3000);
    await say(bob, "ann", "in its place", ...Array.from({ length: 6 }, () => much));
    await ann.client.sync();
    expect((await evidenceOf(ann)).map(({ kind }) => kind)).toEqual(["broken"]);
  });

  test("has promised one number twice", async () => {
    const { ann } = both;
    await copy();
    await say(ann, "bob", "one");
    await goBack();
    await ann.client.send({ to: "bob", text: "two" }).catch(() => undefined);
    expect((await evidenceOf(ann)).map(({ kind }) => kind)).toEqual(["promises"]);
  });

  test("has promised a number that it had signed for before", async () => {
    const { ann } = both;
    await copy();
    await say(ann, "bob", "one");
    await ann.client.sync();
    await goBack();
    await ann.client.send({ to: "bob", text: "two" }).catch(() => undefined);
    expect((await evidenceOf(ann)).map(({ kind }) => kind)).toEqual(["broken"]);
  });

  test("has signed two heads of one size", async () => {
    const { ann, bob } = both;
    await copy();
    await using older = await openChatter(devices, { from: bob.backUp() });
    await say(bob, "ann", "one");
    await ann.client.sync();
    await goBack();
    await say(older, "ann", "two");
    await ann.client.sync();
    expect((await evidenceOf(ann)).map(({ kind }) => kind)).toEqual(["heads"]);
  });

  test.each([1, 2, 3, 4, 5])("has rewritten the log that it had signed at %p entries", async (size) => {
    const { ann, bob } = both;
    await copy();
    await using older = await openChatter(devices, { from: bob.backUp() });
    await say(bob, "ann", ...Array.from({ length: size }, (_, at) => `${at}`));
    await ann.client.sync();
    await goBack();
    await say(older, "ann", ...Array.from({ length: size + 1 }, (_, at) => `again ${at}`));
    await ann.client.sync();
    const found = await evidenceOf(ann);
    expect(found.map(({ kind }) => kind)).toEqual(["rewritten"]);
    expect(found.map((one) => subjectOf(one).number)).toEqual([size]);
  });
});

test("what isn't signed so is told, and no evidence is made of it", async () => {
  const { ann, bob } = both;
  await say(bob, "ann", "one");
  await ann.client.sync();
  const random = () => hash(crypto.random.bytes(32));
  ann.bend((session) => ({
    async command(body, signing, options) {
      const result = await session.command(body, signing, options);
      if (result.is === "appended") return { ...result, promise: { ...result.promise, leaf: random() } };
      return result;
    },
  }));
  await say(ann, "bob", "two");
  ann.bend(() => ({}));
  await ann.client.sync();
  expect(String(ann.failures.at(-1))).toContain("promised another entry 1 of bob than it gives");
  ann.bend((session) => ({
    async command(body, signing, options) {
      const result = await session.command(body, signing, options);
      return result.is === "described"
        ? { ...result, head: { ...result.head, size: 1, root: random() } }
        : result;
    },
  }));
  await ann.client.sync();
  expect((await ann.client.contacts())[0]?.alarms.length).toBeGreaterThan(0);
  expect(await evidenceOf(ann)).toEqual([]);
});

test("noteUntrue() keeps the first sixteen pieces, each thing once", async () => {
  const { ann } = both;
  const node = new SigningNode(crypto, { identity: 0x04, head: 0x05, peer: 0x70 });
  const device = { store: ann.store, clock: { now: () => 7 } } as never;
  const id = await ann.store.transact((keeper) => keeper.conversations()[0]?.id ?? 0);
  for (let size = 1; size <= 20; size++) {
    const [first, second] = [node.head(logOf(crypto, size)), node.head(logOf(crypto, size, 0))];
    for (const evidence of [
      { kind: "heads", first, second } as const,
      { kind: "heads", first: second, second: first } as const,
    ])
      await noteUntrue(device, id, new Untrue(`caught at ${size}`, { evidence }));
  }
  const kept = await evidenceOf(ann);
  expect(kept.map((one) => subjectOf(one).number)).toEqual(Array.from({ length: 16 }, (_, at) => at + 1));
  expect((await ann.client.evidence("bob"))[0]).toMatchObject({ name: "bob", foundMs: 7 });
  expect((await ann.client.contacts())[0]?.alarms).toContain("caught at 20");
});

describe("an honest relay", () => {
  test("leaves no evidence by a restore, and no promise once a head has the entry", async () => {
    const { ann, bob } = both;
    await say(ann, "bob", "one");
    expect(await sentPromises(ann)).toEqual([true]);
    const backup = join(dir, "backup");
    await backUp(relay, backup);
    await say(ann, "bob", "two");
    await say(bob, "ann", "three");
    await ann.client.sync();
    expect(await sentPromises(ann)).toEqual([false, false]);
    relay = await restore(relay, backup);
    await say(bob, "ann", "four");
    await Promise.all([ann.client.sync(), bob.client.sync()]);
    await say(ann, "bob", "five");
    await Promise.all([ann.client.sync(), bob.client.sync()]);
    for (const one of [ann, bob]) {
      expect(await evidenceOf(one)).toEqual([]);
      expect(one.failures).toEqual([]);
    }
    expect((await texts(bob, "ann")).toSorted()).toEqual(["five", "four", "one", "three", "two"]);
    const head = await ann.store.transact((keeper) => keeper.head(keeper.conversations()[0]?.id ?? 0));
    expect(head?.head.size).toBe(5);
    expect(head?.head.generation).toBeGreaterThan(1);
  });

  test("leaves none by restarts, new head keys, and a gap that a device goes on behind", async () => {
    const { ann, bob } = both;
    for (let round = 0; round < 3; round++) {
      await say(ann, "bob", "before", "and before");
      await relay.stop();
      if (round > 0) rmSync(join(relay.dataDir, "head.json"));
      relay = await spawnRelay({ dataDir: relay.dataDir, same: relay.file });
      await say(ann, "bob", "after");
      if (round === 0) {
        bob.bend((session) => ({
          async read(range, signing, options) {
            if (range.from < 2) return { is: "refused", refusal: { code: "lapsed", floor: 2 } };
            return session.read(range, signing, options);
          },
        }));
      }
      await Promise.all([ann.client.sync(), bob.client.sync()]);
    }
    for (const one of [ann, bob]) expect([await evidenceOf(one), one.failures]).toEqual([[], []]);
  });

  test("leaves none by tombstones of what all have read", async () => {
    const { ann, bob } = both;
    await say(ann, "bob", "one", "two");
    ann.bend((real) => ({
      async read(range, signing, options) {
        const result = await real.read(range, signing, options);
        if (result.is === "refused") return result;
        return { ...result, entries: result.entries.map((each) => ({ ...each, entry: null })) };
      },
    }));
    await Promise.all([ann.client.sync(), bob.client.sync()]);
    expect(await evidenceOf(ann)).toEqual([]);
    expect(await sentPromises(ann)).toEqual([false, false]);
  });
});
