/** Random commands in random batches: the rules against a small model of them, and what must always hold. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { digest } from "../../test/harness/digest.ts";
import { MemoryMailboxes } from "../../test/harness/mailbox_memory.ts";
import { MailboxModel } from "../../test/harness/mailbox_model.ts";
import { entryId, hash, type PublicKey, publicKey, signature, unreachable } from "../ground/mod.ts";
import { rootOf, rootOfLeaves } from "../merkle/mod.ts";
import { type CheckedCommand, type CommandBody, type CreationRecord, mailboxIdOf } from "../wire/mod.ts";
import { entryLeaf } from "./leaf.ts";
import type { Outcome } from "./outcome.ts";

const MINUTE_MS = 60_000;
const TTL_MS_MAX = 60 * MINUTE_MS;
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
const RELAY = publicKey(filled(32, 255));
const KEYS = Array.from({ length: 8 }, (_, at) => publicKey(filled(32, 1 + at)));
const NOBODY = publicKey(filled(32, 99));
const SIGNATURE = signature(filled(64, 0));
const ENTRIES = [filled(1024, 1), filled(1024, 2), filled(16 * 1024, 3)];
const HASHES = ENTRIES.map((entry) => hash(digest.sha256(entry)));

const at = <T>(all: readonly T[], index: number): T => {
  const value = all[index % all.length];
  if (value === undefined) throw new Error("nothing to choose from");
  return value;
};

const policies = [
  { entriesMax: 8, bytesMax: 65_536, ttlMs: 10 * MINUTE_MS, retentionMs: 0 },
  { entriesMax: 6, bytesMax: 65_536, ttlMs: 10 * MINUTE_MS, retentionMs: 2 * MINUTE_MS },
  { entriesMax: 1000, bytesMax: 65_536, ttlMs: 5 * MINUTE_MS, retentionMs: 0 },
];
const RECORDS: readonly CreationRecord[] = [0, 1, 2].map((nonce) => ({
  owner: at(KEYS, nonce),
  relay: RELAY,
  policy: at(policies, nonce),
  nonce: filled(16, nonce),
}));
const IDS = RECORDS.map((record) => mailboxIdOf(record, digest));

/** Choices of chance, made into a command by what the model holds at that time, so that most make sense. */
type Choices = readonly number[];
const choices: fc.Arbitrary<Choices> = fc.array(fc.nat(10_000), { minLength: 12, maxLength: 12 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("batch" as const),
      commands: fc.array(choices, { maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(4 * MINUTE_MS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sweep" as const) }) },
);

type Box = NonNullable<ReturnType<MailboxModel["boxes"]["get"]>>;

class Maker {
  readonly #model: MailboxModel;
  #chance: Choices = [];
  #next = 0;

  constructor(model: MailboxModel) {
    this.#model = model;
  }

  #pick<T>(all: readonly T[]): T {
    this.#next += 1;
    return at(all, this.#chance[this.#next - 1] ?? 0);
  }

  make(chance: Choices, nowMs: number): CheckedCommand {
    this.#chance = chance;
    this.#next = 0;
    const which = this.#pick([0, 0, 0, 1, 2]);
    const box = this.#model.boxes.get(at(IDS, which).toHex());
    const body = this.#body(box, at(RECORDS, which));
    const generation = (box?.generation ?? 1) + this.#pick([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    const notAfterMs =
      nowMs + this.#pick([1, 0, MINUTE_MS, MINUTE_MS, MINUTE_MS, MINUTE_MS, -1, 8 * 24 * 60 * MINUTE_MS]);
    const entryHash = body.op === "append" ? at(HASHES, ENTRIES.indexOf(body.entry)) : null;
    return {
      authority: {
        mailbox: at(IDS, which),
        generation,
        notAfterMs,
        key: this.#key(body, box),
        signature: SIGNATURE,
      },
      body,
      statement: new Uint8Array(0),
      entryHash,
      authentic: this.#pick([true, true, true, true, true, true, true, true, true, false]),
    };
  }

  /** A key that may, most of the time. */
  #key(body: CommandBody, box: Box | undefined): PublicKey {
    if (this.#pick([0, 0, 0, 0, 0, 0, 1]) === 1) return this.#pick([...KEYS, NOBODY]);
    if (body.op === "create") return body.record.owner;
    if (box === undefined) return this.#pick(KEYS);
    const owner = publicKey(Uint8Array.fromHex(box.owner));
    const readers = [...box.readers.keys()].map((hex) => publicKey(Uint8Array.fromHex(hex)));
    const writer = publicKey(Uint8Array.fromHex(box.turns.at(-1)?.writer ?? ""));
    if (body.op === "append") return body.kind === "plain" || body.kind === "control" ? writer : owner;
    if (body.op === "take") return writer;
    if (body.op === "reset" || body.op === "delete") return owner;
    return this.#pick(readers.length === 0 ? [owner] : readers);
  }

  #readers(): PublicKey[] {
    const first = this.#pick([0, 1, 2, 3, 4, 5, 6, 7]);
    return KEYS.slice(first, first + this.#pick([0, 1, 2, 3, 4, 5]));
  }

  #body(box: Box | undefined, record: CreationRecord): CommandBody {
    const size = box?.log.length ?? 0;
    const near = [size, size, size + 1, 0, Math.floor(size / 2)];
    const op = box === undefined ? "create" : this.#pick(OPS);
    switch (op) {
      case "create":
        return { op, record, writer: this.#pick(KEYS), readers: this.#readers() };
      case "append":
        return this.#append(box);
      case "read":
        return { op, from: this.#pick(near), bytesMax: 1024 };
      case "subscribe":
        return { op, from: this.#pick(near) };
      case "receipts":
        return { op, from: this.#pick(KEYS) };
      case "acknowledge":
        return { op, cursor: this.#pick(near) };
      case "take":
        return { op, take: entryId(filled(16, this.#pick([1, 2, 3]))) };
      case "reset":
        return {
          op,
          version: (box?.version ?? 1) - this.#pick([0, 0, 0, 1]),
          owner: this.#pick(KEYS),
          writer: this.#pick(KEYS),
          readers: this.#readers(),
          policy: this.#pick([...policies, { ...record.policy, ttlMs: TTL_MS_MAX + 1 }]),
        };
      case "proveInclusion":
        return { op, seq: this.#pick(near), size: this.#pick(near) };
      case "proveConsistency":
        return { op, from: this.#pick(near), to: this.#pick(near) };
      default:
        return { op };
    }
  }

  #append(box: Box | undefined): CommandBody {
    const kind = this.#pick([
      "plain",
      "plain",
      "plain",
      "plain",
      "control",
      "package",
      "package",
      "lastResort",
    ] as const);
    const turns = (box?.turns.length ?? 1) - 1;
    const turn = Math.max(0, turns - this.#pick([0, 0, 0, 0, 0, 0, 1, -1]));
    const id = entryId(filled(16, this.#pick(Array.from({ length: 60 }, (_, value) => value))));
    const slot = kind === "package" || kind === "lastResort" ? this.#pick([0, 1]) : 0;
    const entry = this.#pick([ENTRIES[0], ENTRIES[0], ENTRIES[0], ENTRIES[1], ENTRIES[2]]) ?? filled(1024, 1);
    if (kind !== "control") return { op: "append", id, turn, kind, slot, change: null, entry };
    const added = this.#readers();
    const removed = this.#readers().filter((key) => !added.includes(key));
    return {
      op: "append",
      id,
      turn,
      kind,
      slot,
      change: { writer: this.#pick(KEYS), added, removed },
      entry,
    };
  }
}

const OPS = [
  ...Array.from({ length: 14 }, () => "append" as const),
  ...Array.from({ length: 5 }, () => "acknowledge" as const),
  "read",
  "subscribe",
  "take",
  "take",
  "reset",
  "describe",
  "receipts",
  "proveInclusion",
  "proveConsistency",
  "create",
  "delete",
] as const;

/** An outcome as the model words it. */
function words(outcome: Outcome): string {
  switch (outcome.is) {
    case "refused":
      return Object.values(outcome.refusal)
        .filter((value) => typeof value !== "object")
        .join(" ")
        .replace(/^expired .*/, "expired");
    case "damaged":
      return "damaged";
    case "generation":
      return `generation ${outcome.row.generation}`;
    case "created":
      return `created ${outcome.row.generation} ${outcome.row.size}`;
    case "appended":
      return `appended ${outcome.entry.seq} ${outcome.fresh ? "new" : "again"}`;
    case "acknowledged":
      return `acknowledged ${outcome.cursor}`;
    case "taken":
      return `taken ${outcome.seqs.join(",")}`;
    case "reset":
      return `reset ${outcome.row.version} ${outcome.row.turn} ${outcome.row.size}`;
    case "deleted":
      return "deleted";
    case "allowed":
      return `allowed ${outcome.row.size}`;
    default:
      return unreachable(outcome);
  }
}

/** What holds of every mailbox, whatever came. */
function checkInvariants(store: MemoryMailboxes): void {
  for (const [hex, row] of store.rows) {
    if (row.deleted) continue;
    const log = store.log(hex);
    expect(log.map((kept) => kept.row.seq)).toEqual(Array.from({ length: row.size }, (_, seq) => seq));
    expect(new Set(log.map((kept) => kept.row.id.toHex())).size).toBe(log.length);
    for (const { row: entry } of log) expect(entryLeaf(digest, entry)).toEqual(entry.leaf);
    expect(rootOf(digest, row.peaks)).toEqual(
      rootOfLeaves(
        digest,
        log.map((kept) => kept.row.leaf),
      ),
    );
    const held = log.flatMap((kept) => (kept.body === null ? [] : [kept.body.length]));
    expect([row.entriesHeld, row.bytesHeld]).toEqual([held.length, held.reduce((a, b) => a + b, 0)]);
    expect(row.entriesHeld).toBeLessThanOrEqual(1000);
    for (const reader of row.readers) expect(reader.cursor).toBeLessThanOrEqual(row.size);
  }
}

const seen = new Set<string>();

describe("decideBatch()", () => {
  test("answers as the model does, and keeps its laws, for random batches", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
        const store = new MemoryMailboxes();
        const model = new MailboxModel(TTL_MS_MAX);
        const maker = new Maker(model);
        const cursors = new Map<string, number>();
        let nowMs = 1_800_000_000_000;
        for (const each of steps) {
          if (each.do === "wait") nowMs += each.ms;
          if (each.do === "sweep") {
            store.sweep(nowMs);
            model.sweep(nowMs);
          }
          if (each.do !== "batch") continue;
          const commands: CheckedCommand[] = [];
          const expected: string[] = [];
          for (const chance of each.commands) {
            const command = maker.make(chance, nowMs);
            commands.push(command);
            expected.push(model.step(command, nowMs));
          }
          const { outcomes, plan } = store.commit(commands, { nowMs, ttlMsMax: TTL_MS_MAX, digest });
          expect(outcomes.map(words)).toEqual(expected);
          for (const word of expected) seen.add(word.split(" ")[0] ?? "");
          for (const receipt of plan.receipts) {
            const key = `${receipt.mailbox.toHex()} ${receipt.reader.toHex()}`;
            expect(receipt.cursor).toBeGreaterThan(cursors.get(key) ?? -1);
            // A reader that went and came back starts anew; the model holds its cursor.
            cursors.delete(key);
          }
          checkInvariants(store);
        }
      }),
      // The short run is always the same one, so that the next test can say what it reached.
      process.env["DCHAT_TEST_LONG"] === "1" ? { numRuns: 50_000 } : { numRuns: 1000, seed: 5 },
    );
  });

  test("was tried with every answer", () => {
    const all = [
      "denied",
      "expired",
      "generation",
      "created",
      "gone",
      "limit",
      "appended",
      "reused",
      "turn",
      "full",
      "acknowledged",
      "range",
      "lapsed",
      "taken",
      "empty",
      "reset",
      "version",
      "deleted",
      "allowed",
    ];
    expect([...seen].sort()).toEqual(all.sort());
  });
});
