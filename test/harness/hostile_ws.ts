/** A peer on a WebSocket that has shaken hands by the book and from then on sends what a test says, and reads nothing. */
import type { Socket } from "bun";
import { type Crypto } from "@dchat/crypto-wasm";
import { limit } from "../../core/ground/mod.ts";
import { BufferPool, Link, type NoiseIdentity, signPayload } from "../../core/link/mod.ts";

export interface HostileWebSocket {
  closed: boolean;
  /** Seals plaintext, of yamux frames or of anything, and sends it as one message. */
  send(plaintext: Uint8Array): void;
}

/** RFC 6455, section 5.2: final, binary; masked with zeros, which leaves the payload as it is. */
function message(payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(14);
  header[0] = 0x82;
  header[1] = 0x80 | 127;
  new DataView(header.buffer).setBigUint64(2, BigInt(payload.length));
  return Buffer.concat([header, payload]);
}

/** What servers send here: short messages, each in one frame. */
class Frames {
  #held: Uint8Array = new Uint8Array(0);
  #upgraded = false;

  /** Payloads that are whole now. */
  *push(bytes: Uint8Array): Iterable<Uint8Array> {
    this.#held = Buffer.concat([this.#held, bytes]);
    if (!this.#upgraded) {
      const end = Buffer.from(this.#held).indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#upgraded = true;
      this.#held = this.#held.subarray(end + 4);
      yield new Uint8Array(0);
    }
    for (;;) {
      const short = (this.#held[1] ?? 127) & 127;
      const head = short === 126 ? 4 : 2;
      if (short === 127 || this.#held.length < head) return;
      const length = short === 126 ? ((this.#held[2] ?? 0) << 8) | (this.#held[3] ?? 0) : short;
      if (this.#held.length < head + length) return;
      yield this.#held.subarray(head, head + length);
      this.#held = this.#held.subarray(head + length);
    }
  }
}

function newIdentity(crypto: Crypto): NoiseIdentity {
  using key = crypto.ed25519.generate();
  const staticKey = crypto.x25519.generate();
  const payload = signPayload(crypto, key, { staticKey: staticKey.publicKey, earlyMuxer: true });
  return { crypto: crypto.noise, staticKey, payload, earlyMuxer: true };
}

/** Connects, upgrades and shakes hands. */
export async function connectHostileWebSocket(crypto: Crypto, port: number): Promise<HostileWebSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<HostileWebSocket>();
  const unsent: Uint8Array[] = [];
  const frames = new Frames();
  const pulled = new Uint8Array(1 << 20);
  const limits = {
    streamsMax: 1,
    streamWindowBytes: limit.STREAM_WINDOW_BYTES_DEFAULT,
    streamFrameBytesMax: limit.STREAM_FRAME_BYTES_MAX_DEFAULT,
    streamOpensPerSecond: limit.STREAM_OPENS_PER_SECOND_DEFAULT,
    outputBytesMax: limit.LINK_OUTPUT_MARK_BYTES,
    handshakeTimeoutMs: limit.HANDSHAKE_TIMEOUT_MS,
    keepaliveIntervalMs: limit.KEEPALIVE_INTERVAL_MS,
    keepaliveTimeoutMs: limit.KEEPALIVE_TIMEOUT_MS,
  };
  const peer: HostileWebSocket = { closed: false, send: () => undefined };
  const link = new Link<null>(
    {
      role: "dialler",
      noise: newIdentity(crypto),
      pool: new BufferPool(),
      limits: () => limits,
      hasMemory: () => true,
      protocols: () => null,
      expectedPeer: null,
      events: {
        opened: () => resolve(peer),
        closed: (_link, reason) => reject(new Error(reason)),
        output: () => undefined,
        limited: () => undefined,
        error: reject,
      },
    },
    null,
    0,
  );
  const drain = (socket: Socket): void => {
    for (let first = unsent[0]; first !== undefined; first = unsent[0]) {
      const taken = Math.max(0, socket.write(first));
      unsent[0] = first.subarray(taken);
      if (taken < first.length) return;
      unsent.shift();
    }
  };
  const flush = (socket: Socket): void => {
    for (let length = link.pull(pulled); length > 0; length = link.pull(pulled)) {
      unsent.push(message(pulled.slice(0, length)));
    }
    drain(socket);
  };
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open(socket) {
        peer.send = (plaintext) => {
          socket.pause();
          link.queue.append(plaintext);
          flush(socket);
        };
        socket.write(
          `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
      },
      data(socket, bytes) {
        for (const payload of frames.push(bytes)) link.receive(payload, 0);
        flush(socket);
      },
      drain,
      close() {
        peer.closed = true;
        reject(new Error("closed before the handshake was done"));
      },
      error: () => undefined,
    },
  });
  return promise;
}
