/** What every store keeps to: one suite, run on SQLite and on PostgreSQL. Sweeps and the model stand beside it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { entryId, limit, type MailboxId } from "../ground/mod.ts";
import type { MailboxStore, Outcome } from "../mailbox/mod.ts";
import {
  makeProof,
  planConsistency,
  planInclusion,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from "../merkle/mod.ts";
import { key, NOW_MS, OPTIONS, Owner, plain, random } from "./conformance/data.ts";
import { claimConformance } from "./conformance/claim.ts";
import { modelConformance } from "./conformance/model.ts";
import { receiptConformance } from "./conformance/receipt.ts";
import { sweepConformance } from "./conformance/sweep.ts";
import { digest } from "./digest.ts";

/** One empty database, and how to reach it. */
export interface Subject extends AsyncDisposable {
  /** Opens a store on the database; more than one may be open. The caller disposes of it. */
  open(): Promise<MailboxStore>;
  /** Sets the term of a mailbox behind the stores' backs, as another node that takes it over would. */
  setTerm(id: MailboxId, term: number): Promise<void>;
  /** Sets what is noted of whose the store is; `sum` null leaves that. */
  setRelay(relay: Uint8Array | null, sum: number | null): Promise<void>;
  /** Sets the cursor of a reader's receipt, behind its checksum's back. */
  setReceipt(reader: Uint8Array, cursor: number): Promise<void>;
}

export type OpenSubject = () => Promise<Subject>;

/** The row that was kept, of an outcome that must be one. */
export function appended(outcome: Outcome | undefined) {
  if (outcome?.is !== "appended") throw new Error(`expected an append, got ${JSON.stringify(outcome)}`);
  return outcome;
}

function keeping(subject: () => Subject, store: () => MailboxStore): void {
  test("commit() answers each command in order, with dense sequence numbers", async () => {
    const [a, b] = [new Owner(), new Owner()];
    const outcomes = await store().commit(
      [a.create(), a.append(), b.create(), a.append(), b.append()],
      OPTIONS,
    );
    expect(outcomes.map((outcome) => outcome.is)).toEqual([
      "created",
      "appended",
      "created",
      "appended",
      "appended",
    ]);
    expect([1, 3, 4].map((at) => appended(outcomes[at]).entry.seq)).toEqual([0, 1, 0]);
    const next = await store().commit([b.append(), a.append()], OPTIONS);
    expect(next.map((outcome) => appended(outcome).entry.seq)).toEqual([1, 2]);
  });

  test("commit() answers the same id alike, in one batch, in the next and after opening again", async () => {
    const owner = new Owner();
    const append = owner.append();
    const [, first, again] = await store().commit([owner.create(), append, append], OPTIONS);
    const [later] = await store().commit([append], { ...OPTIONS, nowMs: NOW_MS + 1 });
    const other = await subject().open();
    const [reopened] = await other.commit([append], OPTIONS);
    await other[Symbol.asyncDispose]();
    expect(appended(first).fresh).toBe(true);
    for (const outcome of [again, later, reopened]) {
      expect(appended(outcome).fresh).toBe(false);
      expect(plain(appended(outcome).entry)).toEqual(plain(appended(first).entry));
    }
    expect((await store().mailbox(owner.mailbox))?.size).toBe(1);
  });
}

function refusing(store: () => MailboxStore): void {
  test("commit() refuses another entry under a used id", async () => {
    const owner = new Owner();
    const id = entryId(random(16));
    await store().commit([owner.create(), owner.append({ id })], OPTIONS);
    const [outcome] = await store().commit([owner.append({ id })], OPTIONS);
    expect(outcome).toEqual({ is: "refused", refusal: { code: "reused" } });
  });

  test("commit() denies alike what isn't authentic, isn't there, and isn't allowed", async () => {
    const [owner, missing] = [new Owner(), new Owner()];
    await store().commit([owner.create()], OPTIONS);
    const outcomes = await store().commit(
      [
        { ...owner.append(), authentic: false },
        missing.append(),
        owner.append({ by: key() }),
        owner.command(key(), { op: "read", from: 0, bytesMax: 1 }),
      ],
      OPTIONS,
    );
    for (const outcome of outcomes) expect(outcome).toEqual({ is: "refused", refusal: { code: "denied" } });
    expect((await store().mailbox(owner.mailbox))?.size).toBe(0);
  });
}

