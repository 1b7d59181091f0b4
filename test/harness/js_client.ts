/**
 * An unchanged js-libp2p client that speaks the mailbox protocol by its codec alone, as somebody else's client
 * would; runs on Bun and on Node. argv: ADDRESS. Makes a mailbox, appends, reads it back, and prints what it saw.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from "node:crypto";
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { identify } from "@libp2p/identify";
import type { Stream } from "@libp2p/interface";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { webSockets } from "@libp2p/websockets";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { entryId, publicKey } from "../../core/ground/mod.ts";
import {
  type CommandBody,
  decodeReply,
  FrameReader,
  GENERATION_FIRST,
  mailboxIdOf,
  PROTOCOL_ID,
  type Reply,
  signCommand,
} from "../../core/wire/mod.ts";

const [, , address = ""] = process.argv;

/** The two operations that the codec asks for, by the engine's own means. */
const hash = {
  sha256: (...parts: readonly Uint8Array[]): Uint8Array => {
    const digest = createHash("sha256");
    for (const part of parts) digest.update(part);
    return new Uint8Array(digest.digest());
  },
};

interface Key {
  readonly publicKey: Uint8Array;
  readonly pem: string;
}

function generate(): Key {
  const pair = generateKeyPairSync("ed25519");
  const jwk = pair.publicKey.export({ format: "jwk" });
  return {
    publicKey: new Uint8Array(Buffer.from(String(jwk.x), "base64url")),
    pem: pair.privateKey.export({ format: "pem", type: "pkcs8" }),
  };
}

async function bunsNoise() {
  if (!("Bun" in globalThis)) return noise();
  const { libp2pNoiseCrypto, openCrypto } = await import("@dchat/crypto-wasm");
  return noise({ crypto: libp2pNoiseCrypto(await openCrypto()) });
}

class Client {
  readonly #stream: Stream;
  readonly #replies: { request: number; reply: Reply }[] = [];
  #wake: (() => void) | null = null;

  constructor(stream: Stream) {
    this.#stream = stream;
    const frames = new FrameReader({
      onFrame: (kind, request, payload) => {
        this.#replies.push({ request, reply: decodeReply({ kind, payload }) });
        this.#wake?.();
      },
    });
    stream.addEventListener("message", ({ data }) => frames.push(data.subarray()));
  }

  async next(): Promise<Reply> {
    while (this.#replies.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    const first = this.#replies.shift();
    if (first === undefined) throw new Error("no reply");
    return first.reply;
  }

  async send(frame: Uint8Array): Promise<void> {
    if (!this.#stream.send(frame)) await this.#stream.onDrain();
  }
}

const host = await createLibp2p({
  transports: [tcp(), webSockets()],
  connectionEncrypters: [await bunsNoise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping() },
});
const identified = new Promise<readonly string[]>((resolve) => {
  host.addEventListener("peer:identify", ({ detail }) => resolve(detail.protocols), { once: true });
});
const connection = await host.dial(multiaddr(address));
const pingMs = await host.services.ping.ping(multiaddr(address));
const client = new Client(await connection.newStream(PROTOCOL_ID));
const hello = await client.next();
if (hello.is !== "hello") throw new Error(`expected a hello, got ${hello.is}`);
const { relay } = hello.certificate;

const [owner, writer, reader] = [generate(), generate(), generate()];
const record = {
  owner: publicKey(owner.publicKey),
  relay,
  policy: { entriesMax: 100, bytesMax: 1 << 20, ttlMs: 86_400_000, retentionMs: 0 },
  nonce: new Uint8Array(randomBytes(16)),
};
const mailbox = mailboxIdOf(record, hash);

async function ask(body: CommandBody, { publicKey: raw, pem }: Key): Promise<Reply> {
  if (hello.is !== "hello") throw new Error("no hello");
  const options = {
    body,
    mailbox,
    generation: GENERATION_FIRST,
    notAfterMs: hello.nowMs + 60_000,
    relay,
    nonce: hello.nonce,
    request: 1,
    // The codec reads the public half and hands the key on to `sign` below.
    key: { publicKey: raw, exportSeed: () => new Uint8Array(32), [Symbol.dispose]: () => undefined },
  };
  const signer = {
    sign: (_: unknown, message: Uint8Array) => new Uint8Array(sign(null, message, createPrivateKey(pem))),
  };
  await client.send(signCommand(options, { hash, ed25519: signer }));
  return client.next();
}

const keyOf = (key: Key) => publicKey(key.publicKey);
const created = await ask({ op: "create", record, writer: keyOf(writer), readers: [keyOf(reader)] }, owner);
const entry = new Uint8Array(randomBytes(65_536));
const appended = await ask(
  {
    op: "append",
    id: entryId(new Uint8Array(randomBytes(16))),
    turn: 0,
    kind: "plain",
    slot: 0,
    change: null,
    entry,
  },
  writer,
);
const back = await ask({ op: "read", from: 0, bytesMax: 1 << 20 }, reader);
const done = await client.next();
console.log(
  JSON.stringify({
    pingMs,
    protocols: await identified,
    relay: Buffer.from(relay).toString("hex"),
    publicKey: createPublicKey(writer.pem).asymmetricKeyType,
    replies: [created.is, appended.is, back.is, done.is],
    same: back.is === "entry" && back.entry !== null && Buffer.compare(back.entry, entry) === 0,
  }),
);
await host.stop();
process.exit(0);
