/** Quotas, cursors, packages, keys and leaves: the rules one by one, in the words of docs/protocol/mailbox.md. */
import { describe, expect, test } from "bun:test";
import { digest } from "../../test/harness/digest.ts";
import {
  ANN,
  append,
  BOB,
  code,
  control,
  DAY_MS,
  DENIED,
  filled,
  key,
  NOBODY,
  NOW_MS,
  OWNER,
  RECORD,
  room,
  TTL_MS_MAX,
  WRITER,
  WRITER_2,
} from "../../test/harness/mailbox_room.ts";
import { entryId, hash, limit } from "../ground/mod.ts";
import type { CommandBody, EntryKind } from "../wire/mod.ts";
import { nextGeneration } from "./generation.ts";

describe("decideBatch() on quotas and lapses", () => {
  test("refuses by entries and by bytes", () => {
    const few = room({ entriesMax: 2 });
    few.one(OWNER, few.create);
    expect([1, 2, 3].map((id) => code(few.one(WRITER, append(id))))).toEqual([
      "appended",
      "appended",
      "full",
    ]);
    const small = room({ bytesMax: 65_536 });
    small.one(OWNER, small.create);
    expect(code(small.one(WRITER, append(1, { entry: filled(65_536, 1) })))).toBe("appended");
    expect(code(small.one(WRITER, append(2)))).toBe("full");
  });

  test("lets the reader that holds back most lapse from three quarters on, tells it, and takes it back", () => {
    const { one, create, row, store } = room({ entriesMax: 8 });
    if (create.op !== "create") throw new Error("not a create");
    one(OWNER, { ...create, readers: [ANN, BOB, NOBODY] });
    const lapsed = () => row().readers.map((reader) => reader.lapsed);
    for (let id = 1; id <= 5; id += 1) one(WRITER, append(id));
    for (const who of [ANN, NOBODY]) one(who, { op: "acknowledge", cursor: 5 });
    expect(lapsed()).toEqual([false, false, false]);
    one(WRITER, append(6));
    expect(lapsed()).toEqual([false, true, false]);
    store.sweep(NOW_MS);
    expect(row()).toMatchObject({ floor: 5, entriesHeld: 1 });
    expect(one(BOB, { op: "read", from: 0, bytesMax: 1 })).toEqual({
      is: "refused",
      refusal: { code: "lapsed", floor: 5 },
    });
    expect(code(one(BOB, { op: "subscribe", from: 5 }))).toBe("allowed");
    expect(one(BOB, { op: "acknowledge", cursor: 5 })).toEqual({ is: "acknowledged", cursor: 5 });
    expect(lapsed()).toEqual([false, false, false]);
  });

  test("lets no reader lapse that holds back half of what is held, and the one that holds back more", () => {
    const { one, create, row } = room({ entriesMax: 8 });
    if (create.op !== "create") throw new Error("not a create");
    one(OWNER, { ...create, readers: [ANN, BOB, NOBODY] });
    for (let id = 1; id <= 5; id += 1) one(WRITER, append(id));
    for (const who of [ANN, NOBODY]) one(who, { op: "acknowledge", cursor: 5 });
    one(BOB, { op: "acknowledge", cursor: 3 });
    const lapsed = [6, 7].map((id) => {
      one(WRITER, append(id));
      return row().readers.map((reader) => reader.lapsed);
    });
    expect(lapsed).toEqual([
      [false, false, false],
      [false, true, false],
    ]);
  });

  test("keeps what only one of three has read when those leave that had read it, and lets it go with the second", () => {
    const { one, create, row, store } = room({ entriesMax: 20 });
    if (create.op !== "create") throw new Error("not a create");
    const [carl, dora] = [key(7), key(8)];
    one(OWNER, { ...create, readers: [ANN, BOB, carl, dora, NOBODY] });
    for (let id = 1; id <= 14; id += 1) one(WRITER, append(id));
    one(ANN, { op: "acknowledge", cursor: 2 });
    for (const who of [carl, dora, NOBODY]) one(who, { op: "acknowledge", cursor: 14 });
    one(WRITER, append(15));
    expect(row().readers.map((reader) => reader.lapsed)).toEqual([true, true, false, false, false]);
    const change = { writer: WRITER_2, added: [], removed: [dora, NOBODY] };
    one(WRITER, append(16, { kind: "control", change }));
    one(carl, { op: "acknowledge", cursor: 16 });
    store.sweep(NOW_MS);
    expect(row()).toMatchObject({ floor: 2, entriesHeld: 14 });
    one(ANN, { op: "acknowledge", cursor: 15 });
    store.sweep(NOW_MS);
    expect(row().floor).toBe(15);
    expect(one(BOB, { op: "read", from: 0, bytesMax: 1 })).toMatchObject({ refusal: { code: "lapsed" } });
  });

  test("never lets half of the readers lapse: between two, writers are refused and nothing goes unread", () => {
    const { one, create, row, store } = room({ entriesMax: 8 });
    one(OWNER, create);
    for (let id = 1; id <= 8; id += 1) {
      one(WRITER, append(id));
      one(ANN, { op: "acknowledge", cursor: id });
    }
    expect(code(one(WRITER, append(9)))).toBe("full");
    store.sweep(NOW_MS);
    expect(row()).toMatchObject({ entriesHeld: 8, floor: 0 });
    expect(row().readers.some((reader) => reader.lapsed)).toBe(false);
  });

  test("never lets all lapse: where nobody reads, writers are refused and nothing goes", () => {
    const { one, create, row, store } = room({ entriesMax: 8 });
    one(OWNER, create);
    const answers = Array.from({ length: 9 }, (_, at) => code(one(WRITER, append(at + 1))));
    expect(answers.at(-1)).toBe("full");
    expect(row().readers.some((reader) => reader.lapsed)).toBe(false);
    store.sweep(NOW_MS);
    expect(row().entriesHeld).toBe(8);
  });
});

