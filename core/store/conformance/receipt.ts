/** What readers have signed for: kept by every store, and given back as it came. */
import { expect, test } from "bun:test";
import { limit, type PublicKey } from "../../ground/mod.ts";
import type { MailboxStore, Receipt } from "../../mailbox/mod.ts";
import type { Subject } from "../conformance.ts";
import { key, NOW_MS, OPTIONS, Owner, plain } from "./data.ts";

/** The receipts of `readers`, by reader. */
async function receipts(
  store: MailboxStore,
  { mailbox, readers }: { mailbox: Owner["mailbox"]; readers: readonly PublicKey[] },
): Promise<ReadonlyMap<string, Receipt>> {
  const found = await store.receipts(mailbox, readers);
  expect(new Set(found.map(({ reader }) => reader.toHex())).size).toBe(found.length);
  return new Map(found.map((receipt) => [receipt.reader.toHex(), receipt]));
}

/** Declares the tests of `receipts`. */
export function receiptConformance(subject: () => Subject, store: () => MailboxStore): void {
  test("receipts() gives each reader's furthest acknowledgement as it was signed, after opening again too", async () => {
    const owner = new Owner({ readers: 3 });
    const [a = key(), b = key(), c = key()] = owner.readers;
    await store().commit([owner.create(), owner.append(), owner.append(), owner.append()], OPTIONS);
    await store().commit([owner.acknowledge(a, 1), owner.acknowledge(b, 2)], OPTIONS);
    const last = owner.acknowledge(a, 3, NOW_MS + 1);
    await store().commit([last, owner.acknowledge(a, 2)], OPTIONS);
    const found = await receipts(store(), owner);
    expect([...found.keys()].toSorted()).toEqual([a.toHex(), b.toHex()].toSorted());
    const { mailbox, generation, notAfterMs, signature } = last.authority;
    const expected = { mailbox, generation, reader: a, cursor: 3, notAfterMs, signature };
    expect(plain(found.get(a.toHex()))).toEqual(plain(expected));
    expect(found.get(b.toHex())?.cursor).toBe(2);
    await using other = await subject().open();
    expect(plain([...(await receipts(other, owner))])).toEqual(plain([...found]));
    expect((await receipts(store(), { mailbox: owner.mailbox, readers: [c, key()] })).size).toBe(0);
    expect((await receipts(store(), { mailbox: owner.mailbox, readers: [] })).size).toBe(0);
  });

  test("receipts() gives those of a mailbox alone, and none of one that was deleted or never was", async () => {
    const [one, other] = [new Owner({ readers: 2 }), new Owner()];
    const [a = key()] = one.readers;
    await store().commit([one.create(), one.append(), other.create()], OPTIONS);
    await store().commit([one.acknowledge(a, 1)], OPTIONS);
    expect((await receipts(store(), { mailbox: other.mailbox, readers: one.readers })).size).toBe(0);
    await store().commit([one.command(one.owner, { op: "delete" })], OPTIONS);
    for (const { mailbox } of [one, new Owner()]) {
      expect((await receipts(store(), { mailbox, readers: one.readers })).size).toBe(0);
    }
  });

  test("receipts() leaves out one that was damaged, which would pass for a forgery", async () => {
    const owner = new Owner({ readers: 2 });
    const [a = key(), b = key()] = owner.readers;
    await store().commit([owner.create(), owner.append(), owner.append()], OPTIONS);
    await store().commit([owner.acknowledge(a, 1), owner.acknowledge(b, 1)], OPTIONS);
    await subject().setReceipt(a, 2);
    expect([...(await receipts(store(), owner)).keys()]).toEqual([b.toHex()]);
  });

  test("receipts() finds those of as many readers as one answer tells", async () => {
    const owner = new Owner({ readers: limit.RECEIPTS_MAX });
    await store().commit([owner.create(), owner.append()], OPTIONS);
    for (const at of [0, 256]) {
      const some = owner.readers.slice(at, at + 256);
      await store().commit(
        some.map((reader) => owner.acknowledge(reader, 1)),
        OPTIONS,
      );
    }
    expect((await receipts(store(), owner)).size).toBe(limit.RECEIPTS_MAX);
  });
}
