import { describe, expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { anotherReader, append, entry, id, OTHER, READER, Recorder, setup, subscribe } from "./_double.ts";
import type { Subscription } from "./subscription.ts";

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

  test("doubtful() brings all that was committed unseen, to those alone who lack the entry", async () => {
    const all = setup();
    all.stream.credit(1 << 20);
    subscribe(all, id(1));
    append(all, id(1));
    all.delivery.doubtful(id(1), 0);
    expect(all.source.reads).toEqual([]);
    const unseen = limit.DELIVERY_TURN_ENTRIES_MAX * 2;
    for (let seq = 1; seq <= unseen; seq += 1) all.source.log(id(1)).push(entry(seq, 1));
    all.delivery.doubtful(id(1), 1);
    await all.source.settle();
    expect(all.outlet.sent.at(-1)).toBe(`1:${unseen}`);
    expect(all.outlet.sent).toHaveLength(unseen + 2);
  });

  test("close() and unsubscribe() leave nothing behind and write nothing more", async () => {
    const all = setup();
    all.stream.credit(1 << 20);
    subscribe(all, id(1), { request: 1 });
    subscribe(all, id(1), { request: 2, reader: anotherReader(all) });
    all.stream.unsubscribe(1);
    append(all, id(1));
    all.stream.close();
    append(all, id(1));
    await all.source.settle();
    expect(all.outlet.sent).toEqual(["1:live@0", "2:live@0", "2:0"]);
    expect(all.delivery.subscriptions).toBe(0);
    expect(all.delivery.listens(id(1))).toBe(false);
  });

  test("a subscription that was given up while it stood in line is forgotten, though nothing moves", async () => {
    const all = setup();
    append(all, id(1));
    subscribe(all, id(1), { request: 1 });
    const made: WeakRef<Subscription>[] = [];
    const add = all.delivery.add.bind(all.delivery);
    all.delivery.add = (subscription) => {
      made.push(new WeakRef(subscription));
      add(subscription);
    };
    for (let times = 0; times < 1000; times += 1) {
      expect(subscribe(all, id(1), { request: 2, reader: OTHER })).toBe(true);
      all.stream.unsubscribe(2);
    }
    // A weak reference holds on until the turn in which it was made is over.
    await Bun.sleep(1);
    Bun.gc(true);
    expect(made.filter((each) => each.deref() !== undefined).length).toBeLessThan(100);
    expect(all.delivery.subscriptions).toBe(1);
  });

  test("a request id in use and more than SUBSCRIPTIONS_MAX are refused", () => {
    const all = setup();
    expect(subscribe(all, id(1), { request: 1 })).toBe(true);
    expect(subscribe(all, id(1), { request: 1 })).toBe(false);
    for (let request = 2; request <= limit.SUBSCRIPTIONS_MAX; request += 1) {
      expect(subscribe(all, id(1), { request, reader: anotherReader(all) })).toBe(true);
    }
    expect(subscribe(all, id(1), { request: 5000, reader: anotherReader(all) })).toBe(false);
  });

  test("a second subscription of one reader to one mailbox is refused, and taken once the first is over", () => {
    const all = setup();
    expect(subscribe(all, id(1), { request: 1 })).toBe(true);
    expect(subscribe(all, id(1), { request: 2 })).toBe(false);
    expect(subscribe(all, id(2), { request: 3 })).toBe(true);
    expect(subscribe(all, id(1), { request: 4, reader: anotherReader(all) })).toBe(true);
    expect(all.delivery.subscriptions).toBe(3);
    all.stream.unsubscribe(1);
    expect(subscribe(all, id(1), { request: 2 })).toBe(true);
    all.delivery.removed(id(1), [READER]);
    expect(subscribe(all, id(1), { request: 2 })).toBe(true);
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
