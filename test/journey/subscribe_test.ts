/** Subscriptions on real sockets: replay then live under concurrent writers, slow readers, many at once. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { SigningKey } from "@dchat/crypto-wasm";
import { limit } from "../../core/ground/mod.ts";
import { append as grow, leafHash, rootOf } from "../../core/merkle/mod.ts";
import { encodeStreamControl, type Head, leafBytes, PROTOCOL_ID, signCommand } from "../../core/wire/mod.ts";
import { create, type Device, newMailbox, plain, type TestMailbox } from "../harness/device.ts";
import { openRaw } from "../harness/raw_stream.ts";
import { openRig } from "../harness/rig.ts";

const { relay, devices } = await openRig({ args: ["--max-connections-per-address", "5000"] });
const writer = await devices.connect(relay.address);

async function freshBox(): Promise<TestMailbox> {
  const box = newMailbox(devices.crypto, { relay: writer.session.relay, readers: 4 });
  await create(writer, box);
  return box;
}

function readerOf(box: TestMailbox, at = 0): SigningKey {
  const reader = box.readers[at];
  if (reader === undefined) throw new Error(`the mailbox has no reader ${at}`);
  return reader;
}

async function append(box: TestMailbox, bytes = 1024): Promise<void> {
  const result = await writer.session.command(plain(devices.crypto, { bytes }), { ...box, key: box.writer });
  if (result.is !== "appended") throw new Error(JSON.stringify(result));
}

/** Follows a mailbox from its start and holds the relay to its own heads. */
class Auditor {
  readonly tree = { peaks: [] as ReturnType<typeof leafHash>[], size: 0 };
  lives = 0;
  ended: unknown = undefined;
  wrong: string | null = null;

  entry({ leaf }: { leaf: Parameters<typeof leafBytes>[0] }): void {
    if (leaf.seq !== this.tree.size) this.wrong ??= `${leaf.seq} in place of ${this.tree.size}`;
    grow(devices.crypto.hash, this.tree, leafHash(devices.crypto.hash, leafBytes(leaf)));
  }

  live(head: Head): void {
    this.lives += 1;
    const root = rootOf(devices.crypto.hash, this.tree.peaks);
    if (head.size !== this.tree.size || head.root.toHex() !== root.toHex()) {
      this.wrong ??= `a head of ${head.size} that isn't the log's at ${this.tree.size}`;
    }
  }

  async until(size: number): Promise<void> {
    for (let waited = 0; this.tree.size < size && waited < 20_000; waited += 5) await Bun.sleep(5);
  }
}

