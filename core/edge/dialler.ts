import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { type Clock, Fault } from "../ground/mod.ts";
import {
  type Address,
  BUILTIN_PROTOCOLS,
  IdentifyAnswer,
  Link,
  encodeIdentify,
  formatAddress,
  parseAddress,
  withBuiltins,
} from "../link/mod.ts";
import type { Attempt, Connection, MakeLink } from "./connection.ts";
import { Driver } from "./driver.ts";
import { plainAddress } from "./origin.ts";
import { AGENT, type OwnNoise, noiseIdentity } from "./own.ts";
import type { DialOptions, Dialler, EdgeConnection, EdgeEvents, EdgeLimits } from "./port.ts";
import { type SocketConnection, TcpConnection, type TcpSocket, peerGone, socketHandlers } from "./tcp.ts";
import { dialWebSocket } from "./websocket/dial.ts";

export interface DiallerOptions {
  readonly crypto: Pick<Crypto, "ed25519" | "x25519" | "noise">;
  readonly limits: EdgeLimits;
  readonly clock: Clock;
  readonly events?: EdgeEvents;
  /** The key behind our PeerId, borrowed for each dial; where it is left out, each connection has a fresh one. */
  readonly identity?: SigningKey;
  readonly agent?: string;
  /** PEM of authorities that /tls/ws certificates may come from, instead of the system's. */
  readonly authorities?: string;
}

/** Makes a dialler. Each connection is somebody new to its peer, unless an identity is given. */
export function openDialler(options: DiallerOptions): Dialler {
  return new EdgeDialler(options);
}

class EdgeDialler implements Dialler {
  readonly #options: DiallerOptions;
  readonly #driver: Driver;
  #closed = false;

  constructor(options: DiallerOptions) {
    this.#options = options;
    this.#driver = new Driver({ ...options, events: options.events ?? null });
  }

  get connections(): number {
    return this.#driver.connections.size;
  }

  /**
   * Connects, proves the peer and opens the muxer. Throws Fault<"edge/dial"> where no connection is to be had in
   * the handshake's time, Fault<"edge/handshake"> where the peer doesn't speak libp2p or is another than expected,
   * the signal's reason where it aborts.
   */
  async dial(dial: DialOptions): Promise<EdgeConnection> {
    const address = parseAddress(dial.address);
    dial.signal?.throwIfAborted();
    using noise = this.#noise();
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const attempt = {
      link: this.#linkFor(dial, { address, noise }),
      settle: resolve,
      over: () => this.#closed,
    };
    const connection = await this.#connect(address, { attempt, signal: dial.signal });
    const abort = (): void => this.#driver.drop(connection, "aborted");
    dial.signal?.addEventListener("abort", abort);
    if (dial.signal?.aborted === true) abort();
    const failure = await promise;
    dial.signal?.removeEventListener("abort", abort);
    if (failure === null) return connection;
    dial.signal?.throwIfAborted();
    throw new Fault("edge/handshake", `Cannot speak with ${formatAddress(address)}: ${failure}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const connection of this.#driver.connections) this.#driver.drop(connection, "closed");
  }

  /** The given identity's Noise key or, where none is given, somebody new's. */
  #noise(): ReturnType<typeof noiseIdentity> {
    const { crypto, identity } = this.#options;
    if (identity !== undefined) return noiseIdentity(crypto, identity);
    using fresh = crypto.ed25519.generate();
    return noiseIdentity(crypto, fresh);
  }

  #linkFor(dial: DialOptions, { address, noise }: { address: Address; noise: OwnNoise }): MakeLink {
    const identified = encodeIdentify({
      publicKey: noise.publicKey,
      agent: this.#options.agent ?? AGENT,
      protocols: BUILTIN_PROTOCOLS,
      listenAddresses: [],
    });
    const identify = new IdentifyAnswer<Connection>(
      () => identified,
      (connection) => connection.observedAddress,
    );
    const profile = this.#driver.profile({
      role: "dialler",
      noise,
      protocols: withBuiltins(identify, dial.protocols ?? (() => null)),
      expectedPeer: address.peer?.bytes ?? null,
    });
    return (owner) => new Link(profile, owner, this.#options.clock.monotonic());
  }

  /** A socket that is open, with its link at work. Whoever comes too late is cut off. */
  async #connect(
    address: Address,
    { attempt, signal }: { attempt: Omit<Attempt, "givenUp">; signal: AbortSignal | undefined },
  ): Promise<Connection> {
    const late = new AbortController();
    const timed: Attempt = {
      ...attempt,
      over: () => late.signal.aborted || attempt.over(),
      givenUp: late.signal,
    };
    const { authorities, limits } = this.#options;
    const given = Promise.withResolvers<never>();
    const giveUp = (): void => given.reject(new Error("it was given up"));
    const timer = setTimeout(
      () => given.reject(new Error(`no connection within ${limits.handshakeTimeoutMs} ms`)),
      limits.handshakeTimeoutMs,
    );
    signal?.addEventListener("abort", giveUp);
    const dialling =
      address.transport === "tcp"
        ? dialTcp(this.#driver, address, timed)
        : dialWebSocket(this.#driver, address, { attempt: timed, authorities });
    try {
      return await Promise.race([dialling, given.promise]);
    } catch (error) {
      late.abort();
      dialling.catch(() => {});
      signal?.throwIfAborted();
      const why = reasonOf(error);
      throw new Fault("edge/dial", `Cannot connect to ${formatAddress(address)}: ${why}`, { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", giveUp);
    }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && error.code === "ECONNREFUSED" ? "nothing listens there" : error.message;
}

async function dialTcp(driver: Driver, address: Address, attempt: Attempt): Promise<Connection> {
  const { promise, resolve } = Promise.withResolvers<Connection | null>();
  await Bun.connect<SocketConnection | undefined>({
    hostname: address.host.name,
    port: address.port,
    socket: {
      ...socketHandlers,
      open(socket: TcpSocket) {
        if (peerGone(socket) || attempt.over()) {
          socket.terminate();
          resolve(null);
          return;
        }
        const origin = driver.admission.count(plainAddress(socket.remoteAddress));
        const connection = new TcpConnection(driver, socket, { inbound: false, origin, link: attempt.link });
        connection.waiter = attempt.settle;
        socket.data = connection;
        driver.add(connection);
        resolve(connection);
      },
    },
  });
  const connection = await promise;
  if (connection === null) throw new Error("the connection was closed at once");
  return connection;
}

/** One connection by a dialler of its own, which goes with it. */
export async function dial(options: DiallerOptions & DialOptions): Promise<EdgeConnection> {
  return openDialler(options).dial(options);
}
