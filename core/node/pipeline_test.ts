import { setImmediate as setImmediatePromise } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { create, newMailbox, plain, type TestMailbox } from "../../test/harness/device.ts";
import type { CommandResult } from "../client/mod.ts";
import { type OpenedSession, type SessionHandler, openSession } from "../client/session/mod.ts";
import { Fault, limit } from "../ground/mod.ts";
import { type Kit, openKit } from "./pipeline/_kit.ts";
import { systemClock } from "./clock.ts";

let kit: Kit;
let session: OpenedSession;
let box: TestMailbox;

beforeEach(async () => {
  kit = await openKit();
  session = await kit.connect();
  box = newMailbox(kit.crypto, { relay: kit.relay, readers: 2 });
  await create({ session }, box);
});

afterEach(() => kit[Symbol.asyncDispose]());

function append(through = session): Promise<CommandResult> {
  return through.command(plain(kit.crypto), { ...box, key: box.writer });
}

/** Small, so that windows don't decide how many wait. */
function acknowledge(through = session): Promise<CommandResult> {
  const [key] = box.readers;
  if (key === undefined) throw new Error("no reader");
  return through.command({ op: "acknowledge", cursor: 0 }, { ...box, key });
}

/** Null where a subscription is live, else the code of its refusal. */
function follow(through = session, at = 0): Promise<string | null> {
  const key = box.readers[at];
  if (key === undefined) throw new Error("no reader");
  const { promise, resolve } = Promise.withResolvers<string | null>();
  through.subscribe(
    0,
    { ...box, key },
    {
      entry: () => undefined,
      live: () => resolve(null),
      ended: (refusal) => resolve(refusal?.code ?? "gone"),
    },
  );
  return promise;
}

function unavailable(after: boolean): { error: Error; after: boolean } {
  const code = after ? "store/unknown" : "store/unavailable";
  return { error: new Fault(code, "the disk is gone"), after };
}

const settle = (): Promise<void> => Bun.sleep(20);

/** All that the relay says on a stream of `protocol` until it ends, to who takes `windowBytes` at a time. */
function saidTo(protocol: string, windowBytes: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let said = 0;
  const handler: SessionHandler<null> = {
    onOpen: () => undefined,
    onData: (stream, bytes) => {
      said += bytes.length;
      stream.consume(bytes.length);
    },
    onEnd: () => resolve(said),
    onClose: () => resolve(-1),
    onDrain: () => undefined,
  };
  kit
    .pair({ windowBytes, protocols: () => kit.pipeline.protocols(protocol) })
    .connection.open(protocol, handler, null);
  return promise;
}

