/** Peers that don't keep to what sessions do: what one of them costs the relay, and what is done about it. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { SigningKey } from "@dchat/crypto-wasm";
import { create, newMailbox, plain, type TestMailbox } from "../../../test/harness/device.ts";
import { openRaw, type RawStream } from "../../../test/harness/raw_stream.ts";
import type { OpenedSession } from "../../client/session/mod.ts";
import { entryId, Fault, limit, type Nonce } from "../../ground/mod.ts";
import { type CommandBody, PROTOCOL_ID, signCommand } from "../../wire/mod.ts";
import { type Kit, openKit } from "./_kit.ts";
import { systemClock } from "../clock.ts";

let kit: Kit;
let session: OpenedSession;
let box: TestMailbox;

beforeEach(async () => {
  kit = await openKit();
  session = await kit.connect();
  box = newMailbox(kit.crypto, { relay: kit.relay });
  await create({ session }, box);
});

afterEach(() => kit[Symbol.asyncDispose]());

/** A stream whose hello was taken. */
async function raw(windowBytes?: number): Promise<RawStream> {
  const stream = openRaw(kit.pair(windowBytes === undefined ? {} : { windowBytes }).connection, PROTOCOL_ID);
  await stream.next();
  return stream;
}

/** A command's frame; those that read need the nonce of their stream. */
function frame(body: CommandBody, key: SigningKey, nonce: Nonce | null = null): Uint8Array {
  const { mailbox, generation } = box;
  const notAfterMs = systemClock.now() + 60_000;
  const signing = { body, mailbox, generation, notAfterMs, relay: kit.relay, nonce, key, request: 1 };
  return signCommand(signing, kit.crypto);
}

/** A READ of as much as one gives. */
function reading(stream: RawStream, key: SigningKey): Uint8Array {
  const [hello] = stream.replies;
  if (hello?.reply.is !== "hello") throw new Error("no hello");
  return frame({ op: "read", from: 0, bytesMax: limit.READ_BYTES_MAX }, key, hello.reply.nonce);
}

function readerOf({ readers: [key] }: TestMailbox): SigningKey {
  if (key === undefined) throw new Error("no reader");
  return key;
}

/** Appends as many entries of the largest size. */
async function append(count: number): Promise<void> {
  const body = () => plain(kit.crypto, { bytes: limit.ENTRY_BYTES_MAX });
  for (let at = 0; at < count; at += 1) {
    expect((await session.command(body(), { ...box, key: box.writer })).is).toBe("appended");
  }
}

/** As many of the same frame, one after another. */
function many(count: number, bytes: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: count * bytes.length }, (_, at) => bytes[at % bytes.length] ?? 0);
}

const UNKNOWN = [0, 0, 0, 0x7e, 0, 0, 0, 9];
const CREDIT_OF_NOTHING = [0, 0, 4, 0x40, 0, 0, 0, 0, 0, 0, 0, 0];
const UNSUBSCRIBE = [0, 0, 4, 0x41, 0, 0, 0, 0, 0, 0, 0, 7];

const randomId = () => entryId(kit.crypto.random.bytes(16));
const settle = (): Promise<void> => Bun.sleep(50);

async function until(done: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 5000; !done() && performance.now() < endMs;) await Bun.sleep(5);
  expect(done()).toBe(true);
}

