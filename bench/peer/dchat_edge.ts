/**
 * dchat's own edge as a host for benchmarks: the same work as its peers; see README.md beside it. An argument is the
 * keepalive's interval in ms, of which an answer may take half.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { type EdgeEvents, type EdgeStream, openListener, type StreamHandler } from "../../core/edge/mod.ts";
import { benchClock, benchLimits } from "../load/edge.ts";

const keepaliveMs = Number(process.argv[2] ?? benchLimits.keepaliveIntervalMs);
const HEAD_BYTES = 5;
const ROLE_RECEIVER = 0x52;

/** What a forwarding stream carries: its head until it is whole, then its receiver and what that did not take yet. */
interface Forwarding {
  readonly head: Uint8Array;
  headLength: number;
  receiver: EdgeStream<Forwarding> | null;
  sender: EdgeStream<Forwarding> | null;
  waiting: Uint8Array[];
}

const receivers = new Map<number, EdgeStream<Forwarding>>();

function push(stream: EdgeStream<Forwarding>, bytes: Uint8Array): void {
  const { receiver, waiting } = stream.context;
  if (receiver === null) return stream.reset();
  const taken = waiting.length > 0 ? 0 : receiver.write(bytes);
  // The sender's window bounds what waits: it is reopened only for what was passed on.
  if (taken > 0) stream.consume(taken);
  if (taken < bytes.length) waiting.push(bytes.slice(taken));
}

function register(stream: EdgeStream<Forwarding>): void {
  const { head } = stream.context;
  const pair = new DataView(head.buffer, head.byteOffset).getUint32(1);
  if (head[0] === ROLE_RECEIVER) {
    receivers.set(pair, stream);
    stream.write(new Uint8Array([0x31]));
    return;
  }
  stream.context.receiver = receivers.get(pair) ?? null;
  if (stream.context.receiver !== null) stream.context.receiver.context.sender = stream;
}

const forward: StreamHandler<Forwarding> = {
  onOpen(stream) {
    stream.context = {
      head: new Uint8Array(HEAD_BYTES),
      headLength: 0,
      receiver: null,
      sender: null,
      waiting: [],
    };
  },
  onData(stream, bytes) {
    const context = stream.context;
    const missing = Math.min(HEAD_BYTES - context.headLength, bytes.length);
    if (missing > 0) {
      context.head.set(bytes.subarray(0, missing), context.headLength);
      context.headLength += missing;
      stream.consume(missing);
      if (context.headLength === HEAD_BYTES) register(stream);
      if (bytes.length === missing) return;
    }
    push(stream, missing > 0 ? bytes.subarray(missing) : bytes);
  },
  onDrain(stream) {
    const sender = stream.context.sender;
    if (sender === null) return;
    const { waiting } = sender.context;
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const taken = stream.write(first);
      if (taken > 0) sender.consume(taken);
      if (taken < first.length) {
        waiting[0] = first.subarray(taken);
        return;
      }
      waiting.shift();
    }
  },
  onEnd(stream) {
    stream.end();
  },
  onClose() {
    // A pair lives as long as its run.
  },
};

const hold: StreamHandler<null> = {
  onOpen(stream) {
    stream.context = null;
  },
  onData(stream, bytes) {
    stream.write(bytes);
    stream.consume(bytes.length);
  },
  onEnd(stream) {
    stream.end();
  },
  onDrain() {
    // A load says one byte, which always fits.
  },
  onClose() {
    // Nothing is kept for a held stream.
  },
};

/** Counts as a relay does, since that is part of what is measured. */
let receivedBytes = 0;
let sentBytes = 0;
const events: EdgeEvents = {
  opened() {
    receivedBytes += 0;
  },
  closed() {
    receivedBytes += 0;
  },
  limited(limit) {
    console.error(`limited: ${limit}`);
  },
  bytes(received, sent) {
    receivedBytes += received;
    sentBytes += sent;
  },
  error(error) {
    console.error(error);
  },
};

const crypto = await openCrypto();
using identity = crypto.ed25519.generate();
const listener = await openListener({
  crypto,
  identity,
  addresses: ["/ip4/127.0.0.1/tcp/0"],
  limits: { ...benchLimits, keepaliveIntervalMs: keepaliveMs, keepaliveTimeoutMs: keepaliveMs / 2 },
  protocols: (protocol) => {
    if (protocol === "/dchat/bench/forward/1") return forward;
    return protocol === "/dchat/bench/hold/1" ? hold : null;
  },
  protocolNames: ["/dchat/bench/forward/1", "/dchat/bench/hold/1"],
  events,
  clock: benchClock,
});

console.log(JSON.stringify({ addr: `${listener.addresses[0]}/p2p/${listener.peer.text}` }));
for await (const line of console) {
  if (line === "gc") Bun.gc(true);
  console.log(
    JSON.stringify({ gc: line === "gc", connections: listener.connections, receivedBytes, sentBytes }),
  );
}
process.exit(0);
