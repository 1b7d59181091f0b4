/**
 * A mailbox store in memory, for tests of the rules: it loads exactly what `loadKeys` and `packageKeys` name and writes
 * exactly what the plan says, so a rule that looks at more than it may fails here.
 */
import type { Hash } from "../../core/ground/mod.ts";
import {
  decideBatch,
  type DecideOptions,
  type EntryRow,
  type Loaded,
  isAsked,
  loadKeys,
  type MailboxRow,
  mayGo,
  type Outcome,
  packageKeys,
  passedBy,
  type Plan,
  type Receipt,
  type TurnRow,
} from "../../core/mailbox/mod.ts";
import type { CheckedCommand } from "../../core/wire/mod.ts";

export interface KeptEntry {
  row: EntryRow;
  body: Uint8Array | null;
  readonly nodes: readonly Hash[];
}

export class MemoryMailboxes {
  readonly rows = new Map<string, MailboxRow>();
  readonly logs = new Map<string, KeptEntry[]>();
  readonly turns = new Map<string, TurnRow>();
  readonly receipts: Receipt[] = [];

  log(hex: string): KeptEntry[] {
    const log = this.logs.get(hex) ?? [];
    this.logs.set(hex, log);
    return log;
  }

  load(commands: readonly CheckedCommand[]): Loaded {
    const keys = loadKeys(commands);
    const mailboxes = new Map<string, MailboxRow>();
    const entries = new Map<string, EntryRow>();
    const turns = new Map<string, TurnRow>();
    const packages = new Map<string, EntryRow[]>();
    for (const asked of keys.mailboxes) {
      const hex = asked.id.toHex();
      const row = this.rows.get(hex);
      if (row === undefined) continue;
      const may = isAsked(asked, {
        ...row,
        isReader: (key) => row.readers.some((reader) => reader.key.toHex() === key.toHex()),
        writerOf: (turn) => this.turns.get(`${hex}:${turn}`)?.writer ?? null,
      });
      if (may) mailboxes.set(hex, row);
    }
    for (const { mailbox, id } of keys.entries) {
      const found = this.log(mailbox.toHex()).find(({ row }) => row.id.toHex() === id.toHex());
      if (found !== undefined) entries.set(mailbox.toHex() + id.toHex(), found.row);
    }
    for (const { mailbox, turn } of keys.turns) {
      const key = `${mailbox.toHex()}:${turn}`;
      const row = this.turns.get(key);
      if (row !== undefined) turns.set(key, row);
    }
    for (const { mailbox, takes } of packageKeys(commands, mailboxes)) {
      const wanted = new Set(takes.map((take) => take.toHex()));
      const waiting = this.log(mailbox.toHex())
        .map(({ row }) => row)
        .filter(({ kind, takenBy }) => {
          if (kind === "lastResort") return true;
          return kind === "package" && (takenBy === null || wanted.has(takenBy.toHex()));
        });
      packages.set(mailbox.toHex(), waiting);
    }
    return { mailboxes, entries, turns, packages };
  }

  commit(
    commands: readonly CheckedCommand[],
    options: DecideOptions,
  ): { outcomes: readonly Outcome[]; plan: Plan } {
    const plan = decideBatch(this.load(commands), commands, options);
    this.#write(plan);
    return { outcomes: plan.outcomes, plan };
  }

  #write(plan: Plan): void {
    for (const row of plan.created) this.rows.set(row.id.toHex(), row);
    for (const { row, expectTerm, expectSize } of plan.changed) {
      const before = this.rows.get(row.id.toHex());
      if (before?.term !== expectTerm || before.size !== expectSize)
        throw new Error("a plan expects another row");
      this.rows.set(row.id.toHex(), row);
    }
    for (const { nodes, entry, mailbox, ...row } of plan.entries) {
      this.log(mailbox.toHex()).push({ row, body: entry, nodes });
    }
    for (const { mailbox, ...turn } of plan.turns) this.turns.set(`${mailbox.toHex()}:${turn.turn}`, turn);
    const conditional = new Set(
      [...plan.created, ...plan.changed.map(({ row }) => row)].map((row) => row.id.toHex()),
    );
    for (const { mailbox, seq, takenBy } of plan.taken) {
      if (!conditional.has(mailbox.toHex()))
        throw new Error("a take isn't conditional on its mailbox's term");
      const kept = this.log(mailbox.toHex())[seq];
      if (kept === undefined || kept.row.takenBy !== null) throw new Error("a package is taken twice");
      kept.row = { ...kept.row, takenBy };
    }
    this.receipts.push(...plan.receipts);
    for (const [hex, row] of this.rows) if (row.deleted) this.logs.delete(hex);
  }

  /** Lets go what may, in every mailbox. */
  sweep(nowMs: number): void {
    for (const [hex, row] of this.rows) {
      let { entriesHeld, bytesHeld } = row;
      const log = this.log(hex);
      const view = { passed: passedBy(row), retentionMs: row.policy.retentionMs };
      for (const kept of log) {
        if (kept.body === null || !mayGo(kept.row, view, nowMs)) continue;
        entriesHeld -= 1;
        bytesHeld -= kept.body.length;
        kept.body = null;
      }
      const first = log.findIndex((kept) => kept.body !== null);
      const floor = row.deleted ? row.floor : first === -1 ? row.size : first;
      this.rows.set(hex, { ...row, entriesHeld, bytesHeld, floor });
    }
  }
}
