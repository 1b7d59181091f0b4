/** The mailbox protocol against a real relay process, on real sockets. */
import { describe, expect, test } from "bun:test";
import type { SigningKey } from "@dchat/crypto-wasm";
import type { CommandResult, ReadResult, SubscriptionSink } from "../../core/client/mod.ts";
import { entryId, hash, limit, publicKey } from "../../core/ground/mod.ts";
import { verifyReceipt } from "../../core/mailbox/mod.ts";
import { leafHash, verifyConsistency, verifyInclusion } from "../../core/merkle/mod.ts";
import { leafBytes } from "../../core/wire/mod.ts";
import { create, newMailbox, plain, type TestMailbox } from "../harness/device.ts";
import { openRig } from "../harness/rig.ts";

const { relay, devices } = await openRig({ ws: true });
const device = await devices.connect(relay.address);

async function freshBox(options: { readers?: number } = {}): Promise<TestMailbox> {
  const box = newMailbox(devices.crypto, { relay: device.session.relay, ...options });
  await create(device, box);
  return box;
}

function readerOf(box: TestMailbox, at = 0): SigningKey {
  const reader = box.readers[at];
  if (reader === undefined) throw new Error(`the mailbox has no reader ${at}`);
  return reader;
}

async function append(box: TestMailbox, count: number, turn = 0): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const result = await device.session.command(plain(devices.crypto, { turn }), { ...box, key: box.writer });
    expect(result.is).toBe("appended");
  }
}

async function readAll(box: TestMailbox, key = readerOf(box)): Promise<Extract<ReadResult, { is: "read" }>> {
  const result = await device.session.read({ from: 0, bytesMax: limit.READ_BYTES_MAX }, { ...box, key });
  if (result.is !== "read") throw new Error(JSON.stringify(result));
  return result;
}

function refusal(result: CommandResult | ReadResult): string {
  return result.is === "refused" ? result.refusal.code : result.is;
}

