/**
 * The relay as its operator may run it: the real one, with everything written down that comes and goes after Noise,
 * and a question to each device by libp2p's identify. DCHAT_SPY_FILE names the file, JSON lines; arguments are the
 * command line's.
 */
import { openSync, writeSync } from "node:fs";
import type { EdgeStream, ProtocolTable, StreamHandler } from "../../core/edge/mod.ts";
import { Pipeline } from "../../core/node/pipeline.ts";
import type { SpyRecord } from "./view.ts";

const path = process.env["DCHAT_SPY_FILE"];
if (path === undefined) throw new Error("DCHAT_SPY_FILE names no file");
const file = openSync(path, "a", 0o600);
const streams = new WeakMap<object, number>();
let streamsSeen = 0;
const asked = new Set<number>();

function note(stream: EdgeStream, event: SpyRecord["event"], bytes: Uint8Array): void {
  const { connection } = stream;
  let number = streams.get(stream);
  if (number === undefined) {
    streamsSeen += 1;
    number = streamsSeen;
    streams.set(stream, number);
  }
  const record: SpyRecord = {
    atMs: Date.now(),
    connection: connection.id,
    peer: connection.peer.text,
    address: connection.remoteAddress,
    port: connection.remotePort,
    stream: number,
    event,
    hex: bytes.toHex(),
  };
  writeSync(file, `${JSON.stringify(record)}\n`);
}

const NOTHING = new Uint8Array(0);

/** What a device tells of itself when it is asked. */
const identify: StreamHandler<unknown> = {
  onOpen() {},
  onData(stream, bytes) {
    note(stream, "identify", bytes);
    stream.consume(bytes.length);
  },
  onEnd: (stream) => stream.end(),
  onClose() {},
  onDrain() {},
};

function tap(handler: StreamHandler<unknown>): StreamHandler<unknown> {
  return {
    onOpen(stream) {
      note(stream, "open", NOTHING);
      const write = stream.write.bind(stream);
      stream.write = (bytes) => {
        const taken = write(bytes);
        if (taken > 0) note(stream, "out", bytes.subarray(0, taken));
        return taken;
      };
      handler.onOpen(stream);
      if (asked.has(stream.connection.id)) return;
      asked.add(stream.connection.id);
      stream.connection.open("/ipfs/id/1.0.0", identify, null);
    },
    onData(stream, bytes) {
      note(stream, "in", bytes);
      handler.onData(stream, bytes);
    },
    onEnd: (stream) => handler.onEnd(stream),
    onClose(stream, reason) {
      note(stream, "close", NOTHING);
      handler.onClose(stream, reason);
    },
    onDrain: (stream) => handler.onDrain(stream),
  };
}

const real = Object.getOwnPropertyDescriptor(Pipeline.prototype, "protocols");
if (real?.get === undefined) throw new Error("the pipeline serves its protocols by another name now");
Object.defineProperty(Pipeline.prototype, "protocols", {
  get(this: Pipeline): ProtocolTable {
    const table: ProtocolTable = real.get?.call(this);
    return (protocol) => {
      const handler = table(protocol);
      return handler === null ? null : tap(handler);
    };
  },
});

await import("../../cmd/dchat.ts");