function rows(subject: () => Subject, store: () => MailboxStore): void {
  test("mailbox() returns what was committed, the same after opening again, and null for none", async () => {
    const owner = new Owner({ readers: 3 });
    const [reader = key()] = owner.readers;
    await store().commit([owner.create(), owner.append(), owner.append()], OPTIONS);
    await store().commit([owner.acknowledge(reader, 2)], OPTIONS);
    const row = await store().mailbox(owner.mailbox);
    expect(row?.readers.find((each) => each.key.every((byte, at) => byte === reader[at]))?.cursor).toBe(2);
    const other = await subject().open();
    expect(plain(await other.mailbox(owner.mailbox))).toEqual(plain(row));
    await other[Symbol.asyncDispose]();
    expect(await store().mailbox(new Owner().mailbox)).toBeNull();
  });

  test("a control entry changes entry, turn and keys together", async () => {
    const owner = new Owner({ readers: 2 });
    const [gone = key()] = owner.readers;
    const change = { writer: key(), added: [key(), key()], removed: [gone] };
    const [, , , late] = await store().commit(
      [owner.create(), owner.append(), owner.append({ kind: "control", change }), owner.append()],
      OPTIONS,
    );
    expect(late).toEqual({ is: "refused", refusal: { code: "turn", turn: 1, seq: 1 } });
    const row = await store().mailbox(owner.mailbox);
    expect([row?.turn, row?.size, row?.readers.length]).toEqual([1, 2, 3]);
    const [stale, ok] = await store().commit(
      [owner.append(), owner.append({ turn: 1, by: change.writer })],
      OPTIONS,
    );
    expect(stale).toEqual({ is: "refused", refusal: { code: "turn", turn: 1, seq: 1 } });
    expect(appended(ok).entry.seq).toBe(2);
  });
}

function keys(subject: () => Subject, store: () => MailboxStore): void {
  test("a reset changes owner, writer, readers and policy, and readers that stay keep their cursors", async () => {
    const owner = new Owner({ readers: 2 });
    const [stays = key()] = owner.readers;
    await store().commit([owner.create(), owner.append()], OPTIONS);
    await store().commit([owner.acknowledge(stays, 1)], OPTIONS);
    const [outcome] = await store().commit(
      [
        owner.command(owner.owner, {
          op: "reset",
          version: 1,
          owner: key(),
          writer: key(),
          readers: [stays, key()],
          policy: { ...owner.policy, retentionMs: 5 },
        }),
      ],
      OPTIONS,
    );
    expect(outcome?.is).toBe("reset");
    const other = await subject().open();
    const row = await other.mailbox(owner.mailbox);
    await other[Symbol.asyncDispose]();
    expect([row?.turn, row?.version, row?.policy.retentionMs]).toEqual([1, 2, 5]);
    expect(row?.readers.map((reader) => reader.cursor).toSorted()).toEqual([1, 1]);
  });

  test("a mailbox holds as many readers as are allowed, and each moves alone", async () => {
    const owner = new Owner({ readers: limit.MAILBOX_READERS_MAX });
    await store().commit([owner.create(), owner.append()], OPTIONS);
    const some = owner.readers.filter((_, at) => at % 100 === 0);
    await store().commit(
      some.map((reader) => owner.acknowledge(reader, 1)),
      OPTIONS,
    );
    const row = await store().mailbox(owner.mailbox);
    expect(row?.readers.length).toBe(limit.MAILBOX_READERS_MAX);
    expect(row?.readers.filter((reader) => reader.cursor === 1).length).toBe(some.length);
  });
}

