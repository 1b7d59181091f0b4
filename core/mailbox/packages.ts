import type { EntryId } from "../ground/mod.ts";
import type { EntryKind } from "../wire/mod.ts";
import type { EntryRow } from "./port.ts";

/** Whether an entry of this kind waits for a take. */
export function isPackage(kind: EntryKind): boolean {
  return kind === "package" || kind === "lastResort";
}

/** Packages of a mailbox as they stand in a batch, by slot and by take: a command looks at those that it gets. */
export class Packages {
  readonly #nowMs: number;
  /** Oldest first. */
  readonly #waiting = new Map<number, EntryRow[]>();
  /** The newest of each slot. */
  readonly #lastResorts = new Map<number, EntryRow>();
  readonly #taken = new Map<string, EntryRow[]>();
  #held = 0;

  /** `stored` is oldest first; what has expired by `nowMs` doesn't wait. */
  constructor(stored: readonly EntryRow[], nowMs: number) {
    this.#nowMs = nowMs;
    for (const entry of stored) this.add(entry);
  }

  /** How many wait, last resorts that a newer one stands before among them. */
  get held(): number {
    return this.#held;
  }

  /** The newest last resort of each slot. */
  get lastResorts(): Iterable<EntryRow> {
    return this.#lastResorts.values();
  }

  /** Takes one more in, newer than those before. */
  add(entry: EntryRow): void {
    if (entry.takenBy !== null) return put(this.#taken, entry.takenBy.toHex(), entry);
    if (entry.expiryMs <= this.#nowMs) return;
    this.#held += 1;
    if (entry.kind === "lastResort") this.#lastResorts.set(entry.slot, entry);
    else put(this.#waiting, entry.slot, entry);
  }

  /** What `take` got, expired ones included; null where it got nothing yet. */
  takenBy(take: EntryId): readonly EntryRow[] | null {
    return this.#taken.get(take.toHex()) ?? null;
  }

  /** Gives `take` the oldest that waits of each slot. */
  give(take: EntryId): readonly EntryRow[] {
    const given: EntryRow[] = [];
    for (const [slot, entries] of this.#waiting) {
      const entry = entries.shift();
      if (entries.length === 0) this.#waiting.delete(slot);
      if (entry !== undefined) given.push({ ...entry, takenBy: take });
    }
    this.#held -= given.length;
    if (given.length > 0) this.#taken.set(take.toHex(), given);
    return given;
  }
}

function put<K>(all: Map<K, EntryRow[]>, key: K, entry: EntryRow): void {
  const found = all.get(key);
  if (found === undefined) all.set(key, [entry]);
  else found.push(entry);
}
