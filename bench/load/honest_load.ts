/**
 * Devices that behave: each keeps one connection and one /ipfs/ping/1.0.0 stream and sends 32 bytes every second.
 * argv: ADDRESS COUNT. JSON lines on stdin: `{"seconds": S}` runs and answers with what was sent, what came back,
 * how long each took, and how many connections were lost since the start.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { type EdgeStream, openDialler, type StreamHandler } from "../../core/edge/mod.ts";
import { benchClock, benchLimits } from "./edge.ts";

const [, , address = "", countText = "1"] = process.argv;
const PING_BYTES = 32;
const EVERY_MS = 1000;

interface Device {
  sentAt: number;
  got: number;
}

let lost = 0;
let sent = 0;
let answered = 0;
let tookMs: number[] = [];

const pinging: StreamHandler<Device> = {
  onOpen() {
    // The run says when to write.
  },
  onData(stream, bytes) {
    stream.consume(bytes.length);
    const device = stream.context;
    device.got += bytes.length;
    if (device.got < PING_BYTES) return;
    device.got = 0;
    answered++;
    tookMs.push(performance.now() - device.sentAt);
  },
  onEnd() {
    // It ends with its connection.
  },
  onDrain() {
    // A ping always fits.
  },
  onClose() {
    lost++;
  },
};

const crypto = await openCrypto();
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });
const message = new Uint8Array(PING_BYTES).fill(5);
const streams: EdgeStream<Device>[] = [];
for (let count = 0; count < Number(countText); count++) {
  const connection = await dialler.dial({ address });
  streams.push(connection.open("/ipfs/ping/1.0.0", pinging, { sentAt: 0, got: 0 }));
}

function ping(stream: EdgeStream<Device>): void {
  stream.context.sentAt = performance.now();
  if (stream.write(message) === PING_BYTES) sent++;
}

/** All devices once a second, spread over it. */
async function run(seconds: number): Promise<void> {
  [sent, answered, tookMs] = [0, 0, []];
  const started = performance.now();
  let turn = 0;
  while (performance.now() - started < seconds * 1000) {
    const due = ((performance.now() - started) / EVERY_MS) * streams.length;
    for (; turn < due; turn++) {
      const stream = streams[turn % streams.length];
      if (stream !== undefined) ping(stream);
    }
    await Bun.sleep(1);
  }
  await Bun.sleep(1000);
  console.log(JSON.stringify({ sent, answered, lost, tookMs }));
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) await run((JSON.parse(line) as { seconds: number }).seconds);
process.exit(0);
