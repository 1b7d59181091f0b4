/** A source, an outlet and a setup for delivery's tests: they answer and open when the test says so. */
import { entryId, hash, mailboxId, type MailboxId, publicKey, type PublicKey } from "../ground/mod.ts";
import type { MailboxRow, ReadRange, StoredEntry } from "../mailbox/mod.ts";
import { Delivery } from "./delivery.ts";
import type { Ending, Outlet } from "./port.ts";
import type { DeliveryStream } from "./stream.ts";

export const READER = publicKey(new Uint8Array(32).fill(7));
export const OTHER = publicKey(new Uint8Array(32).fill(8));
export const id = (n: number): MailboxId => mailboxId(new Uint8Array(32).fill(n));

export function entry(seq: number, bytes = 1024): StoredEntry {
  return {
    seq,
    id: entryId(new Uint8Array(16).fill(seq)),
    generation: 1,
    turn: 0,
    kind: "plain",
    slot: 0,
    timeMs: 0,
    expiryMs: 0,
    entryHash: hash(new Uint8Array(32)),
    leaf: hash(new Uint8Array(32)),
    takenBy: null,
    entry: new Uint8Array(bytes).fill(seq),
  };
}

/** A source that answers when the test says so, from logs that the test appends to. */
export class Source {
  readonly logs = new Map<string, StoredEntry[]>();
  readonly rows = new Map<string, Partial<MailboxRow>>();
  /** Of every mailbox. */
  readonly readers = [READER];
  readonly reads: { id: string; range: ReadRange }[] = [];
  readonly #held: (() => void)[] = [];
  hold = false;
  failing = false;

  log(mailbox: MailboxId): StoredEntry[] {
    const known = this.logs.get(mailbox.toHex());
    if (known !== undefined) return known;
    const fresh: StoredEntry[] = [];
    this.logs.set(mailbox.toHex(), fresh);
    return fresh;
  }

  row(mailbox: MailboxId): MailboxRow {
    const size = this.log(mailbox).length;
    return {
      id: mailbox,
      generation: 1,
      term: 1,
      owner: OTHER,
      writer: OTHER,
      policy: { entriesMax: 1, bytesMax: 1, ttlMs: 1, retentionMs: 0 },
      size,
      peaks: [],
      turn: 0,
      version: 0,
      floor: 0,
      entriesHeld: size,
      bytesHeld: 0,
      createdMs: 0,
      deleted: false,
      readers: this.readers.map((key) => ({ key, cursor: 0, lapsed: false })),
      started: null,
      ...this.rows.get(mailbox.toHex()),
    };
  }

  async mailbox(mailbox: MailboxId): Promise<MailboxRow> {
    await this.#wait();
    if (this.failing) throw new Error("disk on fire");
    return this.row(mailbox);
  }

  async read(mailbox: MailboxId, range: ReadRange): Promise<StoredEntry[]> {
    this.reads.push({ id: mailbox.toHex(), range });
    await this.#wait();
    const found: StoredEntry[] = [];
    let bytes = 0;
    for (const each of this.log(mailbox).slice(range.from, range.from + range.entriesMax)) {
      bytes += each.entry?.length ?? 0;
      if (found.length > 0 && bytes > range.bytesMax) break;
      found.push(each);
    }
    return found;
  }

  /** Lets one held call go on; false where none waits. */
  async step(): Promise<boolean> {
    const next = this.#held.shift();
    next?.();
    for (let i = 0; i < 8; i += 1) await Promise.resolve();
    return next !== undefined;
  }

  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; idle += (await this.step()) ? 0 : 1);
  }

  #wait(): Promise<void> {
    return this.hold ? new Promise((resolve) => this.#held.push(resolve)) : Promise.resolve();
  }
}

/** Records what a stream was sent. */
export class Recorder implements Outlet {
  open = true;
  /** Entries after which the window is shut; the test opens it again. */
  windowEntries = Number.POSITIVE_INFINITY;
  readonly sent: string[] = [];
  readonly endings: Ending[] = [];

  entry(request: number, each: StoredEntry): void {
    if (!this.open) throw new Error("written to a shut outlet");
    this.sent.push(`${request}:${each.seq}`);
    this.windowEntries -= 1;
    if (this.windowEntries <= 0) this.open = false;
  }

  live(request: number, row: MailboxRow): void {
    this.sent.push(`${request}:live@${row.size}`);
  }

  ended(request: number, ending: Ending): void {
    this.sent.push(`${request}:ended`);
    this.endings.push(ending);
  }
}

export interface Setup {
  readonly source: Source;
  readonly delivery: Delivery;
  readonly outlet: Recorder;
  readonly stream: DeliveryStream;
  readonly delivered: { bytes: number; errors: unknown[] };
}

export function setup(): Setup {
  const source = new Source();
  const delivered = { bytes: 0, errors: [] as unknown[] };
  const delivery = new Delivery({
    source,
    events: {
      delivered: (bytes) => (delivered.bytes += bytes),
      subscribed: () => undefined,
      error: (error) => delivered.errors.push(error),
    },
  });
  const outlet = new Recorder();
  return { source, delivery, outlet, stream: delivery.stream(outlet), delivered };
}

export function subscribe(
  { source, stream }: Setup,
  mailbox: MailboxId,
  options: { request?: number; from?: number; reader?: PublicKey } = {},
): boolean {
  const { request = 1, from = 0, reader = READER } = options;
  return stream.subscribe({ request, mailbox, reader, from, row: source.row(mailbox) });
}

/** One more reader of every mailbox. */
export function anotherReader({ source }: Setup): PublicKey {
  const key = new Uint8Array(32).fill(9);
  new DataView(key.buffer).setUint32(0, source.readers.length);
  source.readers.push(publicKey(key));
  return publicKey(key);
}

export function append({ source, delivery }: Setup, mailbox: MailboxId, bytes?: number): void {
  const log = source.log(mailbox);
  const fresh = entry(log.length, bytes);
  log.push(fresh);
  delivery.committed(mailbox, fresh);
}
