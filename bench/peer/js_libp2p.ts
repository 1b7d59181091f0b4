/**
 * A js-libp2p host for benchmarks; see README.md beside it. `--tuned` switches off what costs it most (the
 * connection monitor's pings) and lifts its limits; without it only the limits are lifted.
 * Its Noise gets our crypto in both cases: the default one dies on Bun at frames of 1,200 bytes.
 */
import { libp2pNoiseCrypto, openCrypto } from "@dchat/crypto-wasm";
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { identify } from "@libp2p/identify";
import type { Stream } from "@libp2p/interface";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { createLibp2p } from "libp2p";

const HEAD_BYTES = 5;
const tuned = process.argv.includes("--tuned");
const crypto = await openCrypto();

const host = await createLibp2p({
  addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
  transports: [tcp({ backlog: 4096 })],
  connectionEncrypters: [noise({ crypto: libp2pNoiseCrypto(crypto) })],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping() },
  connectionManager: {
    maxConnections: 1_000_000,
    inboundConnectionThreshold: 1_000_000,
    maxIncomingPendingConnections: 1_000_000,
  },
  connectionMonitor: { enabled: !tuned },
});

const receivers = new Map<number, Stream>();

async function forward(stream: Stream): Promise<void> {
  let head = new Uint8Array(0);
  let receiver: Stream | undefined;
  for await (const chunk of stream) {
    let bytes = chunk instanceof Uint8Array ? chunk : chunk.subarray();
    if (head.length < HEAD_BYTES) {
      const joined = new Uint8Array(head.length + bytes.length);
      joined.set(head);
      joined.set(bytes, head.length);
      if (joined.length < HEAD_BYTES) {
        head = joined;
        continue;
      }
      head = joined.subarray(0, HEAD_BYTES);
      bytes = joined.subarray(HEAD_BYTES);
      const pair = new DataView(head.buffer).getUint32(1);
      if (head[0] === 0x52) {
        receivers.set(pair, stream);
        stream.send(new Uint8Array([0x31]));
      } else {
        receiver = receivers.get(pair);
        if (receiver === undefined) {
          stream.abort(new Error("no receiver"));
          return;
        }
      }
    }
    if (receiver !== undefined && bytes.length > 0 && !receiver.send(bytes)) await receiver.onDrain();
  }
}

await host.handle("/dchat/bench/forward/1", forward, { maxInboundStreams: 1_000_000 });
await host.handle(
  "/dchat/bench/hold/1",
  async (stream) => {
    for await (const chunk of stream) stream.send(chunk);
  },
  { maxInboundStreams: 1_000_000 },
);

console.log(JSON.stringify({ addr: host.getMultiaddrs()[0]?.toString() }));
for await (const line of console) {
  if (line === "gc") {
    Bun.gc(true);
    console.log(JSON.stringify({ gc: true }));
  }
}
process.exit(0);
