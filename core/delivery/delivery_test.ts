import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { entryId, hash, limit, mailboxId, publicKey, type MailboxId } from "../ground/mod.ts";
import type { MailboxRow, ReadRange, StoredEntry } from "../mailbox/mod.ts";
import { Delivery } from "./delivery.ts";
import type { Ending, Outlet } from "./port.ts";
import type { DeliveryStream } from "./stream.ts";

const READER = publicKey(new Uint8Array(32).fill(7));
const OTHER = publicKey(new Uint8Array(32).fill(8));
const id = (n: number): MailboxId => mailboxId(new Uint8Array(32).fill(n));

function entry(seq: number, bytes = 1024): StoredEntry {
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
class Source {
  readonly logs = new Map<string, StoredEntry[]>();
  readonly rows = new Map<string, Partial<MailboxRow>>();
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
      readers: [{ key: READER, cursor: 0, lapsed: false }],
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
class Recorder implements Outlet {
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

interface Setup {
  readonly source: Source;
  readonly delivery: Delivery;
  readonly outlet: Recorder;
  readonly stream: DeliveryStream;
  readonly delivered: { bytes: number; errors: unknown[] };
}

function setup(): Setup {
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

function subscribe(
  { source, stream }: Setup,
  mailbox: MailboxId,
  options: { request?: number; from?: number } = {},
): boolean {
  const { request = 1, from = 0 } = options;
  return stream.subscribe({ request, mailbox, reader: READER, from, row: source.row(mailbox) });
}

function append({ source, delivery }: Setup, mailbox: MailboxId, bytes?: number): void {
  const log = source.log(mailbox);
  const fresh = entry(log.length, bytes);
  log.push(fresh);
  delivery.committed(mailbox, fresh);
}

describe("Delivery", () => {
  test("replays what is stored, says live once with the head, then pushes from memory", async () => {
    const all = setup();
    for (let i = 0; i < 3; i += 1) append(all, id(1));
    all.stream.credit(1 << 20);
    subscribe(all, id(1));
    await all.source.settle();
    append(all, id(1));
    expect(all.outlet.sent).toEqual(["1:0", "1:1", "1:2", "1:live@3", "1:3"]);
    expect(all.source.reads).toHaveLength(1);
    expect(all.delivered.bytes).toBe(4 * 1024);
  });

  test("an empty mailbox is live at once and needs no credit to say so", () => {
    const all = setup();
    subscribe(all, id(1));
    expect(all.outlet.sent).toEqual(["1:live@0"]);
  });

  test("sends no entry without credit for all of it, and goes on when credit comes", async () => {
    const all = setup();
    append(all, id(1), 4096);
    all.stream.credit(4095);
    subscribe(all, id(1));
    await all.source.settle();
    expect(all.outlet.sent).toEqual([]);
    all.stream.credit(1);
    await all.source.settle();
    expect(all.outlet.sent).toEqual(["1:0", "1:live@1"]);
    expect(all.stream.creditBytes).toBe(0);
  });

  test("refuses credit past CREDIT_BYTES_MAX", () => {
    const { stream } = setup();
    expect(stream.credit(limit.CREDIT_BYTES_MAX)).toBe(true);
    expect(stream.credit(1)).toBe(false);
  });

  test("serves many mailboxes in turn, none more than DELIVERY_TURN_BYTES at a time", async () => {
    const all = setup();
    const perTurn = limit.DELIVERY_TURN_BYTES / 65_536;
    for (const mailbox of [id(1), id(2)]) {
      for (let i = 0; i < 2 * perTurn; i += 1) append(all, mailbox, 65_536);
    }
    subscribe(all, id(1), { request: 1 });
    subscribe(all, id(2), { request: 2 });
    all.stream.credit(1 << 23);
    await all.source.settle();
    const order = all.outlet.sent.filter((each) => !each.includes("live")).map((each) => each.split(":")[0]);
    const turn = (request: string): string[] => Array.from({ length: perTurn }, () => request);
    expect(order).toEqual([...turn("1"), ...turn("2"), ...turn("1"), ...turn("2")]);
  });

  test("a shut window holds a position and reads nothing until it opens", async () => {
    const all = setup();
    all.stream.credit(1 << 20);
    subscribe(all, id(1));
    all.outlet.windowEntries = 2;
    for (let i = 0; i < 50; i += 1) append(all, id(1));
    await all.source.settle();
    expect(all.outlet.sent).toEqual(["1:live@0", "1:0", "1:1"]);
    expect(all.source.reads).toHaveLength(0);
    all.outlet.open = true;
    all.outlet.windowEntries = Number.POSITIVE_INFINITY;
    all.stream.writable();
    await all.source.settle();
    expect(all.outlet.sent).toHaveLength(51);
  });

  test("an entry committed while a replay reads comes once, after it", async () => {
    const all = setup();
    append(all, id(1));
    all.stream.credit(1 << 20);
    all.source.hold = true;
    subscribe(all, id(1));
    append(all, id(1));
    await all.source.step();
    append(all, id(1));
    await all.source.settle();
    const entries = all.outlet.sent.filter((each) => !each.includes("live"));
    expect(entries).toEqual(["1:0", "1:1", "1:2"]);
    expect(all.outlet.sent.filter((each) => each.includes("live"))).toHaveLength(1);
  });

  test("removed() ends a reader's subscription even while the store reads for it", async () => {
    const all = setup();
    append(all, id(1));
    all.stream.credit(1 << 20);
    all.source.hold = true;
    subscribe(all, id(1));
    await all.source.step();
    all.delivery.removed(id(1), [READER]);
    await all.source.settle();
    expect(all.outlet.sent).toEqual(["1:ended"]);
    expect(all.delivery.subscriptions).toBe(0);
  });

  test("changed() ends whom the row no longer names, and a new generation ends all", () => {
    const all = setup();
    subscribe(all, id(1));
    all.delivery.changed(all.source.row(id(1)));
    expect(all.outlet.endings).toEqual([]);
    all.delivery.changed({ ...all.source.row(id(1)), readers: [] });
    expect(all.outlet.endings).toEqual([{ is: "refused", refusal: { code: "denied" } }]);
    subscribe(all, id(1), { request: 2 });
    all.delivery.changed({ ...all.source.row(id(1)), generation: 2 });
    expect(all.outlet.endings[1]?.is).toBe("generation");
  });

  test("deleted() ends with the same answer as a mailbox that never was", () => {
    const all = setup();
    subscribe(all, id(1));
    all.delivery.deleted(id(1));
    expect(all.outlet.endings).toEqual([{ is: "refused", refusal: { code: "denied" } }]);
  });

  test("a reader that lapsed while behind is told so", async () => {
    const all = setup();
    append(all, id(1));
    subscribe(all, id(1));
    all.source.rows.set(id(1).toHex(), {
      floor: 5,
      readers: [{ key: READER, cursor: 0, lapsed: true }],
    });
    all.stream.credit(1 << 20);
    await all.source.settle();
    expect(all.outlet.endings).toEqual([{ is: "refused", refusal: { code: "lapsed", floor: 5 } }]);
  });

  test("a reader that lapsed is served from the floor on", async () => {
    const all = setup();
    append(all, id(1));
    subscribe(all, id(1));
    all.source.rows.set(id(1).toHex(), { floor: 0, readers: [{ key: READER, cursor: 0, lapsed: true }] });
    all.stream.credit(1 << 20);
    await all.source.settle();
    expect(all.outlet.endings).toEqual([]);
    expect(all.outlet.sent).toContain("1:0");
  });

  test("a store that fails ends the subscription as unavailable and reports the error", async () => {
    const all = setup();
    append(all, id(1));
    subscribe(all, id(1));
    all.source.failing = true;
    all.stream.credit(1 << 20);
    await all.source.settle();
    expect(all.outlet.endings[0]).toMatchObject({ refusal: { code: "unavailable" } });
    expect(all.delivered.errors).toHaveLength(1);
  });

  test("a store that lost an entry is an error, not a silent stall", async () => {
    const all = setup();
    append(all, id(1));
    all.source.log(id(1))[0] = entry(9);
    subscribe(all, id(1));
    all.stream.credit(1 << 20);
    await all.source.settle();
    expect(String(all.delivered.errors[0])).toContain("has none at 0");
  });

  test("close() and unsubscribe() leave nothing behind and write nothing more", async () => {
    const all = setup();
    all.stream.credit(1 << 20);
    subscribe(all, id(1), { request: 1 });
    subscribe(all, id(1), { request: 2 });
    all.stream.unsubscribe(1);
    append(all, id(1));
    all.stream.close();
    append(all, id(1));
    await all.source.settle();
    expect(all.outlet.sent).toEqual(["1:live@0", "2:live@0", "2:0"]);
    expect(all.delivery.subscriptions).toBe(0);
    expect(all.delivery.listens(id(1))).toBe(false);
  });

  test("a request id in use and more than SUBSCRIPTIONS_MAX are refused", () => {
    const all = setup();
    expect(subscribe(all, id(1), { request: 1 })).toBe(true);
    expect(subscribe(all, id(1), { request: 1 })).toBe(false);
    for (let request = 2; request <= limit.SUBSCRIPTIONS_MAX; request += 1)
      subscribe(all, id(1), { request });
    expect(subscribe(all, id(1), { request: 5000 })).toBe(false);
  });

  test("1,000 streams that come back together read at most DELIVERY_TURNS_MAX at once, and all are served", async () => {
    const all = setup();
    for (let i = 0; i < 4; i += 1) append(all, id(1));
    all.source.hold = true;
    const outlets = Array.from({ length: 1000 }, () => new Recorder());
    for (const outlet of outlets) {
      const stream = all.delivery.stream(outlet);
      stream.credit(1 << 20);
      stream.subscribe({ request: 1, mailbox: id(1), reader: READER, from: 0, row: all.source.row(id(1)) });
    }
    await all.source.step();
    await all.source.step();
    expect(all.source.reads.length).toBeLessThanOrEqual(limit.DELIVERY_TURNS_MAX);
    await all.source.settle();
    for (const outlet of outlets) expect(outlet.sent).toEqual(["1:0", "1:1", "1:2", "1:3", "1:live@4"]);
  });
});

type Step =
  | { readonly do: "append"; readonly mailbox: number; readonly bytes: number }
  | { readonly do: "credit"; readonly bytes: number }
  | { readonly do: "shut" | "open" | "step" }
  | { readonly do: "subscribe"; readonly mailbox: number; readonly back: number };

const aStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("append" as const),
    mailbox: fc.integer({ min: 1, max: 3 }),
    bytes: fc.constantFrom(0, 1024, 4096, 65_536),
  }),
  fc.record({ do: fc.constant("credit" as const), bytes: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ do: fc.constantFrom("shut" as const, "open" as const, "step" as const) }),
  fc.record({
    do: fc.constant("subscribe" as const),
    mailbox: fc.integer({ min: 1, max: 3 }),
    back: fc.integer({ min: 0, max: 5 }),
  }),
);

test("Delivery: whatever commits, credit, windows and slow reads do, each subscription gets every entry from its start, once, in order, and one live", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { maxLength: 80 }), async (steps) => {
      const all = setup();
      all.source.hold = true;
      const starts = new Map<number, { mailbox: number; from: number }>();
      let given = 0;
      for (const step of steps) {
        if (step.do === "append") append(all, id(step.mailbox), step.bytes);
        if (step.do === "credit" && all.stream.credit(step.bytes)) given += step.bytes;
        if (step.do === "shut") all.outlet.open = false;
        if (step.do === "open") all.outlet.open = true;
        if (step.do === "open") all.stream.writable();
        if (step.do === "step") await all.source.step();
        if (step.do === "subscribe") {
          const from = Math.max(0, all.source.log(id(step.mailbox)).length - step.back);
          const request = starts.size + 1;
          starts.set(request, { mailbox: step.mailbox, from });
          subscribe(all, id(step.mailbox), { request, from });
        }
        expect(all.delivered.bytes).toBeLessThanOrEqual(given);
      }
      all.outlet.open = true;
      all.stream.writable();
      for (let i = 0; i < 3; i += 1) {
        all.stream.credit(limit.CREDIT_BYTES_MAX - all.stream.creditBytes);
        await all.source.settle();
      }
      expect(all.delivered.errors).toEqual([]);
      for (const [request, { mailbox, from }] of starts) {
        const mine = all.outlet.sent.filter((each) => each.startsWith(`${request}:`));
        const size = all.source.log(id(mailbox)).length;
        const entries = mine.filter((each) => !each.includes("live"));
        expect(entries).toEqual(Array.from({ length: size - from }, (_, i) => `${request}:${from + i}`));
        const lives = mine.filter((each) => each.includes("live"));
        expect(lives).toHaveLength(1);
        // Its head is at exactly the position where it stands.
        const before = mine.slice(0, mine.indexOf(lives[0] ?? "")).length;
        expect(lives[0]).toBe(`${request}:live@${from + before}`);
      }
    }),
    { numRuns: 300 },
  );
});
