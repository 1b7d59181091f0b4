import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { entryId, limit, mailboxId, publicKey, signature } from "../../ground/mod.ts";
import type { Command, CommandBody } from "../../wire/mod.ts";
import { CommandRates, newBuckets, type Overdrawn, type Rates } from "./rate.ts";

const BURST_S = limit.RATE_BURST_MS / 1000;
const wide: Rates = { creates: 1e6, appends: 1e6, appendBytes: 0, reads: 1e6, subscribes: 1e6 };

/** Bytes like random ones, the same in each run. */
function seeded(seed: number): (length: number) => Uint8Array {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    });
}

/** 32 bytes that begin with `of`. */
function named(of: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, of);
  return bytes;
}

function command(body: CommandBody, who: { mailbox?: number; key?: number } = {}): Command {
  const authority = {
    mailbox: mailboxId(named(who.mailbox ?? 0)),
    generation: 1,
    notAfterMs: 0,
    key: publicKey(named(who.key ?? 0)),
    signature: signature(new Uint8Array(64)),
  };
  return { authority, body, statement: new Uint8Array(160), entryHash: null };
}

const describing: CommandBody = { op: "describe" };

function append(bytes: number): CommandBody {
  const id = entryId(new Uint8Array(16));
  return { op: "append", id, turn: 0, kind: "plain", slot: 0, change: null, entry: new Uint8Array(bytes) };
}

/** The textbook's bucket: tokens that come back, up to a burst. */
class Textbook {
  #tokens: number;
  #atMs = 0;
  readonly #perSecond: number;
  readonly #burst: number;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#burst = perSecond * BURST_S;
    this.#tokens = this.#burst;
  }

  held(nowMs: number): number {
    return Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
  }

  take(nowMs: number): void {
    this.#tokens = this.held(nowMs) - 1;
    this.#atMs = nowMs;
  }
}

type Ask = (rates: CommandRates) => (command: Command, nowMs: number) => Overdrawn | null;
const places: readonly (readonly [string, Ask])[] = [
  [
    "ofConnection",
    (rates) => {
      const buckets = newBuckets();
      return (one, nowMs) => rates.ofConnection(buckets, one, nowMs);
    },
  ],
  ["ofSigner", (rates) => (one, nowMs) => rates.ofSigner(one, nowMs)],
];

