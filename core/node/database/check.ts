/**
 * Checks what a store holds: every sequence number, every leaf, every node and head, every body, and the sums of
 * what no tree covers. Goes through records once, and holds no more than one mailbox's state.
 */
import { entryLeaf, type MailboxRow, type TurnRow } from "../../mailbox/mod.ts";
import { append, sameHash } from "../../merkle/mod.ts";
import type { Hash } from "../../ground/mod.ts";
import { isSizeClass } from "../../wire/mod.ts";
import { digest, type KeptEntry, type StoreRecord } from "../../store/mod.ts";

interface Open {
  readonly row: MailboxRow;
  readonly name: string;
  readonly tree: { peaks: Hash[]; size: number };
  next: number;
  turns: number;
  /** Readers whose receipt came. */
  readonly receipts: Set<string>;
  lastTurn: TurnRow | null;
  held: number;
  bytes: number;
  lowest: number | null;
}

export interface Checked {
  readonly mailboxes: number;
  readonly entries: number;
  readonly bytes: number;
  /** Each names a mailbox and what is wrong with it. */
  readonly damage: readonly string[];
}

/** Enough to see where; a store that is damaged throughout would fill the memory. */
const DAMAGE_MAX = 1000;

export class Checker {
  #open: Open | null = null;
  #mailboxes = 0;
  #entries = 0;
  #bytes = 0;
  readonly #damage: string[] = [];

  #bad(what: string): void {
    if (this.#damage.length < DAMAGE_MAX) this.#damage.push(what);
  }

  /** Takes the next record. */
  take(record: StoreRecord): void {
    switch (record.is) {
      case "mailbox":
        this.#close();
        this.#begin(record.row);
        if (!record.sound)
          this.#bad(
            `mailbox ${record.row.id.toHex()}: its keys, policy or readers don't fit their checksums`,
          );
        break;
      case "turn":
        this.#turn(record.turn);
        if (!record.sound) this.#bad(`${this.#name()}: turn ${record.turn.turn} doesn't fit its checksum`);
        break;
      case "receipt":
        this.#receipt(record.receipt.reader.toHex(), record.sound);
        break;
      case "entry":
        this.#entry(record.entry);
        if (!record.sound)
          this.#bad(`${this.#name()}: entry ${record.entry.seq}: slot or taker don't fit their checksum`);
        break;
      default:
        this.#bad(record.what);
    }
  }

  #name(): string {
    return this.#open?.name ?? "before the first mailbox";
  }

  #begin(row: MailboxRow): void {
    this.#open = {
      row,
      name: `mailbox ${row.id.toHex()}`,
      tree: { peaks: [], size: 0 },
      next: 0,
      turns: 0,
      receipts: new Set(),
      lastTurn: null,
      held: 0,
      bytes: 0,
      lowest: null,
    };
    for (const reader of row.readers) {
      if (reader.cursor > row.size + 1)
        this.#bad(`${this.#name()}: reader ${reader.key.toHex()} is past the end`);
    }
  }

  #turn(turn: TurnRow): void {
    const open = this.#open;
    if (open === null) return this.#bad("a turn comes before its mailbox");
    if (turn.turn < open.turns) this.#bad(`${open.name}: turn ${turn.turn} comes again`);
    else if (turn.turn > open.turns) this.#bad(`${open.name}: turn ${open.turns} is missing`);
    open.turns = turn.turn + 1;
    open.lastTurn = turn;
  }

  #receipt(reader: string, isSound: boolean): void {
    const name = `${this.#name()}: the receipt of reader ${reader}`;
    if (!isSound) this.#bad(`${name} doesn't fit its checksum`);
    if (this.#open?.receipts.has(reader) === true) this.#bad(`${name} comes again`);
    this.#open?.receipts.add(reader);
  }

  #entry(entry: KeptEntry): void {
    const open = this.#open;
    if (open === null || !sameHash(open.row.id, entry.mailbox)) {
      return this.#bad(`${this.#name()}: entry ${entry.seq} of another mailbox`);
    }
    const name = `${open.name}: entry ${entry.seq}`;
    if (entry.seq < open.next) {
      this.#bad(`${name} comes again, after entry ${open.next - 1}`);
    } else if (entry.seq > open.next) {
      this.#bad(`${open.name}: entries ${open.next} to ${entry.seq - 1} are missing`);
    }
    open.next = entry.seq + 1;
    const leaf = entryLeaf(digest, entry);
    if (!sameHash(leaf, entry.leaf)) this.#bad(`${name}: what it says doesn't hash to its leaf`);
    const nodes = append(digest, open.tree, leaf);
    const fits =
      nodes.length === entry.nodes.length &&
      nodes.every((node, at) => sameHash(node, entry.nodes[at] ?? node.subarray(0, 0)));
    if (!fits) this.#bad(`${name}: its tree nodes don't follow from the leaves`);
    if (entry.entry === null) {
      // Of a body that is there, the leaf says how long it is.
      if (!isSizeClass(entry.bytes)) this.#bad(`${name}: no entry has ${entry.bytes} bytes`);
      return;
    }
    open.held += 1;
    open.bytes += entry.bytes;
    open.lowest ??= entry.seq;
    if (entry.entry.length !== entry.bytes)
      this.#bad(`${name}: its body has ${entry.entry.length} bytes, not ${entry.bytes}`);
    if (!sameHash(digest.sha256(entry.entry), entry.entryHash))
      this.#bad(`${name}: its body doesn't hash to what its leaf says`);
  }

  #close(): void {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    const { row, name, tree } = open;
    // Of a deleted mailbox a sweep leaves the row alone, whose floor went up to its end.
    if (row.deleted && row.floor !== row.size)
      this.#bad(`${name}: it was deleted at ${row.size} entries, but its floor is ${row.floor}`);
    if (row.deleted) return;
    this.#mailboxes += 1;
    this.#entries += open.held;
    this.#bytes += open.bytes;
    if (open.next !== row.size)
      this.#bad(`${name}: it has ${open.next} entries, but its size is ${row.size}`);
    const head =
      row.peaks.length === tree.peaks.length &&
      row.peaks.every((peak, at) => sameHash(peak, tree.peaks[at] ?? peak.subarray(0, 0)));
    if (!head) this.#bad(`${name}: its head doesn't follow from its entries`);
    if (open.held !== row.entriesHeld || open.bytes !== row.bytesHeld) {
      this.#bad(
        `${name}: it holds ${open.held} bodies of ${open.bytes} bytes, but counts ${row.entriesHeld} of ${row.bytesHeld}`,
      );
    }
    if ((open.lowest ?? row.size) !== row.floor) {
      this.#bad(
        `${name}: its floor is ${row.floor}, but its first body is that of entry ${open.lowest ?? "none"}`,
      );
    }
    if (
      open.turns !== row.turn + 1 ||
      open.lastTurn === null ||
      !sameHash(open.lastTurn.writer, row.writer)
    ) {
      this.#bad(`${name}: its turns don't lead to turn ${row.turn} and its writer`);
    }
  }

  /** The first damage found by now; null where all was sound. */
  get first(): string | null {
    return this.#damage[0] ?? null;
  }

  /** What was found, once all records were taken. */
  finish(): Checked {
    this.#close();
    return { mailboxes: this.#mailboxes, entries: this.#entries, bytes: this.#bytes, damage: this.#damage };
  }
}
