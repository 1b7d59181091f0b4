/**
 * The js-libp2p peer of ../README.md, unchanged js-libp2p on Bun and on Node. On Bun its Noise is given our
 * crypto, since the default asks node:crypto for a cipher that Bun lacks; on Node it is stock.
 */
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { identify } from "@libp2p/identify";
import type { Libp2p, Stream } from "@libp2p/interface";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { webSockets } from "@libp2p/websockets";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { runChecks } from "./checks.ts";

const ECHO = "/dchat/interop/echo/1";
const KEY_TYPES = { ed25519: "Ed25519", rsa: "RSA", secp256k1: "secp256k1", ecdsa: "ECDSA" } as const;

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

async function privateKey() {
  const wanted = option("key-type") ?? "ed25519";
  if (wanted === "rsa") return generateKeyPair("RSA", 2048);
  if (wanted === "ecdsa") return generateKeyPair("ECDSA", "P-256");
  if (wanted === "secp256k1") return generateKeyPair(KEY_TYPES.secp256k1);
  return generateKeyPair(KEY_TYPES.ed25519);
}

async function bunsNoise() {
  if (!("Bun" in globalThis)) return noise();
  const { libp2pNoiseCrypto, openCrypto } = await import("@dchat/crypto-wasm");
  return noise({ crypto: libp2pNoiseCrypto(await openCrypto()) });
}

async function openHost(listen: readonly string[]): Promise<Libp2p> {
  return createLibp2p({
    privateKey: await privateKey(),
    addresses: { listen: [...listen] },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [await bunsNoise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
    nodeInfo: { name: "dchat-interop-js", version: "1", userAgent: "dchat-interop-js" },
  });
}

async function echo(stream: Stream): Promise<void> {
  for await (const chunk of stream) if (!stream.send(chunk)) await stream.onDrain();
  await stream.close();
}

function report(line: unknown): void {
  console.log(JSON.stringify(line));
}

async function main(): Promise<void> {
  const [mode, address = "", protocol = ""] = process.argv.slice(2);
  if (mode === "listen") {
    const host = await openHost(["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"]);
    await host.handle(ECHO, echo, { maxInboundStreams: 100 });
    for (const listening of host.getMultiaddrs()) report({ addr: listening.toString() });
    process.stdin.resume();
    await new Promise((resolve) => process.stdin.once("end", resolve));
    await host.stop();
  } else if (mode === "dial") {
    await runChecks(await openHost([]), { address, echo: ECHO, report });
  } else if (mode === "pipe") {
    await pipe(await openHost([]), address, protocol);
  } else throw new Error(`unknown mode ${mode}; see README.md`);
  process.exit(0);
}

/** Joins one stream to stdin and stdout. */
async function pipe(host: Libp2p, address: string, protocol: string): Promise<void> {
  const stream = await host.dialProtocol(multiaddr(address), protocol);
  const up = (async () => {
    for await (const chunk of process.stdin) if (!stream.send(new Uint8Array(chunk))) await stream.onDrain();
    await stream.close();
  })();
  for await (const chunk of stream) process.stdout.write(chunk.subarray());
  await up;
}

await main();