describe.each(places)("CommandRates.%s()", (_, asker) => {
  test("lets no more through in any time t than rate * (t + burst), and refuses nothing that a bucket holds", () => {
    const gaps = fc.array(fc.oneof(fc.constant(0), fc.nat(40), fc.nat(6000)), { maxLength: 300 });
    const property = fc.property(gaps, fc.integer({ min: 1, max: 50 }), (waits, perSecond) => {
      const ask = asker(new CommandRates({ ...wide, reads: perSecond }, seeded(1)));
      const book = new Textbook(perSecond);
      const taken: number[] = [];
      let now = 1_000_000_000;
      for (const wait of waits) {
        now += wait;
        const held = book.held(now);
        const isTaken = ask(command(describing), now) === null;
        // Where the bucket holds one exactly, the textbook's own rounding may say either.
        if (Math.abs(held - 1) > 1e-6) expect(isTaken).toBe(held > 1);
        if (!isTaken) continue;
        taken.push(now);
        book.take(now);
      }
      taken.forEach((from, first) => {
        taken.slice(first).forEach((to, more) => {
          expect(more + 1).toBeLessThanOrEqual(perSecond * ((to - from) / 1000 + BURST_S) + 1e-6);
        });
      });
    });
    fc.assert(property, { numRuns: 100 });
  });

  test("lets a whole burst of one moment through, at whatever fraction of a millisecond it comes", () => {
    const moments = fc.double({ min: 0, max: 1e10, noNaN: true });
    const property = fc.property(moments, fc.integer({ min: 1, max: 200 }), (now, perSecond) => {
      const ask = asker(new CommandRates({ ...wide, reads: perSecond }, seeded(8)));
      for (let at = 0; at < perSecond * BURST_S; at++) expect(ask(command(describing), now)).toBeNull();
      expect(ask(command(describing), now)).not.toBeNull();
    });
    fc.assert(property, { numRuns: 100 });
  });

  test("says when to come again: not before, and then it is let through", () => {
    const property = fc.property(fc.integer({ min: 1, max: 2000 }), fc.nat(10_000), (perSecond, startMs) => {
      const ask = asker(new CommandRates({ ...wide, reads: perSecond }, seeded(2)));
      let over = ask(command(describing), startMs);
      while (over === null) over = ask(command(describing), startMs);
      expect(over.limit).toMatch(/^(CONNECTION|MAILBOX)_READS_PER_SECOND_MAX$/);
      expect(over.retryMs).toBeLessThanOrEqual(1000 / perSecond + 1);
      if (over.retryMs > 2) expect(ask(command(describing), startMs + over.retryMs - 2)).not.toBeNull();
      expect(ask(command(describing), startMs + over.retryMs)).toBeNull();
    });
    fc.assert(property, { numRuns: 50 });
  });

  test("counts appends and their bytes; what one of the two refuses costs neither", () => {
    const ask = asker(new CommandRates({ ...wide, appends: 10, appendBytes: 65_536 }, seeded(3)));
    for (let at = 0; at < BURST_S; at++) expect(ask(command(append(65_536)), 0)).toBeNull();
    const over = ask(command(append(65_536)), 0);
    expect(over).toMatchObject({ limit: expect.stringMatching(/_APPEND_BYTES_/), retryMs: 1001 });
    for (let at = 0; at < 1000; at++) ask(command(append(65_536)), 0);
    // Ten seconds later there are bytes again, and none of the thousand has cost a token.
    for (let at = 0; at < 10 * BURST_S; at++) expect(ask(command(append(1024)), 10_000)).toBeNull();
    expect(ask(command(append(1024)), 10_000)).toMatchObject({
      limit: expect.stringMatching(/_APPENDS_/),
    });
  });

  test("keeps actions apart, and takes new rates from the next command on", () => {
    const rates = new CommandRates({ ...wide, reads: 1 }, seeded(4));
    const ask = asker(rates);
    while (ask(command(describing), 0) === null);
    expect(ask(command({ op: "subscribe", from: 0 }), 0)).toBeNull();
    expect(ask(command({ op: "delete" }), 0)).toBeNull();
    expect(ask(command(append(1024)), 0)).toBeNull();
    expect(ask(command(describing), 500)).not.toBeNull();
    rates.set({ ...wide, reads: 1000 });
    expect(ask(command(describing), 500)).toBeNull();
  });
});

describe("CommandRates.ofSigner()", () => {
  const slow: Rates = { ...wide, reads: 10 };

  test("a crowd of other mailboxes and keys resets no bucket, and memory doesn't grow with them", () => {
    const rates = new CommandRates(slow, seeded(5));
    const before = rates.tableBytes;
    const flooder = command(describing, { mailbox: 1, key: 1 });
    while (rates.ofSigner(flooder, 0) === null);
    for (let at = 2; at < 200_000; at++) {
      rates.ofSigner(command(describing, { mailbox: at, key: at }), 1);
    }
    expect(rates.ofSigner(flooder, 1)).not.toBeNull();
    expect(rates.tableBytes).toBe(before);
    expect(before).toBeLessThan(3 * 1024 * 1024);
  });

  test("keys over their rate hold hardly anybody else up", () => {
    const rates = new CommandRates(slow, seeded(6));
    for (let at = 0; at < 1000; at++) {
      const flooder = command(describing, { mailbox: at, key: at });
      while (rates.ofSigner(flooder, 0) === null);
    }
    let heldUp = 0;
    for (let at = 1000; at < 21_000; at++) {
      if (rates.ofSigner(command(describing, { mailbox: at, key: at }), 0) !== null) heldUp++;
    }
    // Expected are 20,000 * (1,000 / 32,768)^2, which is 19, and a little for what the 20,000 take themselves.
    expect(heldUp).toBeLessThan(60);
  });

  test("a key uses up neither another key's bucket of the same mailbox nor its own of another mailbox", () => {
    const rates = new CommandRates(slow, seeded(7));
    while (rates.ofSigner(command(describing, { mailbox: 1, key: 1 }), 0) === null);
    expect(rates.ofSigner(command(describing, { mailbox: 1, key: 2 }), 0)).toBeNull();
    expect(rates.ofSigner(command(describing, { mailbox: 2, key: 1 }), 0)).toBeNull();
  });
});