describe("subscriptions", () => {
  test("replay meets live without a gap or a double, whenever a reader comes, and each head is the log's", async () => {
    const box = await freshBox();
    const auditors: Auditor[] = [];
    const connections: Device[] = [];
    let written = 0;
    let writing = true;
    const write = async (): Promise<void> => {
      while (writing) {
        await append(box, written % 7 === 0 ? 16_384 : 1024);
        written += 1;
      }
    };
    const writers = Array.from({ length: 8 }, write);
    for (let at = 0; at < 12; at += 1) {
      await Bun.sleep(Math.random() * 60);
      const device = await devices.connect(relay.address);
      const auditor = new Auditor();
      device.session.subscribe(
        0,
        { ...box, key: readerOf(box, at % 4) },
        {
          entry: (entry) => auditor.entry(entry),
          live: (head) => auditor.live(head),
          ended: (why) => (auditor.ended = why),
        },
      );
      auditors.push(auditor);
      connections.push(device);
    }
    await Bun.sleep(200);
    writing = false;
    await Promise.all(writers);
    for (const auditor of auditors) {
      await auditor.until(written);
      expect(auditor).toMatchObject({ wrong: null, lives: 1, ended: undefined, tree: { size: written } });
    }
    expect(new Set(auditors.map(({ tree }) => rootOf(devices.crypto.hash, tree.peaks).toHex())).size).toBe(1);
    await Promise.all(connections.map((each) => each[Symbol.asyncDispose]()));
  }, 60_000);

  test("a reader that reads nothing costs the relay its window, and catches up when it reads", async () => {
    const box = await freshBox();
    const device = await devices.connect(relay.address);
    const raw = openRaw(device.connection, PROTOCOL_ID);
    const hello = await raw.next();
    if (hello.reply.is !== "hello") throw new Error("no hello");
    raw.hold(true);
    await raw.write(encodeStreamControl({ op: "credit", bytes: limit.CREDIT_BYTES_MAX }));
    const frame = signCommand(
      {
        ...box,
        body: { op: "subscribe", from: 0 },
        notAfterMs: Date.now() + 60_000,
        relay: device.session.relay,
        nonce: hello.reply.nonce,
        key: readerOf(box),
        request: 9,
      },
      devices.crypto,
    );
    await raw.write(frame);
    const before = rssKib(relay.pid);
    const count = 120;
    await Promise.all(Array.from({ length: count }, () => append(box, 65_536)));
    // 7.5 MiB wait for it on disk; what the relay may hold of them is a window and a frame.
    const held = raw.replies.filter(({ reply }) => reply.is === "entry").length;
    expect(held * 65_536).toBeLessThanOrEqual(limit.YAMUX_WINDOW_BYTES);
    expect(rssKib(relay.pid) - before).toBeLessThan(200 * 1024);
    raw.hold(false);
    const seqs: number[] = [];
    while (seqs.length < count) {
      const { reply } = await raw.next();
      if (reply.is === "entry") seqs.push(reply.leaf.seq);
    }
    expect(seqs).toEqual(Array.from({ length: count }, (_, at) => at));
    await device[Symbol.asyncDispose]();
  }, 60_000);

  test("1,000 subscriptions of one stream, and one mailbox to 500 streams", async () => {
    const boxes = await Promise.all(Array.from({ length: 1000 }, freshBox));
    const device = await devices.connect(relay.address);
    const auditors = boxes.map((box) => {
      const auditor = new Auditor();
      device.session.subscribe(
        0,
        { ...box, key: readerOf(box) },
        {
          entry: (entry) => auditor.entry(entry),
          live: (head) => auditor.live(head),
          ended: (why) => (auditor.ended = why),
        },
      );
      return auditor;
    });
    await Promise.all(boxes.map((box) => append(box)));
    for (const auditor of auditors) await auditor.until(1);
    expect(
      auditors.filter(({ tree, wrong, lives }) => tree.size !== 1 || wrong !== null || lives !== 1),
    ).toEqual([]);
    const [box] = boxes;
    if (box === undefined) throw new Error("no mailbox");
    const crowd = await Promise.all(Array.from({ length: 500 }, () => devices.connect(relay.address)));
    let got = 0;
    for (const { session } of crowd) {
      session.subscribe(
        1,
        { ...box, key: readerOf(box) },
        { entry: () => void (got += 1), live: () => undefined, ended: () => undefined },
      );
    }
    await Bun.sleep(100);
    await append(box);
    for (let waited = 0; got < 500 && waited < 10_000; waited += 5) await Bun.sleep(5);
    expect(got).toBe(500);
    await Promise.all([device, ...crowd].map((each) => each[Symbol.asyncDispose]()));
    const closed = async (): Promise<boolean> =>
      /^dchat_subscriptions_open 0$/m.test(await (await relay.get("/metrics")).text());
    for (let tries = 0; tries < 100 && !(await closed()); tries += 1) await Bun.sleep(20);
    expect(await closed()).toBe(true);
  }, 60_000);

  test("unsubscribing stops it, right after subscribing too", async () => {
    const box = await freshBox();
    const seen: string[] = [];
    const sink = {
      entry: () => void seen.push("entry"),
      live: () => void seen.push("live"),
      ended: () => void seen.push("ended"),
    };
    writer.session.subscribe(0, { ...box, key: readerOf(box) }, sink)();
    await append(box);
    await Bun.sleep(50);
    expect(seen).toEqual([]);
  });
});

function rssKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}
