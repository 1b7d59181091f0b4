/** For tests: listeners with what happened to them written down, and peers that do as a test says. */
import { type Crypto, openCrypto } from "@dchat/crypto-wasm";
import type { Socket } from "bun";
import { limit } from "../ground/mod.ts";
import { BufferPool, Link } from "../link/mod.ts";
import { ClientEnd, clientFrame, requestOf } from "./websocket/_kit.ts";
import { linkLimits } from "./link_limits.ts";
import { openListener } from "./listener.ts";
import { noiseIdentity } from "./own.ts";
import type {
  EdgeConnection,
  EdgeEvents,
  EdgeLimits,
  EdgeStream,
  Listener,
  StreamHandler,
  TlsFiles,
} from "./port.ts";

export const crypto: Crypto = await openCrypto({ needs: [] });
export const clock = { now: () => Date.now(), monotonic: () => performance.now() };

export const LIMITS: EdgeLimits = {
  connectionsMax: 10_000,
  connectionsPerAddressMax: 10_000,
  handshakesMax: 1000,
  streamsMax: limit.STREAMS_MAX_DEFAULT,
  handshakeTimeoutMs: limit.HANDSHAKE_TIMEOUT_MS,
  keepaliveIntervalMs: limit.KEEPALIVE_INTERVAL_MS,
  keepaliveTimeoutMs: limit.KEEPALIVE_TIMEOUT_MS,
  slowReaderTimeoutMs: limit.SLOW_READER_TIMEOUT_MS,
};

/** Writes down what an edge tells. */
export class Log implements EdgeEvents {
  readonly connections: EdgeConnection[] = [];
  readonly reasons: string[] = [];
  readonly failures: string[] = [];
  readonly limits: string[] = [];
  readonly errors: unknown[] = [];
  writes = 0;
  sent = 0;
  received = 0;

  opened(connection: EdgeConnection): void {
    this.connections.push(connection);
  }

  closed(_connection: EdgeConnection, reason: string): void {
    this.reasons.push(reason);
  }

  failed(reason: string, times = 1): void {
    for (let time = 0; time < times; time++) this.failures.push(reason);
  }

  limited(name: string, _address: string, times = 1): void {
    for (let time = 0; time < times; time++) this.limits.push(name);
  }

  bytes(received: number, sent: number): void {
    this.received += received;
    this.sent += sent;
    if (sent > 0) this.writes++;
  }

  error(error: unknown): void {
    this.errors.push(error);
  }
}

/** A handler of which a test says only what it needs. */
export function handler<T = unknown>(parts: Partial<StreamHandler<T>>): StreamHandler<T> {
  const nothing = (): void => {};
  return { onOpen: nothing, onData: nothing, onEnd: nothing, onClose: nothing, onDrain: nothing, ...parts };
}

/** Echoes small messages and consumes them. */
export const echo = handler({
  onData(stream, bytes) {
    stream.write(bytes);
    stream.consume(bytes.length);
  },
  onEnd: (stream) => stream.end(),
});

/** Writes as much as it may, for ever. */
export const gusher = handler({
  onOpen: pour,
  onDrain: pour,
});

const WATER = new Uint8Array(64 * 1024);

function pour(stream: EdgeStream): void {
  for (let round = 0; round < 100 && stream.write(WATER) > 0; round++) continue;
}

/** Protocols that listeners of tests serve. */
export const SERVED: ReadonlyMap<string, StreamHandler<unknown>> = new Map([
  ["/echo", echo],
  ["/gush", gusher],
  ["/hold", handler({})],
]);

/** Addresses to listen on, by transport. */
export const ANY_PORT = { tcp: "127.0.0.1:0", ws: "/ip4/127.0.0.1/tcp/0/ws" } as const;
export type Transport = keyof typeof ANY_PORT;

export interface Opened extends AsyncDisposable {
  readonly listener: Listener;
  readonly log: Log;
  /** Multiaddr of the first address, with /p2p/. */
  readonly address: string;
  readonly port: number;
}