describe("a relay process, by the mailbox protocol", () => {
  test("keeps what it promises and gives it to a reader as it came", async () => {
    const box = await freshBox();
    const sent = limit.ENTRY_SIZE_CLASSES_BYTES.map((bytes) => plain(devices.crypto, { bytes }));
    const promised: string[] = [];
    const keptUntilMs: number[] = [];
    for (const body of sent) {
      const result = await device.session.command(body, { ...box, key: box.writer });
      if (result.is !== "appended") throw new Error(JSON.stringify(result));
      promised.push(result.promise.leaf.toHex());
      keptUntilMs.push(result.promise.keptUntilMs);
    }
    const read = await readAll(box);
    expect(read.entries.map(({ entry }) => entry)).toEqual(sent.map(({ entry }) => entry));
    expect(read.entries.map(({ leaf }) => leafHash(devices.crypto.hash, leafBytes(leaf)).toHex())).toEqual(
      promised,
    );
    expect(read.entries.map(({ leaf }) => leaf.expiryMs)).toEqual(keptUntilMs);
    expect(read).toMatchObject({ next: sent.length, head: { size: sent.length, generation: 1 } });
  });

  test("the same id again gets the same promise and appends nothing; another entry under it is refused", async () => {
    const box = await freshBox();
    const body = plain(devices.crypto);
    const signing = { ...box, key: box.writer };
    const first = await device.session.command(body, signing);
    const again = await device.session.command(body, signing);
    if (first.is !== "appended" || again.is !== "appended") throw new Error("not kept");
    expect(again.promise).toMatchObject({ seq: first.promise.seq, leaf: first.promise.leaf });
    expect(refusal(await device.session.command({ ...plain(devices.crypto), id: body.id }, signing))).toBe(
      "reused",
    );
    expect((await readAll(box)).next).toBe(1);
  });

  test("a control entry ends its turn: who comes after learns the winner, the new writer goes on", async () => {
    const box = await freshBox({ readers: 2 });
    const next = devices.crypto.ed25519.generate();
    const control = {
      ...plain(devices.crypto),
      kind: "control" as const,
      change: {
        writer: publicKey(next.publicKey),
        added: [],
        removed: [publicKey(readerOf(box, 1).publicKey)],
      },
    };
    await append(box, 2);
    expect(refusal(await device.session.command(control, { ...box, key: box.writer }))).toBe("appended");
    const late = await device.session.command(plain(devices.crypto), { ...box, key: box.writer });
    expect(late).toEqual({ is: "refused", refusal: { code: "turn", turn: 1, seq: 2 } });
    await append({ ...box, writer: next }, 1, 1);
    expect((await readAll(box)).next).toBe(4);
    const gone = await device.session.read({ from: 0, bytesMax: 1024 }, { ...box, key: readerOf(box, 1) });
    expect(refusal(gone)).toBe("denied");
  });

  test("describe, inclusion and consistency proofs agree with one another", async () => {
    const box = await freshBox();
    const signing = { ...box, key: readerOf(box) };
    await append(box, 5);
    const early = await device.session.command({ op: "describe" }, signing);
    await append(box, 6);
    const late = await device.session.command({ op: "describe" }, signing);
    if (early.is !== "described" || late.is !== "described") throw new Error("not described");
    expect(late).toMatchObject({ turn: 0, entriesHeld: 11, bytesHeld: 11 * 1024, started: null });
    const { entries } = await readAll(box);
    const third = entries[3];
    if (third === undefined) throw new Error("no entry 3");
    const included = await device.session.command({ op: "proveInclusion", seq: 3, size: 11 }, signing);
    const grown = await device.session.command({ op: "proveConsistency", from: 5, to: 11 }, signing);
    if (included.is !== "proof" || grown.is !== "proof") throw new Error("not proven");
    const { crypto } = devices;
    const leaf = leafHash(crypto.hash, leafBytes(third.leaf));
    const proof = included.path.map((each) => hash(each));
    const claim = { index: 3, size: 11, leaf, root: late.head.root, proof };
    expect(verifyInclusion(crypto.hash, claim)).toBe(true);
    const first = { first: 5, size: 11, firstRoot: early.head.root, root: late.head.root };
    expect(verifyConsistency(crypto.hash, { ...first, proof: grown.path.map((each) => hash(each)) })).toBe(
      true,
    );
    const beyond = await device.session.command({ op: "proveInclusion", seq: 3, size: 12 }, signing);
    expect(beyond).toEqual({ is: "refused", refusal: { code: "range", size: 11 } });
  });

  test("receipts are what the readers signed, for every reader to check, in pages by their keys", async () => {
    const box = await freshBox({ readers: limit.RECEIPTS_MAX + 2 });
    await append(box, 4);
    const keys = box.readers.toSorted((a, b) => (a.publicKey.toHex() < b.publicKey.toHex() ? -1 : 1));
    const [first, second, last] = [keys[0], keys[1], keys.at(-1)];
    if (first === undefined || second === undefined || last === undefined) throw new Error("no readers");
    for (const [key, cursor] of [
      [first, 2],
      [first, 3],
      [last, 4],
    ] as const) {
      await device.session.command({ op: "acknowledge", cursor }, { ...box, key });
    }
    const page = async (from: Uint8Array) => {
      const body = { op: "receipts", from: publicKey(from) } as const;
      const told = await device.session.command(body, { ...box, key: second });
      if (told.is !== "receipts") throw new Error(`got ${told.is}`);
      for (const receipt of told.receipts) {
        const whole = { ...receipt, mailbox: box.mailbox };
        expect(verifyReceipt(devices.crypto, whole, box.create.record.relay)).toBe(true);
      }
      return { told: told.receipts.map(({ reader, cursor }) => [reader.toHex(), cursor]), next: told.next };
    };
    const start = await page(new Uint8Array(32));
    const rest = keys.at(-2)?.publicKey ?? new Uint8Array(32);
    expect(start).toEqual({ told: [[first.publicKey.toHex(), 3]], next: publicKey(rest) });
    expect(await page(rest)).toEqual({ told: [[last.publicKey.toHex(), 4]], next: null });
    const body = { op: "receipts", from: publicKey(rest) } as const;
    const nowhere = newMailbox(devices.crypto, { relay: device.session.relay });
    for (const asked of [
      { ...box, key: box.owner },
      { ...box, key: box.writer },
      { ...nowhere, key: readerOf(nowhere) },
    ]) {
      expect(await device.session.command(body, asked)).toEqual({
        is: "refused",
        refusal: { code: "denied" },
      });
    }
  });

  test("acknowledgements only grow, and each is kept for its reader alone", async () => {
    const box = await freshBox({ readers: 2 });
    await append(box, 4);
    const first = { ...box, key: readerOf(box) };
    expect(await device.session.command({ op: "acknowledge", cursor: 3 }, first)).toMatchObject({
      cursor: 3,
    });
    expect(await device.session.command({ op: "acknowledge", cursor: 1 }, first)).toMatchObject({
      cursor: 3,
    });
    const described = await device.session.command({ op: "describe" }, first);
    if (described.is !== "described") throw new Error("not described");
    const cursors = new Map(described.readers.map(({ key, cursor }) => [key.toHex(), cursor]));
    expect(cursors.get(readerOf(box).publicKey.toHex())).toBe(3);
    expect(cursors.get(readerOf(box, 1).publicKey.toHex())).toBe(0);
  });

  test("take hands out each package once, the last resort aside, and the same again for the same take", async () => {
    const box = await freshBox();
    const owner = { ...box, key: box.owner };
    const packages = [plain(devices.crypto), plain(devices.crypto)];
    for (const body of packages) {
      const kept = await device.session.command({ ...body, kind: "package", slot: 1 }, owner);
      expect(refusal(kept)).toBe("appended");
    }
    const last = plain(devices.crypto);
    await device.session.command({ ...last, kind: "lastResort", slot: 1 }, owner);
    const take = async (id = entryId(devices.crypto.random.bytes(16))) => {
      const got = await device.session.take({ op: "take", take: id }, { ...box, key: box.writer });
      if (got.is !== "read") throw new Error(JSON.stringify(got));
      return got.entries.map(({ entry }) => entry?.toHex());
    };
    const id = entryId(devices.crypto.random.bytes(16));
    expect(await take(id)).toEqual([packages[0]?.entry.toHex()]);
    expect(await take(id)).toEqual([packages[0]?.entry.toHex()]);
    expect(await take()).toEqual([packages[1]?.entry.toHex()]);
    expect(await take()).toEqual([last.entry.toHex()]);
    expect(await take()).toEqual([last.entry.toHex()]);
  });

  test("reset starts a turn under new keys and ends subscriptions of readers that it leaves out", async () => {
    const box = await freshBox({ readers: 2 });
    await append(box, 1);
    const stays = collector();
    const goes = collector();
    device.session.subscribe(0, { ...box, key: readerOf(box) }, stays.sink);
    device.session.subscribe(0, { ...box, key: readerOf(box, 1) }, goes.sink);
    await Promise.all([stays.live, goes.live]);
    const writer = devices.crypto.ed25519.generate();
    const result = await device.session.command(
      {
        op: "reset",
        version: 1,
        owner: publicKey(box.owner.publicKey),
        writer: publicKey(writer.publicKey),
        readers: [publicKey(readerOf(box).publicKey)],
        policy: box.create.record.policy,
      },
      { ...box, key: box.owner },
    );
    expect(result).toMatchObject({ is: "reset", turn: 1 });
    expect(await goes.ended).toEqual({ code: "denied" });
    await append({ ...box, writer }, 1, 1);
    await stays.until(2);
    expect(stays.seqs).toEqual([0, 1]);
  });

  test("delete ends subscriptions, and the id is never used again", async () => {
    const box = await freshBox();
    const reader = collector();
    device.session.subscribe(0, { ...box, key: readerOf(box) }, reader.sink);
    await reader.live;
    const owner = { ...box, key: box.owner };
    expect(refusal(await device.session.command({ op: "delete" }, owner))).toBe("deleted");
    expect(await reader.ended).toEqual({ code: "denied" });
    expect(refusal(await device.session.command(plain(devices.crypto), { ...box, key: box.writer }))).toBe(
      "denied",
    );
    expect(refusal(await device.session.command(box.create, owner))).toBe("gone");
  });

  test("WebSocket carries the same", async () => {
    const address = relay.file.addresses.find((each) => each.includes("/ws"));
    await using over = await devices.connect(address ?? "");
    const box = newMailbox(devices.crypto, { relay: over.session.relay });
    await create(over, box);
    const result = await over.session.command(plain(devices.crypto, { bytes: 65_536 }), {
      ...box,
      key: box.writer,
    });
    expect(result.is).toBe("appended");
  });

  test("counts what it did, and names nobody", async () => {
    const text = await (await relay.get("/metrics")).text();
    for (const name of [
      "dchat_connections_total",
      "dchat_messages_sent_total",
      "dchat_messages_received_total",
      "dchat_relay_bandwidth_bytes",
      "dchat_errors_total",
      "dchat_latency_seconds",
      "dchat_mailboxes",
      "dchat_entries",
    ]) {
      expect(text).toMatch(new RegExp(`^${name}`, "m"));
    }
    expect(text).toMatch(/^dchat_errors_total\{where="(?:pipeline|delivery|store)"\} 0$/m);
    expect(text).not.toContain("12D3");
  });
});

interface Collector {
  readonly sink: SubscriptionSink;
  readonly seqs: number[];
  readonly live: Promise<void>;
  readonly ended: Promise<unknown>;
  until(count: number): Promise<void>;
}

function collector(): Collector {
  const live = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  const seqs: number[] = [];
  return {
    seqs,
    live: live.promise,
    ended: ended.promise,
    sink: {
      entry: ({ leaf }) => void seqs.push(leaf.seq),
      live: () => live.resolve(),
      ended: (why) => ended.resolve(why),
    },
    async until(count) {
      for (let waited = 0; seqs.length < count && waited < 10_000; waited += 5) await Bun.sleep(5);
    },
  };
}
