/**
 * A device that comes back to a full mailbox, and devices that are there when messages come. argv: ADDRESS. JSON
 * lines on stdin: `{"fill": N, "bytes": B}` stores N entries; `{"drain": N}` reads them all by a subscription of a
 * new connection, bodies and heads checked; `{"live": D, "rate": R, "bytes": B, "seconds": S}` has D devices
 * subscribed to a mailbox each and sends R messages a second to them in turn. Each answers with a line.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { openSession, type OpenedSession } from "../../core/client/session/mod.ts";
import { openDialler } from "../../core/edge/mod.ts";
import type { SigningKey } from "@dchat/crypto-wasm";
import { create, newMailbox, plain, type TestMailbox } from "../../test/harness/device.ts";
import { benchClock, benchLimits } from "./edge.ts";

const [, , address = ""] = process.argv;
/** Appends under way while filling. */
const FILL_WINDOW = 200;
const DIALS_AT_ONCE = 32;

const crypto = await openCrypto({ needs: [] });
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });
const writer = await connect();
const box = await freshBox();

async function connect(): Promise<OpenedSession> {
  const connection = await dialler.dial({ address });
  return openSession(connection, { crypto, clock: benchClock, relay: null });
}

async function freshBox(): Promise<TestMailbox> {
  const policy = { entriesMax: 1_000_000, bytesMax: 2 ** 30 };
  const fresh = newMailbox(crypto, { relay: writer.relay, policy });
  await create({ session: writer }, fresh);
  return fresh;
}

function readerOf({ readers }: TestMailbox): SigningKey {
  const [key] = readers;
  if (key === undefined) throw new Error("a mailbox of this bench has a reader");
  return key;
}

async function append(to: TestMailbox, bytes: number): Promise<void> {
  for (;;) {
    const result = await writer.command(plain(crypto, { bytes }), { ...to, key: to.writer });
    if (result.is === "appended") return;
    if (result.is !== "refused" || result.refusal.code !== "busy") throw new Error(JSON.stringify(result));
    await Bun.sleep(result.refusal.retryMs);
  }
}

async function fill(count: number, bytes: number): Promise<object> {
  const startedMs = performance.now();
  let left = count;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await append(box, bytes);
    }
  };
  await Promise.all(Array.from({ length: FILL_WINDOW }, one));
  return { filled: count, seconds: (performance.now() - startedMs) / 1000 };
}

async function drain(count: number): Promise<object> {
  const startedMs = performance.now();
  const session = await connect();
  const over = Promise.withResolvers<number>();
  let entries = 0;
  session.subscribe(
    0,
    { ...box, key: readerOf(box) },
    {
      entry: () => void (entries += 1),
      live: () => over.resolve(performance.now()),
      ended: (why) => over.reject(new Error(why?.code ?? "cut")),
    },
  );
  const endedMs = await over.promise;
  await session[Symbol.asyncDispose]();
  if (entries !== count) throw new Error(`${entries} of ${count} entries came`);
  return { drained: entries, seconds: (endedMs - startedMs) / 1000 };
}

interface Live {
  readonly live: number;
  readonly rate: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** A device that is there, and when what it waits for was sent. */
interface Listening {
  readonly box: TestMailbox;
  readonly sentMs: number[];
}

async function listen(tookMs: number[]): Promise<Listening> {
  const own = await freshBox();
  const session = await connect();
  const sentMs: number[] = [];
  const live = Promise.withResolvers<void>();
  session.subscribe(
    0,
    { ...own, key: readerOf(own) },
    {
      entry: () => void tookMs.push(performance.now() - (sentMs.shift() ?? Number.NaN)),
      live: () => live.resolve(),
      ended: (why) => live.reject(new Error(why?.code ?? "cut")),
    },
  );
  await live.promise;
  return { box: own, sentMs };
}

async function live({ live: count, rate, bytes, seconds }: Live): Promise<object> {
  const tookMs: number[] = [];
  const devices: Listening[] = [];
  while (devices.length < count) {
    const more = Math.min(DIALS_AT_ONCE, count - devices.length);
    devices.push(...(await Promise.all(Array.from({ length: more }, () => listen(tookMs)))));
  }
  const startedMs = performance.now();
  const sending: Promise<void>[] = [];
  let sent = 0;
  while (performance.now() - startedMs < seconds * 1000) {
    // As many as are due by now: a timer that comes late must not lower the rate.
    const due = Math.floor(((performance.now() - startedMs) / 1000) * rate);
    for (; sent < due; sent += 1) {
      const device = devices[sent % devices.length];
      if (device === undefined) throw new Error("no device");
      device.sentMs.push(performance.now());
      sending.push(append(device.box, bytes));
    }
    await Bun.sleep(1);
  }
  await Promise.all(sending);
  for (let tries = 0; tookMs.length < sent && tries < 1000; tries += 1) await Bun.sleep(5);
  return { delivered: tookMs.length, sent, tookMs, seconds: (performance.now() - startedMs) / 1000 };
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) {
  const told = JSON.parse(line) as { fill?: number; drain?: number; bytes: number } & Live;
  const answer =
    told.fill === undefined
      ? told.drain === undefined
        ? live(told)
        : drain(told.drain)
      : fill(told.fill, told.bytes);
  console.log(JSON.stringify(await answer));
}
process.exit(0);