describe("Pipeline", () => {
  test("reads no more packages of a take than a READ gives before the peer has taken those", async () => {
    const slots = Array.from({ length: 19 }, (_, at) => at + 1);
    const entry = kit.crypto.random.bytes(limit.ENTRY_BYTES_MAX);
    for (const slot of slots) {
      const body = {
        op: "append",
        id: randomId(),
        turn: 0,
        kind: "package",
        slot,
        change: null,
        entry,
      } as const;
      expect((await session.command(body, { ...box, key: box.owner })).is).toBe("appended");
    }
    const peer = await raw(16_384);
    peer.hold(true);
    kit.sent.length = 0;
    await peer.write(frame({ op: "take", take: randomId() }, box.writer));
    await until(() => kit.sent.length > 0);
    await settle();
    const piece = limit.READ_BYTES_MAX / limit.ENTRY_BYTES_MAX;
    expect(kit.sent).toEqual(Array.from({ length: piece }, () => "entry"));
    peer.hold(false);
    const seqs: number[] = [];
    for (;;) {
      const { reply } = await peer.next();
      if (reply.is === "done") break;
      if (reply.is === "entry") seqs.push(reply.leaf.seq);
    }
    expect(seqs).toEqual(slots.map((slot) => slot - 1));
    expect(kit.errors).toEqual([]);
  });

  test("says of a take whose packages can't be read that it may be kept, and gives them when it is asked again", async () => {
    const entry = kit.crypto.random.bytes(1024);
    const body = {
      op: "append",
      id: randomId(),
      turn: 0,
      kind: "package",
      slot: 1,
      change: null,
      entry,
    } as const;
    expect((await session.command(body, { ...box, key: box.owner })).is).toBe("appended");
    const { store } = kit.moody;
    const read = store.read.bind(store);
    store.read = () => Promise.reject(new Fault("store/unavailable", "the disk is gone"));
    const peer = await raw();
    const asking = frame({ op: "take", take: randomId() }, box.writer);
    await peer.write(asking);
    expect((await peer.next()).reply).toMatchObject({ is: "refused", refusal: { code: "busy" } });
    store.read = read;
    await peer.write(asking);
    expect((await peer.next()).reply).toMatchObject({ is: "entry", leaf: { seq: 0 } });
  });

  test("refuses what comes for a damaged mailbox, names the damage, and stays ready for all others", async () => {
    const damaged = { is: "damaged", what: "Cannot read mailbox 7" } as const;
    const { store } = kit.moody;
    const commit = store.commit.bind(store);
    store.commit = (batch) => Promise.resolve(batch.map(() => damaged));
    const answer = await session.command(plain(kit.crypto), { ...box, key: box.writer });
    expect(answer).toMatchObject({ is: "refused", refusal: { code: "unavailable" } });
    expect(kit.errors).toEqual([new Fault("store/corrupt", damaged.what)]);
    expect(kit.pipeline.failure).toBeNull();
    store.commit = commit;
    await append(1);
  });

  test("answers a burst of malformed frames and then resets the stream; the connection's bucket outlives it", async () => {
    const burst = (limit.MALFORMED_PER_SECOND_MAX * limit.RATE_BURST_MS) / 1000;
    const { connection } = kit.pair();
    const peer = openRaw(connection, PROTOCOL_ID);
    await peer.next();
    await peer.write(many(burst, UNKNOWN));
    await until(() => peer.replies.length === 1 + burst);
    expect(peer.replies.at(-1)).toMatchObject({ request: 9, reply: { refusal: { code: "malformed" } } });
    expect(peer.closed).toBeNull();
    kit.sent.length = 0;
    await peer.write(many(20_000, UNKNOWN));
    await until(() => peer.closed !== null);
    expect(kit.sent.length).toBeLessThan(10);
    expect(kit.limited).toEqual(["CONNECTION_MALFORMED_PER_SECOND_MAX"]);
    const next = openRaw(connection, PROTOCOL_ID);
    await next.write(many(burst, UNKNOWN));
    await until(() => next.closed !== null);
    expect(kit.errors).toEqual([]);
  });

  test.each([
    ["credit", CREDIT_OF_NOTHING],
    ["unsubscribe", UNSUBSCRIBE],
  ])(
    "takes %s from the connection's bucket of reads, and resets the stream where it is empty",
    async (_, one) => {
      const peer = await raw();
      const burst = (limit.READS_PER_SECOND_MAX_DEFAULT * limit.RATE_BURST_MS) / 1000;
      await peer.write(many(burst, one));
      await settle();
      expect(peer.closed).toBeNull();
      await peer.write(many(burst, one));
      await settle();
      expect(peer.closed).not.toBeNull();
      expect(kit.limited).toEqual(["CONNECTION_READS_PER_SECOND_MAX"]);
    },
  );

  test("drops a peer that takes nothing of what is held for it for too long, and not one that takes a little", async () => {
    await append(2);
    const key = readerOf(box);
    kit.slowReader.timeoutMs = 300;
    const slow = await raw(16_384);
    slow.hold(true);
    await slow.write(reading(slow, key));
    await until(() => kit.sent.includes("done"));
    await Bun.sleep(200);
    slow.hold(false);
    slow.hold(true);
    await Bun.sleep(200);
    expect(slow.closed).toBeNull();
    expect(kit.limited).toEqual([]);
    await until(() => slow.closed !== null);
    expect(slow.closed).toBe("slow reader");
    expect(kit.limited).toEqual(["SLOW_READER_TIMEOUT_MS"]);
  });

  test("leaves a peer alone that has taken all, however long it says nothing", async () => {
    await append(2);
    kit.slowReader.timeoutMs = 100;
    const peer = await raw(16_384);
    await peer.write(reading(peer, readerOf(box)));
    await until(() => peer.replies.at(-1)?.reply.is === "done");
    await Bun.sleep(300);
    expect(peer.closed).toBeNull();
    expect(kit.limited).toEqual([]);
  });

  test("reads for a connection no more than may wait to go out to it, on as many streams as it likes", async () => {
    await append(4);
    const { connection } = kit.pair({ windowBytes: 4096 });
    const streams = 24 + limit.HELD_REPLIES_BYTES_MAX / limit.READ_BYTES_MAX;
    const peers: RawStream[] = [];
    for (let at = 0; at < streams; at += 1) {
      const peer = openRaw(connection, PROTOCOL_ID);
      await peer.next();
      peer.hold(true);
      kit.sent.length = 0;
      await peer.write(reading(peer, readerOf(box)));
      await until(() => kit.sent.some((reply) => reply === "done" || reply === "refused"));
      peers.push(peer);
    }
    await settle();
    expect(new Set(kit.limited)).toEqual(new Set(["HELD_REPLIES_BYTES_MAX"]));
    const refused = peers.filter(({ replies }) => replies.at(-1)?.reply.is === "refused");
    expect(refused.length).toBeGreaterThan(24);
    expect(peers.every(({ closed }) => closed === null)).toBe(true);
    for (const peer of peers) peer.hold(false);
    await until(() => peers.every(({ replies }) => /done|refused/.test(replies.at(-1)?.reply.is ?? "")));
    const again = openRaw(connection, PROTOCOL_ID);
    await again.next();
    await again.write(reading(again, readerOf(box)));
    await until(() => again.replies.at(-1)?.reply.is === "done");
  });
});