describe("decideBatch() on cursors", () => {
  test("moves them forward only, keeps one receipt a reader and batch, and none for what doesn't move", () => {
    const { run, command, create, store } = room();
    const ack = (cursor: number, notAfterMs = NOW_MS + 5) =>
      command(ANN, { op: "acknowledge", cursor }, { notAfterMs });
    const outcomes = run(
      command(OWNER, create),
      command(WRITER, append(1)),
      command(WRITER, append(2)),
      ack(1),
      ack(2, NOW_MS + 6),
      ack(1),
      ack(3),
    );
    expect(outcomes.slice(3)).toEqual([
      { is: "acknowledged", cursor: 1 },
      { is: "acknowledged", cursor: 2 },
      { is: "acknowledged", cursor: 2 },
      { is: "refused", refusal: { code: "range", size: 2 } },
    ]);
    expect(store.receipts).toMatchObject([{ reader: ANN, cursor: 2, notAfterMs: NOW_MS + 6 }]);
    run(ack(2));
    expect(store.receipts).toHaveLength(1);
  });
});

describe("decideBatch() on packages", () => {
  const take = (value: number): CommandBody => ({ op: "take", take: entryId(filled(16, value)) });
  const pack = (id: number, slot: number, kind: EntryKind = "package") => append(id, { kind, slot });

  test("hands each out once, one a slot, oldest first, and the same take the same ones", () => {
    const { run, command, create } = room();
    const outcomes = run(
      command(OWNER, create),
      command(OWNER, pack(1, 1)),
      command(OWNER, pack(2, 1)),
      command(OWNER, pack(3, 2)),
      command(WRITER, take(1)),
      command(WRITER, take(2)),
      command(WRITER, take(1)),
      command(WRITER, take(3)),
    );
    expect(outcomes.slice(4)).toMatchObject([
      { is: "taken", seqs: [0, 2] },
      { is: "taken", seqs: [1] },
      { is: "taken", seqs: [0, 2] },
      { is: "refused", refusal: { code: "empty" } },
    ]);
    expect(run(command(WRITER, take(1)))).toMatchObject([{ is: "taken", seqs: [0, 2] }]);
  });

  test("falls back to the newest last resort of a slot, which is never used up", () => {
    const { run, command, create } = room();
    run(
      command(OWNER, create),
      command(OWNER, pack(1, 1, "lastResort")),
      command(OWNER, pack(2, 1, "lastResort")),
      command(OWNER, pack(3, 1)),
    );
    const seqs = [1, 2, 3].map((value) => run(command(WRITER, take(value)))[0]);
    expect(seqs).toMatchObject([{ seqs: [2] }, { seqs: [1] }, { seqs: [1] }]);
  });
});