function using(store: () => MailboxStore): void {
  test("a take gets the oldest package of each slot, once, and the same take the same again", async () => {
    const owner = new Owner();
    const put = (slot: number, kind: "package" | "lastResort" = "package") => owner.append({ kind, slot });
    await store().commit(
      [owner.create(), put(1, "lastResort"), put(1), put(1), put(2, "lastResort"), put(2, "lastResort")],
      OPTIONS,
    );
    const take = (id: Uint8Array) => owner.command(owner.writer, { op: "take", take: entryId(id) });
    const ids = [random(16), random(16), random(16)] as const;
    const seqs = (outcome: Outcome | undefined) => (outcome?.is === "taken" ? outcome.seqs : outcome);
    const [first, second] = await store().commit([take(ids[0]), take(ids[1])], OPTIONS);
    expect([seqs(first), seqs(second)]).toEqual([
      [1, 4],
      [2, 4],
    ]);
    const [third, again] = await store().commit([take(ids[2]), take(ids[0])], OPTIONS);
    expect([seqs(third), seqs(again)]).toEqual([
      [0, 4],
      [1, 4],
    ]);
  });

  test("no more packages wait than may, whatever batches they come in, and who takes makes room", async () => {
    const owner = new Owner();
    const put = (slot: number) => owner.append({ kind: "package", slot });
    const all = Array.from({ length: limit.PACKAGES_MAX }, (_, at) => put(1 + (at % 200)));
    await store().commit([owner.create(), ...all.slice(0, 200)], OPTIONS);
    const rest = await store().commit([...all.slice(200), put(1)], OPTIONS);
    expect(rest.slice(0, -1).every(({ is }) => is === "appended")).toBe(true);
    expect(rest.at(-1)).toEqual({ is: "refused", refusal: { code: "limit" } });
    const take = owner.command(owner.writer, { op: "take", take: entryId(random(16)) });
    const [taken, after] = await store().commit([take, put(1)], OPTIONS);
    expect(taken?.is === "taken" && taken.seqs.length).toBe(200);
    expect(after?.is).toBe("appended");
  });

  test("a deleted mailbox's id is never used again", async () => {
    const owner = new Owner();
    const before = await store().counts();
    await store().commit([owner.create(), owner.append()], OPTIONS);
    const del = owner.command(owner.owner, { op: "delete" });
    expect(await store().commit([del], OPTIONS)).toEqual([{ is: "deleted" }]);
    while (await store().sweep(NOW_MS));
    expect(await store().commit([del], OPTIONS)).toEqual([{ is: "deleted" }]);
    const [again, append] = await store().commit([owner.create(), owner.append()], OPTIONS);
    expect(again?.is).toBe("refused");
    expect(append?.is).toBe("refused");
    expect(await store().read(owner.mailbox, { from: 0, bytesMax: 9999, entriesMax: 9 })).toEqual([]);
    expect(await store().counts()).toEqual(before);
  });
}

function reading(store: () => MailboxStore): void {
  test("read() gives entries in order up to the bytes and the count, and at least one", async () => {
    const owner = new Owner();
    const commands = Array.from({ length: 10 }, () => owner.append());
    await store().commit([owner.create(), ...commands], OPTIONS);
    const read = async (from: number, bytesMax: number, entriesMax: number) =>
      (await store().read(owner.mailbox, { from, bytesMax, entriesMax })).map((entry) => entry.seq);
    expect(await read(0, 1e6, 100)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await read(3, 1e6, 2)).toEqual([3, 4]);
    expect(await read(3, 2048, 100)).toEqual([3, 4]);
    expect(await read(9, 1, 100)).toEqual([9]);
    expect(await read(10, 1e6, 100)).toEqual([]);
    const bodies = await store().read(owner.mailbox, { from: 0, bytesMax: 1e6, entriesMax: 100 });
    expect(bodies.map((entry) => entry.entry && plain(entry.entry))).toEqual(
      commands.map(({ body }) => (body.op === "append" ? plain(body.entry) : null)),
    );
  });

  test("read() gives every size class back as it came", async () => {
    const owner = new Owner();
    const bodies = limit.ENTRY_SIZE_CLASSES_BYTES.map(random);
    await store().commit([owner.create(), ...bodies.map((entry) => owner.append({ entry }))], OPTIONS);
    const found = await store().read(owner.mailbox, { from: 0, bytesMax: 1e6, entriesMax: 9 });
    expect(found.map((entry) => plain(entry.entry))).toEqual(bodies.map(plain));
  });
}