/** A listener on loopback that serves /echo, /gush and /hold. */
export async function listen(
  limits: Partial<EdgeLimits> = {},
  addresses = ["127.0.0.1:0"],
  tls?: TlsFiles,
): Promise<Opened> {
  const log = new Log();
  using identity = crypto.ed25519.generate();
  const listener = await openListener({
    crypto,
    identity,
    addresses,
    ...(tls === undefined ? {} : { tls }),
    limits: { ...LIMITS, ...limits },
    protocols: (protocol) => SERVED.get(protocol) ?? null,
    protocolNames: [...SERVED.keys()],
    events: log,
    clock,
  });
  const first = listener.addresses[0] ?? "";
  return {
    listener,
    log,
    address: `${first}/p2p/${listener.peer.text}`,
    port: Number(/\/tcp\/(\d+)/.exec(first)?.[1]),
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

/** Waits until `condition` holds; throws saying `what` after 20 s. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await Bun.sleep(5);
  }
}

/** A socket with nothing behind it. */
export interface Bare {
  readonly socket: Socket<Bare | undefined>;
  closed: boolean;
  received: Buffer;
}

/** Connects, with TLS where it is told to and from one of this machine's addresses, and then does nothing of its own. */
export async function connectBare(port: number, { tls = false, from = "" } = {}): Promise<Bare> {
  const { promise, resolve } = Promise.withResolvers<Bare>();
  await Bun.connect<Bare | undefined>({
    hostname: "127.0.0.1",
    port,
    ...(tls ? { tls: { rejectUnauthorized: false } } : {}),
    ...(from === "" ? {} : { localAddress: from }),
    socket: {
      open(socket) {
        const bare: Bare = { socket, closed: false, received: Buffer.alloc(0) };
        socket.data = bare;
        resolve(bare);
      },
      data(socket, bytes) {
        if (socket.data !== undefined) socket.data.received = Buffer.concat([socket.data.received, bytes]);
      },
      close(socket) {
        if (socket.data !== undefined) socket.data.closed = true;
      },
      error() {},
    },
  });
  return promise;
}

/** A peer that has shaken hands by the book and from then on sends what a test says. */
export interface Hostile {
  readonly socket: Socket;
  readonly link: Link<Hostile>;
  closed: boolean;
  /** Seals plaintext, of yamux frames or of anything, and sends it. */
  send(plaintext: Uint8Array): void;
}

/** What a link gives in one go; emptied before anything else runs, so that all links share it. */
const pulled = new Uint8Array(1 << 20);

/** What a socket did not take yet, and what gives it more. */
class Sender {
  readonly #unsent: Uint8Array[] = [];
  readonly #way: ClientEnd | null;

  /** Sends a link's bytes as they are, or in WebSocket's frames. */
  constructor(way: ClientEnd | null) {
    this.#way = way;
  }

  flush(socket: Socket, link: Link<Hostile>): void {
    if (this.#way?.isOpen === false) return;
    for (let length = link.pull(pulled); length > 0; length = link.pull(pulled)) {
      const bytes = pulled.slice(0, length);
      this.#unsent.push(this.#way === null ? bytes : clientFrame(bytes));
    }
    this.drain(socket);
  }

  drain(socket: Socket): void {
    for (let first = this.#unsent[0]; first !== undefined; first = this.#unsent[0]) {
      const taken = Math.max(0, socket.write(first));
      if (taken < first.length) {
        this.#unsent[0] = first.subarray(taken);
        return;
      }
      this.#unsent.shift();
    }
  }
}

/** Connects and shakes hands; afterwards it reads what comes, or doesn't where the socket is paused. */
export async function connectHostile(
  port: number,
  transport: Transport | "wss" = "tcp",
  { from = "" } = {},
): Promise<Hostile> {
  const { promise, resolve, reject } = Promise.withResolvers<Hostile>();
  const way = transport === "tcp" ? null : new ClientEnd();
  const sender = new Sender(way);
  using identity = crypto.ed25519.generate();
  const noise = noiseIdentity(crypto, identity);
  let hostile: Hostile | null = null;
  const link: Link<Hostile> = new Link(
    {
      role: "dialler",
      noise,
      pool: new BufferPool(),
      limits: () => linkLimits(LIMITS),
      hasMemory: () => true,
      protocols: () => null,
      expectedPeer: null,
      events: {
        opened: () => (hostile === null ? undefined : resolve(hostile)),
        closed: (_link, reason) => reject(new Error(reason)),
        output: () => {},
        limited: () => {},
        error: reject,
      },
    },
    // The owner is looked at by nobody before it is there.
    undefined as unknown as Hostile,
    0,
  );
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    ...(transport === "wss" ? { tls: { rejectUnauthorized: false } } : {}),
    ...(from === "" ? {} : { localAddress: from }),
    socket: {
      open(socket) {
        hostile = {
          socket,
          link,
          closed: false,
          send(plaintext) {
            link.queue.append(plaintext);
            sender.flush(socket, link);
          },
        };
        if (way !== null) socket.write(requestOf());
        sender.flush(socket, link);
      },
      data(socket, bytes) {
        link.receive(way?.payloadOf(bytes) ?? bytes, 0);
        sender.flush(socket, link);
      },
      drain: (socket) => sender.drain(socket),
      close() {
        if (hostile !== null) hostile.closed = true;
        reject(new Error("closed before the handshake was done"));
      },
      error() {},
    },
  });
  return promise;
}

/** What `promise` rejects with; throws where it doesn't. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("it was done, and should have failed");
}