describe("decideBatch() on as many packages as may wait", () => {
  const waiting = (kind: EntryKind) => (_: unknown, at: number) =>
    append(0, { id: entryId(numbered(at)), kind, slot: 1 + at });
  const numbered = (at: number): Uint8Array => filled(16, 200 + (at >> 8)).with(0, at & 0xff);

  test("refuses one more, last resorts counted, in the same batch and later, and takes it once one was taken", () => {
    const { run, command, create, one } = room({ entriesMax: 1000 });
    const half = limit.PACKAGES_MAX / 2;
    const packages = Array.from({ length: half }, waiting("package"));
    const lasts = Array.from({ length: limit.PACKAGES_MAX }, waiting("lastResort")).slice(half);
    const put = (body: CommandBody) => command(OWNER, body);
    const more = append(1, { kind: "package", slot: 7 });
    const outcomes = run(command(OWNER, create), ...packages.map(put), ...lasts.map(put), put(more));
    expect(outcomes.slice(1, -1).every(({ is }) => is === "appended")).toBe(true);
    expect(outcomes.at(-1)).toEqual({ is: "refused", refusal: { code: "limit" } });
    expect(code(one(OWNER, more))).toBe("limit");
    expect(code(one(WRITER, append(2)))).toBe("appended");
    expect(one(OWNER, waiting("package")(null, 0))).toMatchObject({ is: "appended", fresh: false });
    const taken = one(WRITER, { op: "take", take: entryId(filled(16, 1)) });
    expect(taken?.is === "taken" && taken.seqs.length).toBe(limit.PACKAGES_MAX);
    expect(code(one(OWNER, more))).toBe("appended");
  });
});