describe("Pipeline", () => {
  test("says hello and why not to who asks for another version, however little it takes at a time", async () => {
    const whole = await saidTo("/dchat/mailbox/99", 256 * 1024);
    expect(whole).toBeGreaterThan(200);
    expect(await saidTo("/dchat/mailbox/99", 50)).toBe(whole);
  });

  test("refuses new work while memory is full, and goes on with what is there", async () => {
    const other = newMailbox(kit.crypto, { relay: kit.relay });
    const make = (): Promise<CommandResult> => session.command(other.create, { ...other, key: other.owner });
    expect(await follow()).toBeNull();
    kit.memory.isFull = true;
    const refusal = { code: "busy", retryMs: limit.MEMORY_RETRY_MS } as const;
    expect(await make()).toEqual({ is: "refused", refusal });
    expect(await follow()).toBe("busy");
    expect((await append()).is).toBe("appended");
    expect((await acknowledge()).is).toBe("acknowledged");
    expect((await session.command({ op: "describe" }, { ...box, key: box.owner })).is).toBe("described");
    expect(kit.limited).toEqual(["MEMORY_BYTES_MAX", "MEMORY_BYTES_MAX"]);
    kit.memory.isFull = false;
    expect((await make()).is).toBe("created");
    expect(await follow()).toBe("limit");
    expect(await follow(session, 1)).toBeNull();
  });

  test("one batch takes all that waits while another is on its way to disk, at most BATCH_COMMANDS_MAX", async () => {
    kit.moody.batches.length = 0;
    kit.moody.hold();
    kit.counts.received = 0;
    const first = acknowledge();
    await settle();
    const more = limit.BATCH_COMMANDS_MAX + 44;
    const rest = Array.from({ length: more }, () => acknowledge());
    while (kit.counts.received < 1 + more) await settle();
    // Their signatures are checked in some turns of the loop.
    for (let turn = 0; turn < more / limit.VERIFY_BATCH_MAX + 1; turn++) await setImmediatePromise();
    kit.moody.release();
    const results = await Promise.all([first, ...rest]);
    expect(results.every(({ is }) => is === "acknowledged")).toBe(true);
    expect(kit.moody.batches).toEqual([1, limit.BATCH_COMMANDS_MAX, 44]);
  });

  test("nothing is said of a command before its batch is on disk, refusals and readings included", async () => {
    kit.moody.hold();
    kit.sent.length = 0;
    const [reader] = box.readers;
    const stranger = kit.crypto.ed25519.generate();
    const all = [
      append(),
      session.command(plain(kit.crypto), { ...box, key: stranger }),
      session.command({ op: "describe" }, { ...box, key: reader ?? stranger }),
      session.command({ op: "acknowledge", cursor: 0 }, { ...box, key: reader ?? stranger }),
    ];
    await settle();
    expect(kit.sent).toEqual([]);
    kit.moody.release();
    const answers = await Promise.all(all);
    expect(answers.map((each) => each.is)).toEqual(["appended", "refused", "described", "acknowledged"]);
  });

  test("a store that can't write refuses as unavailable, says why, and serves again once it can", async () => {
    kit.moody.mood = unavailable(false);
    expect(await append()).toEqual({
      is: "refused",
      refusal: { code: "unavailable", retryMs: limit.RETRY_MS_DEFAULT },
    });
    expect(kit.pipeline.failure).toBe("the disk is gone");
    await kit.pipeline.probe();
    expect(kit.pipeline.failure).toBe("the disk is gone");
    expect(kit.store).toEqual(["the disk is gone", "the disk is gone"]);
    kit.moody.mood = null;
    await kit.pipeline.probe();
    expect(kit.pipeline.failure).toBeNull();
    expect((await append()).is).toBe("appended");
    expect(kit.store.slice(2)).toEqual(["works"]);
    expect(kit.errors).toEqual([]);
  });

  test("a store that takes small batches only isn't ready by them: it must take as much as it failed on", async () => {
    kit.store.length = 0;
    kit.moody.probes.length = 0;
    kit.moody.mood = unavailable(false);
    const large = plain(kit.crypto, { bytes: 65_536 });
    const signing = { ...box, key: box.writer };
    expect(await session.command(large, signing)).toMatchObject({ refusal: { code: "unavailable" } });
    kit.moody.mood = null;
    expect((await append()).is).toBe("appended");
    expect(kit.pipeline.failure).toBe("the disk is gone");
    await kit.pipeline.probe();
    expect(kit.moody.probes).toHaveLength(1);
    expect(kit.moody.probes[0]).toBeGreaterThan(65_536);
    expect(kit.pipeline.failure).toBeNull();
    expect(kit.store).toEqual(["the disk is gone", "works"]);
    await kit.pipeline.probe();
    expect(kit.moody.probes[1]).toBeNull();
  });

  test("telemetry is told of new entries only, and of a batch's time until it is on disk", async () => {
    kit.committed.length = 0;
    const command = plain(kit.crypto);
    const signing = { ...box, key: box.writer };
    for (let times = 0; times < 2; times += 1) {
      expect((await session.command(command, signing)).is).toBe("appended");
    }
    expect(kit.committed.map(({ kept }) => kept)).toEqual([1, 0]);
    expect(kit.committed.every(({ ms }) => ms > 0)).toBe(true);
  });

  test("a store that is short of room keeps what takes none, says why, and is ready again by a probe", async () => {
    kit.store.length = 0;
    kit.moody.short = new Fault("store/unavailable", "the disk is full");
    const [reader = box.owner] = box.readers;
    const answers = await Promise.all([
      append(),
      session.command({ op: "acknowledge", cursor: 0 }, { ...box, key: reader }),
    ]);
    expect(answers.map((each) => (each.is === "refused" ? each.refusal.code : each.is))).toEqual([
      "unavailable",
      "acknowledged",
    ]);
    expect(kit.pipeline.failure).toBe("the disk is full");
    // What takes no room says nothing of a store that has none.
    for (let times = 0; times < 3; times += 1) expect((await acknowledge()).is).toBe("acknowledged");
    expect(kit.pipeline.failure).toBe("the disk is full");
    kit.moody.short = null;
    await kit.pipeline.probe();
    expect(kit.pipeline.failure).toBeNull();
    expect(kit.store).toEqual(["the disk is full", "works"]);
  });

  test("a commit of which nobody knows is answered busy; the same id tells, and subscribers get what was kept", async () => {
    const seqs: number[] = [];
    const [reader] = box.readers;
    if (reader === undefined) throw new Error("no reader");
    session.subscribe(
      0,
      { ...box, key: reader },
      { entry: ({ leaf }) => void seqs.push(leaf.seq), live: () => undefined, ended: () => undefined },
    );
    await settle();
    kit.moody.mood = unavailable(true);
    const body = plain(kit.crypto);
    const signing = { ...box, key: box.writer };
    expect(await session.command(body, signing)).toMatchObject({ refusal: { code: "busy" } });
    kit.moody.mood = null;
    expect(await session.command(body, signing)).toMatchObject({ is: "appended", promise: { seq: 0 } });
    await settle();
    expect(seqs).toEqual([0]);
  });

  test("a batch whose promises can't be signed is answered busy, and what was kept is told and delivered", async () => {
    const seqs: number[] = [];
    const [reader] = box.readers;
    if (reader === undefined) throw new Error("no reader");
    const sink = { live: () => undefined, ended: () => undefined };
    session.subscribe(0, { ...box, key: reader }, { ...sink, entry: ({ leaf }) => void seqs.push(leaf.seq) });
    await settle();
    const { ed25519 } = kit.crypto;
    const sign = ed25519.sign.bind(ed25519);
    using signing = spyOn(ed25519, "sign").mockImplementation((key, message) => {
      if (new TextDecoder().decode(message).startsWith("dchat/batch")) throw new Error("no memory for that");
      return sign(key, message);
    });
    const body = plain(kit.crypto);
    const by = { ...box, key: box.writer };
    const refusal = { code: "busy", retryMs: limit.RETRY_MS_DEFAULT } as const;
    expect(await session.command(body, by)).toEqual({ is: "refused", refusal });
    expect(kit.errors).toEqual([new Error("no memory for that")]);
    signing.mockRestore();
    expect(await session.command(body, by)).toMatchObject({ is: "appended", promise: { seq: 0 } });
    await settle();
    expect(seqs).toEqual([0]);
    expect(kit.pipeline.failure).toBeNull();
  });

  test("a commit that ends after everybody looked is delivered once its writer asks again", async () => {
    const seqs: number[] = [];
    const [key] = box.readers;
    if (key === undefined) throw new Error("no reader");
    const live = Promise.withResolvers<void>();
    (await kit.connect()).subscribe(
      0,
      { ...box, key },
      { entry: ({ leaf }) => void seqs.push(leaf.seq), live: () => live.resolve(), ended: () => undefined },
    );
    await live.promise;
    const { store } = kit.moody;
    const commit = store.commit.bind(store);
    let late = (): Promise<unknown> => Promise.resolve();
    store.commit = (batch, options) => {
      late = () => commit(batch, options);
      return Promise.reject(unavailable(true).error);
    };
    const body = plain(kit.crypto);
    const ask = () => session.command(body, { ...box, key: box.writer });
    expect((await ask()).is).toBe("refused");
    await settle();
    await late();
    store.commit = commit;
    expect((await ask()).is).toBe("appended");
    await settle();
    expect(seqs).toEqual([0]);
  });

  test("a store that another relay may have had: subscribers look up what that one committed", async () => {
    const seqs: number[] = [];
    const [key] = box.readers;
    if (key === undefined) throw new Error("no reader");
    session.subscribe(
      0,
      { ...box, key },
      { entry: ({ leaf }) => void seqs.push(leaf.seq), live: () => undefined, ended: () => undefined },
    );
    await settle();
    kit.moody.mood = { error: new Fault("store/busy", "another relay has it"), after: true };
    expect(await append()).toMatchObject({ refusal: { code: "unavailable" } });
    expect(kit.pipeline.failure).toBe("another relay has it");
    kit.moody.mood = null;
    await settle();
    expect(seqs).toEqual([]);
    await kit.pipeline.probe();
    await settle();
    expect(kit.pipeline.failure).toBeNull();
    expect(seqs).toEqual([0]);
  });

  test("a store that was another's, as a sweep alone was told: subscribers look up what was committed meanwhile", async () => {
    const seqs: number[] = [];
    const [key] = box.readers;
    if (key === undefined) throw new Error("no reader");
    const sink = { live: () => undefined, ended: () => undefined };
    session.subscribe(0, { ...box, key }, { ...sink, entry: ({ leaf }) => void seqs.push(leaf.seq) });
    await settle();
    const { store } = kit.moody;
    const commit = store.commit.bind(store);
    store.commit = async (batch, options) => {
      await commit(batch, options);
      throw unavailable(false).error;
    };
    expect((await append()).is).toBe("refused");
    store.commit = commit;
    await kit.pipeline.probe();
    await settle();
    expect(seqs).toEqual([]);
    kit.pipeline.heard(new Fault("store/busy", "another relay has it"));
    await kit.pipeline.probe();
    await settle();
    expect(seqs).toEqual([0]);
  });

  test("more commands than a stream may have waiting are refused as busy, and the others are served", async () => {
    kit.moody.hold();
    // A session waits by itself; many of them share a connection's bound.
    const { connection } = kit.pair();
    const open = () => openSession(connection, { crypto: kit.crypto, clock: systemClock, relay: null });
    const sessions = await Promise.all(Array.from({ length: 6 }, open));
    const asked = sessions.flatMap((each) => Array.from({ length: 500 }, () => acknowledge(each)));
    await Bun.sleep(300);
    kit.moody.release();
    const results = await Promise.all(asked);
    const kept = results.filter(({ is }) => is === "acknowledged").length;
    const busy = results.filter((each) => each.is === "refused" && each.refusal.code === "busy").length;
    expect(kept + busy).toBe(3000);
    expect(kept).toBeGreaterThanOrEqual(limit.COMMANDS_PER_CONNECTION_MAX);
    expect(busy).toBeGreaterThan(0);
  });

  test("a stream that is cut while its commands wait leaves nothing behind", async () => {
    const pair = kit.pair();
    const other = await openSession(pair.connection, { crypto: kit.crypto, clock: systemClock, relay: null });
    kit.moody.hold();
    const lost = append(other);
    await settle();
    pair.cut();
    await expect(lost).rejects.toThrow("was cut");
    kit.moody.release();
    await settle();
    expect((await append()).is).toBe("appended");
    expect(kit.errors).toEqual([]);
  });

  test("drain() answers what was taken, refuses what comes, and ends the streams", async () => {
    kit.moody.hold();
    const taken = append();
    await settle();
    const draining = kit.pipeline.drain();
    await settle();
    const late = append();
    kit.moody.release();
    expect((await taken).is).toBe("appended");
    expect(await late).toEqual({ is: "refused", refusal: { code: "draining" } });
    await draining;
    expect(await session.closed).toContain("going");
  });

  test("keeps a peer that doesn't read from asking more than its window", async () => {
    const narrow = await kit.connect({ windowBytes: 16_384 });
    const bodies = Array.from({ length: 30 }, () => append(narrow));
    const results = await Promise.all(bodies);
    expect(results.every(({ is }) => is === "appended")).toBe(true);
    const [key] = box.readers;
    if (key === undefined) throw new Error("no reader");
    const read = await narrow.read({ from: 0, bytesMax: 1 << 18 }, { ...box, key });
    expect(read).toMatchObject({ is: "read", next: 30 });
  });
});

test("a store that doesn't answer is told as that, asked once, and works again when it answers", async () => {
  await using stuckKit = await openKit({ answerMs: 100 });
  const { moody, pipeline, store } = stuckKit;
  const stuck = Promise.withResolvers<void>();
  moody.stuck = stuck.promise;
  await pipeline.probe();
  expect(pipeline.failure).toContain("hasn't answered for 0.1 s");
  await pipeline.probe();
  expect(moody.probes).toEqual([null]);
  stuck.resolve();
  await pipeline.probe();
  expect(pipeline.failure).toBeNull();
  expect(store.at(-1)).toBe("works");
});
