import { afterAll, beforeAll, expect, test } from "bun:test";
import { noise, type ICryptoInterface } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { createLibp2p, type Libp2p } from "libp2p";
import { FITTING } from "./_columns.ts";
import { type Crypto, libp2pNoiseCrypto, openCrypto } from "./mod.ts";

const PROTOCOL = "/echo/1";
let crypto: Crypto;
const nodes: Libp2p[] = [];

async function openNode(listen: string[]): Promise<Libp2p> {
  // Typed by libp2p's own interface, so that a change of it doesn't compile.
  const own: ICryptoInterface = libp2pNoiseCrypto(crypto);
  const node = await createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise({ crypto: own })],
    streamMuxers: [yamux()],
    services: { ping: ping() },
  });
  nodes.push(node);
  return node;
}

beforeAll(async () => {
  crypto = await openCrypto({ ...FITTING, needs: [] });
});

afterAll(async () => {
  for (const node of nodes) await node.stop();
  await crypto[Symbol.asyncDispose]();
});

test("libp2pNoiseCrypto() carries frames of 1,200 bytes and far more between unchanged js-libp2p nodes", async () => {
  const listener = await openNode(["/ip4/127.0.0.1/tcp/0"]);
  await listener.handle(PROTOCOL, (stream) => {
    stream.addEventListener("message", (event) => {
      if (!stream.send(event.data)) stream.pause();
    });
    stream.addEventListener("drain", () => stream.resume());
    stream.addEventListener("remoteCloseWrite", () => void stream.close());
  });
  const dialler = await openNode([]);
  const address = listener.getMultiaddrs()[0];
  if (address === undefined) throw new Error("the listener has no address");
  for (const bytes of [1_199, 1_200, 200_000]) {
    const stream = await dialler.dialProtocol(address, PROTOCOL);
    const sent = crypto.random.bytes(bytes);
    const back = new Uint8Array(bytes);
    let at = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.addEventListener("message", (event) => {
      const chunk = event.data.subarray();
      back.set(chunk, at);
      at += chunk.length;
      if (at === bytes) resolve();
    });
    for (let from = 0; from < bytes; from += 60_000) {
      if (!stream.send(sent.subarray(from, from + 60_000)))
        await new Promise((drained) => stream.addEventListener("drain", drained, { once: true }));
    }
    await promise;
    expect(Buffer.compare(back, sent)).toBe(0);
    await stream.close();
  }
});