describe("decideBatch() on creation, reset and deletion", () => {
  test("creates once, whatever comes again", () => {
    const { one, create, row } = room();
    one(OWNER, create);
    one(WRITER, append(1));
    expect(one(OWNER, create)).toMatchObject({ is: "created", row: { size: 1, generation: 1 } });
    expect(row().size).toBe(1);
  });

  test("tells who was the owner no more of it by a create than by anything else", () => {
    const { one, create } = room();
    one(OWNER, create);
    const reset: CommandBody = {
      op: "reset",
      version: 1,
      owner: NOBODY,
      writer: WRITER_2,
      readers: [],
      policy: RECORD.policy,
    };
    expect(code(one(OWNER, reset))).toBe("reset");
    expect(one(OWNER, create)).toEqual(DENIED);
    expect(one(OWNER, create, { notAfterMs: 0 })).toEqual(DENIED);
    one(NOBODY, { op: "delete" });
    expect(one(OWNER, create)).toEqual(DENIED);
  });

  test("creates in a later generation what a relay has lost", () => {
    const { one, create } = room();
    expect(one(OWNER, create, { generation: 3 })).toMatchObject({
      is: "created",
      row: { generation: 3, size: 0, started: { size: 0, timeMs: NOW_MS } },
    });
    expect(code(one(WRITER, append(1), { generation: 3 }))).toBe("appended");
  });

  test("creates in no generation that leaves none for restores", () => {
    const { one, create } = room();
    const generation = limit.GENERATION_CREATED_MAX;
    expect(code(one(OWNER, create, { generation: generation + 1 }))).toBe("limit");
    expect(code(one(OWNER, create, { generation: 2 ** 32 - 1 }))).toBe("limit");
    expect(code(one(OWNER, create, { generation }))).toBe("created");
    expect(nextGeneration(generation, NOW_MS)).toBeLessThan(2 ** 32);
  });

  test("takes no entry that a number of 32 bits can't count", () => {
    const { id, one, create, row, store } = room();
    one(OWNER, create);
    const peaks = Array.from({ length: 31 }, () => row().id).map((each) => hash(each));
    store.rows.set(id.toHex(), { ...row(), size: limit.MAILBOX_SIZE_MAX, peaks });
    expect(code(one(WRITER, append(1)))).toBe("limit");
  });

  test.each([
    { entriesMax: 0 },
    { entriesMax: limit.MAILBOX_ENTRIES_MAX + 1 },
    { bytesMax: limit.ENTRY_BYTES_MAX - 1 },
    { bytesMax: limit.MAILBOX_BYTES_MAX + 1 },
    { ttlMs: limit.ENTRY_TTL_MS_MIN - 1 },
    { ttlMs: TTL_MS_MAX + 1 },
    { ttlMs: DAY_MS, retentionMs: DAY_MS + 1 },
  ])("refuses the policy %p", (policy) => {
    const { one, create } = room(policy);
    expect(code(one(OWNER, create))).toBe("limit");
  });

  test("resets by compare-and-set: new keys count at once, readers that stay keep their cursors", () => {
    const { one, create, row } = room();
    one(OWNER, create);
    one(WRITER, append(1));
    one(ANN, { op: "acknowledge", cursor: 1 });
    one(WRITER, append(2));
    const reset = (version: number): CommandBody => ({
      op: "reset",
      version,
      owner: NOBODY,
      writer: WRITER_2,
      readers: [ANN, NOBODY],
      policy: { ...RECORD.policy, entriesMax: 7 },
    });
    expect(one(OWNER, reset(9))).toEqual({ is: "refused", refusal: { code: "version", version: 1 } });
    expect(code(one(OWNER, reset(1)))).toBe("reset");
    expect(row()).toMatchObject({
      owner: NOBODY,
      writer: WRITER_2,
      turn: 1,
      version: 2,
      policy: { entriesMax: 7 },
    });
    expect(row().readers).toEqual([
      { key: ANN, cursor: 1, lapsed: false },
      { key: NOBODY, cursor: 2, lapsed: false },
    ]);
    expect(one(OWNER, reset(2))).toEqual(DENIED);
    expect(one(WRITER, append(3))).toMatchObject({ refusal: { code: "turn", turn: 1, seq: 1 } });
  });

  test("deletes for ever: only the owner hears of it, and the id is never used again", () => {
    const { run, command, create, one } = room();
    const outcomes = run(
      command(OWNER, create),
      command(WRITER, append(1)),
      command(OWNER, { op: "delete" }),
      command(WRITER, append(2)),
      command(OWNER, { op: "describe" }),
      command(OWNER, { op: "delete" }),
      command(OWNER, create),
    );
    expect(outcomes.map(code)).toEqual([
      "created",
      "appended",
      "deleted",
      "denied",
      "denied",
      "deleted",
      "gone",
    ]);
    expect(one(ANN, { op: "read", from: 0, bytesMax: 1 })).toEqual(DENIED);
    expect(code(one(OWNER, { op: "delete" }))).toBe("deleted");
  });
});

describe("decideBatch() on leaves", () => {
  test("gives plain entries the policy's life and control entries the relay's", () => {
    const { run, command, create } = room({ ttlMs: DAY_MS });
    const [, plain, turn] = run(
      command(OWNER, create),
      command(WRITER, append(1)),
      command(WRITER, control(2, WRITER_2)),
    );
    expect(plain?.is === "appended" && plain.entry.expiryMs).toBe(NOW_MS + DAY_MS);
    expect(turn?.is === "appended" && turn.entry.expiryMs).toBe(NOW_MS + TTL_MS_MAX);
  });

  test("leaves what was loaded as it was", () => {
    const { store, one, create, command } = room();
    one(OWNER, create);
    one(WRITER, append(1));
    const commands = [command(WRITER, append(2)), command(ANN, { op: "acknowledge", cursor: 2 })];
    const loaded = store.load(commands);
    const before = structuredClone([...loaded.mailboxes.values()]);
    store.commit(commands, { nowMs: NOW_MS, ttlMsMax: TTL_MS_MAX, digest });
    expect([...loaded.mailboxes.values()]).toEqual(before);
  });
});