function proving(store: () => MailboxStore): void {
  test("nodes() gives what every proof of inclusion and consistency needs", async () => {
    const owner = new Owner();
    const roots = [rootOf(digest, [])];
    const leaves = [];
    await store().commit([owner.create()], OPTIONS);
    for (let size = 1; size <= 37; size += 1) {
      const [outcome] = await store().commit([owner.append()], OPTIONS);
      leaves.push(appended(outcome).entry.leaf);
      roots.push(rootOf(digest, (await store().mailbox(owner.mailbox))?.peaks ?? []));
    }
    const size = 37;
    const root = roots[size];
    if (root === undefined) throw new Error("each size has a root");
    for (const [index, leaf] of leaves.entries()) {
      const plan = planInclusion(index, size);
      const proof = makeProof(digest, plan, await store().nodes(owner.mailbox, plan.wanted));
      expect(verifyInclusion(digest, { index, size, leaf, root, proof })).toBe(true);
    }
    for (const first of [1, 2, 7, 8, 31, 32, 36, 37]) {
      const plan = planConsistency(first, size);
      const proof = makeProof(digest, plan, await store().nodes(owner.mailbox, plan.wanted));
      const firstRoot = roots[first];
      if (firstRoot === undefined) throw new Error("each size has a root");
      expect(verifyConsistency(digest, { first, size, firstRoot, root, proof })).toBe(true);
    }
  });

  test("a big mailbox reads back whole, in pages", async () => {
    const owner = new Owner();
    await store().commit([owner.create()], OPTIONS);
    for (let batch = 0; batch < 8; batch += 1) {
      await store().commit(
        Array.from({ length: 256 }, () => owner.append()),
        OPTIONS,
      );
    }
    let next = 0;
    for (;;) {
      const page = await store().read(owner.mailbox, { from: next, bytesMax: 256 * 1024, entriesMax: 1000 });
      for (const entry of page) expect(entry.seq).toBe(next++);
      if (page.length === 0) break;
    }
    expect(next).toBe(2048);
  });

  test("counts() moves with what is kept, and probe() resolves", async () => {
    const before = await store().counts();
    const owner = new Owner();
    await store().commit([owner.create(), owner.append(), owner.append()], OPTIONS);
    const after = await store().counts();
    expect([
      after.mailboxes - before.mailboxes,
      after.entries - before.entries,
      after.bytes - before.bytes,
    ]).toEqual([1, 2, 2048]);
    for (const bytes of [0, 1, limit.BATCH_BYTES_MAX]) await store().probe(bytes);
    expect(await store().counts()).toEqual(after);
  });
}

function sharing(subject: () => Subject, store: () => MailboxStore): void {
  test("stores that write to one mailbox at once keep its numbers dense", async () => {
    const owner = new Owner();
    await store().commit([owner.create()], OPTIONS);
    const other = await subject().open();
    const seqs: number[] = [];
    const write = async (to: MailboxStore) => {
      for (let round = 0; round < 10; round += 1) {
        const outcomes = await to.commit([owner.append(), owner.append()], OPTIONS);
        seqs.push(...outcomes.map((outcome) => appended(outcome).entry.seq));
      }
    };
    await Promise.all([write(store()), write(other)]);
    await other[Symbol.asyncDispose]();
    expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, at) => at));
    expect((await store().mailbox(owner.mailbox))?.size).toBe(40);
  });

  test("a batch stands on the term that is stored, and never brings an older one back", async () => {
    const owner = new Owner();
    await store().commit([owner.create(), owner.append()], OPTIONS);
    expect((await store().mailbox(owner.mailbox))?.term).toBe(1);
    await subject().setTerm(owner.mailbox, 9);
    const [outcome] = await store().commit([owner.append()], OPTIONS);
    expect(appended(outcome).entry.seq).toBe(1);
    expect((await store().mailbox(owner.mailbox))?.term).toBe(9);
  });
}

/** Declares the suite for one kind of store. */
export function storeConformance(name: string, openSubject: OpenSubject): void {
  describe(name, () => {
    let subject: Subject;
    let store: MailboxStore;
    beforeAll(async () => {
      subject = await openSubject();
      store = await subject.open();
    });
    afterAll(async () => {
      await store?.[Symbol.asyncDispose]();
      await subject?.[Symbol.asyncDispose]();
    });
    const ofSubject = () => subject;
    const ofStore = () => store;
    keeping(ofSubject, ofStore);
    refusing(ofStore);
    rows(ofSubject, ofStore);
    keys(ofSubject, ofStore);
    using(ofStore);
    reading(ofStore);
    proving(ofStore);
    sharing(ofSubject, ofStore);
    claimConformance(ofSubject, ofStore);
    receiptConformance(ofSubject, ofStore);
    sweepConformance(ofStore);
    modelConformance(ofStore);
  });
}
