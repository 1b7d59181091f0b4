/** What may go and what must stay: the sweeps of every store. */
import { expect, test } from "bun:test";
import { limit } from "../../ground/mod.ts";
import type { MailboxStore } from "../../mailbox/mod.ts";
import { makeProof, planInclusion, rootOf, verifyInclusion } from "../../merkle/mod.ts";
import { key, NOW_MS, OPTIONS, Owner } from "./data.ts";
import { digest } from "../digest.ts";

async function sweepAll(store: MailboxStore, nowMs: number): Promise<void> {
  for (let rounds = 0; await store.sweep(nowMs); rounds += 1) {
    if (rounds > 1000) throw new Error("a sweep that always says there is more");
  }
}

/** Which entries still have their bodies. */
async function held(store: MailboxStore, owner: Owner): Promise<number[]> {
  const entries = await store.read(owner.mailbox, { from: 0, bytesMax: 1e9, entriesMax: 5000 });
  return entries.filter((entry) => entry.entry !== null).map((entry) => entry.seq);
}

function reads(store: () => MailboxStore): void {
  test("sweep() takes what all readers have passed, and leaves what one hasn't", async () => {
    const owner = new Owner({ readers: 2 });
    const [a = key(), b = key()] = owner.readers;
    await store().commit([owner.create(), owner.append(), owner.append(), owner.append()], OPTIONS);
    await store().commit([owner.acknowledge(a, 3), owner.acknowledge(b, 1)], OPTIONS);
    await sweepAll(store(), NOW_MS);
    expect(await held(store(), owner)).toEqual([1, 2]);
    const row = await store().mailbox(owner.mailbox);
    expect([row?.floor, row?.entriesHeld, row?.bytesHeld]).toEqual([1, 2, 2048]);
    await store().commit([owner.acknowledge(b, 3)], OPTIONS);
    await sweepAll(store(), NOW_MS);
    expect(await held(store(), owner)).toEqual([]);
    expect((await store().mailbox(owner.mailbox))?.floor).toBe(3);
  });

  test("sweep() waits for the retention", async () => {
    const owner = new Owner({ policy: { retentionMs: 60_000 } });
    const [reader = key()] = owner.readers;
    await store().commit([owner.create(), owner.append()], OPTIONS);
    await store().commit([owner.append(), owner.acknowledge(reader, 2)], {
      ...OPTIONS,
      nowMs: NOW_MS + 30_000,
    });
    await sweepAll(store(), NOW_MS + 59_999);
    expect(await held(store(), owner)).toEqual([0, 1]);
    await sweepAll(store(), NOW_MS + 60_000);
    expect(await held(store(), owner)).toEqual([1]);
    await sweepAll(store(), NOW_MS + 90_000);
    expect(await held(store(), owner)).toEqual([]);
  });
}

function times(store: () => MailboxStore): void {
  test("sweep() takes what is past its time, whoever has read it, and control entries later", async () => {
    const owner = new Owner();
    const change = { writer: key(), added: [], removed: [] };
    await store().commit(
      [owner.create(), owner.append(), owner.append({ kind: "control", change })],
      OPTIONS,
    );
    await sweepAll(store(), NOW_MS + owner.policy.ttlMs - 1);
    expect(await held(store(), owner)).toEqual([0, 1]);
    await sweepAll(store(), NOW_MS + owner.policy.ttlMs);
    expect(await held(store(), owner)).toEqual([1]);
    expect((await store().mailbox(owner.mailbox))?.floor).toBe(1);
    await sweepAll(store(), NOW_MS + OPTIONS.ttlMsMax);
    expect(await held(store(), owner)).toEqual([]);
  });

  test("sweep() goes on behind control entries that stay", async () => {
    const owner = new Owner();
    const [reader = key()] = owner.readers;
    const writer = key();
    const change = { writer, added: [], removed: [] };
    await store().commit([owner.create(), owner.append({ kind: "control", change })], OPTIONS);
    for (let seq = 2; seq < 6; seq += 1) {
      await store().commit([owner.append({ turn: 1, by: writer }), owner.acknowledge(reader, seq)], OPTIONS);
      await sweepAll(store(), NOW_MS);
      expect(await held(store(), owner)).toEqual([0]);
    }
  });
}

function bounds(store: () => MailboxStore): void {
  test("sweep() leaves rows: ids answer, tombstones read, proofs verify", async () => {
    const owner = new Owner();
    const [reader = key()] = owner.readers;
    const append = owner.append();
    await store().commit([owner.create(), append, owner.append(), owner.append()], OPTIONS);
    await store().commit([owner.acknowledge(reader, 3)], OPTIONS);
    await sweepAll(store(), NOW_MS);
    const [again] = await store().commit([append], OPTIONS);
    expect(again?.is === "appended" && !again.fresh && again.entry.seq).toBe(0);
    const entries = await store().read(owner.mailbox, { from: 0, bytesMax: 1, entriesMax: 9 });
    expect(entries.map((entry) => [entry.seq, entry.entry])).toEqual([
      [0, null],
      [1, null],
      [2, null],
    ]);
    const root = rootOf(digest, (await store().mailbox(owner.mailbox))?.peaks ?? []);
    for (const { seq, leaf } of entries) {
      const plan = planInclusion(seq, 3);
      const proof = makeProof(digest, plan, await store().nodes(owner.mailbox, plan.wanted));
      expect(verifyInclusion(digest, { index: seq, size: 3, leaf, root, proof })).toBe(true);
    }
  });

  test("sweep() does a bounded piece of work and says that there is more", async () => {
    const owner = new Owner();
    const [reader = key()] = owner.readers;
    const many = limit.SWEEP_ENTRIES_MAX + 100;
    await store().commit([owner.create()], OPTIONS);
    for (let at = 0; at < many; at += 204) {
      const commands = Array.from({ length: Math.min(204, many - at) }, () => owner.append());
      await store().commit(commands, OPTIONS);
    }
    await store().commit([owner.acknowledge(reader, many)], OPTIONS);
    expect(await store().sweep(NOW_MS)).toBe(true);
    expect((await held(store(), owner)).length).toBe(100);
    await sweepAll(store(), NOW_MS);
    expect(await held(store(), owner)).toEqual([]);
  });

  test("sweep() empties deleted mailboxes in pieces, also what has expired in them", async () => {
    const before = await store().counts();
    const owner = new Owner();
    await store().commit([owner.create(), ...Array.from({ length: 200 }, () => owner.append())], OPTIONS);
    await store().commit([owner.command(owner.owner, { op: "delete" })], OPTIONS);
    await sweepAll(store(), NOW_MS + owner.policy.ttlMs);
    expect(await store().counts()).toEqual(before);
    expect((await store().mailbox(owner.mailbox))?.entriesHeld).toBe(0);
  });
}

/** Declares the tests of sweeps. */
export function sweepConformance(store: () => MailboxStore): void {
  reads(store);
  times(store);
  bounds(store);
}
