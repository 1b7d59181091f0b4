/** Any store is a slow way of keeping maps: random batches on it and on a model that keeps maps, compared. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { entryId, type PublicKey } from "../../ground/mod.ts";
import {
  decideBatch,
  type EntryRow,
  type Loaded,
  type MailboxRow,
  type MailboxStore,
  type Outcome,
  type TurnRow,
} from "../../mailbox/mod.ts";
import type { CheckedCommand } from "../../wire/mod.ts";
import { key, NOW_MS, OPTIONS, Owner, plain, random } from "./data.ts";
import { digest } from "../digest.ts";
import { hex } from "../hashes.ts";
import { withoutBody } from "../outcome.ts";

/** Mailboxes in memory, kept by the same decisions. */
class Model {
  readonly mailboxes = new Map<string, MailboxRow>();
  readonly #entries = new Map<string, EntryRow>();
  readonly #turns = new Map<string, TurnRow>();
  readonly #packages = new Map<string, EntryRow[]>();

  commit(batch: readonly CheckedCommand[]): Outcome[] {
    const loaded: Loaded = {
      mailboxes: this.mailboxes,
      entries: this.#entries,
      turns: this.#turns,
      packages: this.#packages,
    };
    const plan = decideBatch(loaded, batch, { ...OPTIONS, digest });
    for (const row of [...plan.created, ...plan.changed.map((change) => change.row)]) {
      this.mailboxes.set(hex(row.id), row);
    }
    for (const turn of plan.turns) this.#turns.set(`${hex(turn.mailbox)}:${turn.turn}`, turn);
    for (const entry of plan.entries) {
      const mailbox = hex(entry.mailbox);
      this.#entries.set(mailbox + hex(entry.id), entry);
      if (entry.slot === 0) continue;
      this.#packages.set(mailbox, [...(this.#packages.get(mailbox) ?? []), entry]);
    }
    for (const { mailbox, seq, takenBy } of plan.taken) {
      const packages = this.#packages.get(hex(mailbox)) ?? [];
      this.#packages.set(
        hex(mailbox),
        packages.map((entry) => (entry.seq === seq ? { ...entry, takenBy } : entry)),
      );
    }
    return plan.outcomes.map(withoutBody);
  }
}

/** Rows alike whatever order readers come in. */
function row(value: MailboxRow | null | undefined): unknown {
  if (value === null || value === undefined) return null;
  const readers = value.readers.toSorted((a, b) => (hex(a.key) < hex(b.key) ? -1 : 1));
  return plain({ ...value, readers });
}

function outcome(value: Outcome): unknown {
  return "row" in value ? { ...value, row: row(value.row) } : plain(value);
}

/** A batch's step: what is done, to which of a few mailboxes, with which of a few ids and numbers. */
const step = fc.record({
  box: fc.nat({ max: 2 }),
  op: fc.constantFrom(
    "append",
    "append",
    "append",
    "control",
    "package",
    "take",
    "acknowledge",
    "reset",
    "delete",
  ),
  pick: fc.nat({ max: 7 }),
});

/** The state that makes most steps legal: turns and writers as they should be by now. */
class Author {
  readonly owner = new Owner({ readers: 3, policy: { entriesMax: 40 } });
  readonly #ids = Array.from({ length: 8 }, () => entryId(random(16)));
  readonly #entry = random(1024);
  #writer: PublicKey = this.owner.writer;
  #turn = 0;
  #version = 1;

  /** Learns from the model how the mailbox stands. */
  look(known: MailboxRow | undefined): void {
    if (known === undefined) return;
    this.#writer = known.writer;
    this.#turn = known.turn;
    this.#version = known.version;
  }

  step(op: string, pick: number): CheckedCommand {
    const { owner } = this;
    const by = this.#writer;
    const turn = this.#turn;
    const reader = owner.readers[pick % owner.readers.length] ?? key();
    switch (op) {
      case "append":
        return pick < 4
          ? owner.append({ turn, by })
          : owner.append({ turn, by, id: this.#ids[pick] ?? entryId(random(16)), entry: this.#entry });
      case "control":
        return owner.append({
          turn,
          by,
          kind: "control",
          change: { writer: key(), added: [key()], removed: [reader] },
        });
      case "package":
        return owner.append({ turn, kind: pick === 0 ? "lastResort" : "package", slot: 1 + (pick % 2) });
      case "take":
        return owner.command(by, { op: "take", take: this.#ids[pick] ?? entryId(random(16)) });
      case "acknowledge":
        return owner.acknowledge(reader, pick);
      case "reset":
        return owner.command(owner.owner, {
          op: "reset",
          version: this.#version,
          owner: owner.owner,
          writer: key(),
          readers: [reader, key()],
          policy: owner.policy,
        });
      default:
        // Most mailboxes live through a run.
        return pick === 0
          ? owner.command(owner.owner, { op: "delete" })
          : owner.command(owner.owner, { op: "describe" });
    }
  }
}

/** Declares the comparison with the model. */
export function modelConformance(store: () => MailboxStore): void {
  test("random batches leave what the model has, and answer what it answers", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 }),
        async (batches) => {
          const model = new Model();
          const authors = [new Author(), new Author(), new Author()];
          const creation = authors.map((author) => author.owner.create(NOW_MS));
          model.commit(creation);
          await store().commit(creation, OPTIONS);
          for (const steps of batches) {
            const batch = steps.flatMap(({ box, op, pick }) => authors[box]?.step(op, pick) ?? []);
            const expected = model.commit(batch);
            expect((await store().commit(batch, OPTIONS)).map(outcome)).toEqual(expected.map(outcome));
            for (const author of authors) {
              const known = model.mailboxes.get(hex(author.owner.mailbox));
              author.look(known);
              expect(row(await store().mailbox(author.owner.mailbox))).toEqual(row(known));
            }
          }
        },
      ),
      { numRuns: 15 },
    );
  });
}
