/**
 * Pairs of a sender and a receiver over one host: each pair keeps `window` messages of `bytes` under way.
 * argv: ADDRESS PAIRS. JSON lines on stdin: `{"bytes": N, "window": W, "seconds": S}` runs and answers with how
 * many messages arrived and a sample of their latencies.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import {
  type EdgeConnection,
  type EdgeStream,
  openDialler,
  type StreamHandler,
} from "../../core/edge/mod.ts";
import { benchClock, benchLimits } from "./edge.ts";

const [, , address = "", pairsText = "1"] = process.argv;
const SAMPLES_MAX = 200_000;

interface Pair {
  /** Opened when the receiver is registered. */
  sender: EdgeStream | null;
  /** Hears once whether the host registered the receiver or dropped its stream. */
  registered: ((registered: boolean) => void) | null;
  /** Bytes of the message under way that arrived, and when the oldest unreceived ones were sent. */
  arrived: number;
  sentAt: number[];
  /** Bytes that the stream did not take yet; what they are is known, so only their number is kept. */
  waiting: number;
}

let running = false;
let message: Uint8Array = new Uint8Array(0);
let delivered = 0;
let samples: number[] = [];

const crypto = await openCrypto();
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });

function send(pair: Pair): void {
  pair.sentAt.push(performance.now());
  pair.waiting += message.length;
  if (pair.waiting === message.length) write(pair);
}

/** Every message is the same bytes, so a rest can be written from any place of one. */
function write(pair: Pair): void {
  while (pair.waiting > 0) {
    const wanted = Math.min(pair.waiting, message.length);
    const taken = pair.sender?.write(message.subarray(0, wanted)) ?? 0;
    pair.waiting -= taken;
    if (taken < wanted) return;
  }
}

const receiver: StreamHandler<Pair> = {
  onOpen() {
    // The host says "1" when it is registered.
  },
  onData(stream, bytes) {
    stream.consume(bytes.length);
    const pair = stream.context;
    if (pair.registered !== null) {
      pair.registered(true);
      pair.registered = null;
      return;
    }
    pair.arrived += bytes.length;
    while (pair.arrived >= message.length && pair.sentAt.length > 0) {
      pair.arrived -= message.length;
      const sent = pair.sentAt.shift() ?? 0;
      delivered++;
      if (samples.length < SAMPLES_MAX) samples.push(performance.now() - sent);
      if (running) send(pair);
    }
  },
  onEnd() {
    // The run decides when it is over.
  },
  onDrain() {
    // A receiver writes its head only.
  },
  onClose(stream, reason) {
    const { registered } = stream.context;
    if (registered === null) lost(reason);
    else registered(false);
  },
};

const sender: StreamHandler<Pair> = {
  onOpen() {
    // Its head went out with the proposal.
  },
  onData() {
    // A host says nothing to a sender.
  },
  onEnd() {
    // The run decides when it is over.
  },
  onDrain(stream) {
    write(stream.context);
  },
  onClose(_, reason) {
    lost(reason);
  },
};

/** What was under way on it will never arrive, and a run would wait for it for good. */
function lost(reason: string): never {
  console.error(`a pair's stream was lost: ${reason}`);
  process.exit(1);
}

function head(role: "R" | "S", pair: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = role.charCodeAt(0);
  new DataView(bytes.buffer).setUint32(1, pair);
  return bytes;
}

async function register(to: EdgeConnection, pair: Pair, number: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  pair.registered = resolve;
  to.open("/dchat/bench/forward/1", receiver, pair).write(head("R", number));
  return promise;
}

async function openPair(number: number): Promise<Pair> {
  const [from, to] = await Promise.all([dialler.dial({ address }), dialler.dial({ address })]);
  const pair: Pair = { sender: null, registered: null, arrived: 0, sentAt: [], waiting: 0 };
  while (!(await register(to, pair, number))) await Bun.sleep(1);
  pair.sender = from.open("/dchat/bench/forward/1", sender, pair);
  pair.sender.write(head("S", number));
  return pair;
}

const pairs: Pair[] = [];
for (let number = 0; number < Number(pairsText); number++) pairs.push(await openPair(number));

async function run(told: { bytes: number; window: number; seconds: number }): Promise<void> {
  message = new Uint8Array(told.bytes).fill(7);
  [delivered, samples, running] = [0, [], true];
  for (const pair of pairs) for (let under = 0; under < told.window; under++) send(pair);
  const started = performance.now();
  await Bun.sleep(told.seconds * 1000);
  const [seconds, count] = [(performance.now() - started) / 1000, delivered];
  running = false;
  while (pairs.some((pair) => pair.sentAt.length > 0)) await Bun.sleep(5);
  console.log(JSON.stringify({ delivered: count, all: delivered, seconds, tookMs: samples }));
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console)
  await run(JSON.parse(line) as { bytes: number; window: number; seconds: number });
process.exit(0);
