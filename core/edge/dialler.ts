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
import type { Connection, MakeLink } from "./connection.ts";
import { Driver } from "./driver.ts";
import { plainAddress } from "./origin.ts";
import { AGENT, noiseIdentity } from "./own.ts";
import type { DialOptions, Dialler, EdgeConnection, EdgeEvents, EdgeLimits } from "./port.ts";
import { TcpConnection, type TcpSocket, peerGone, tcpHandlers } from "./tcp.ts";
import { dialWebSocket } from "./websocket.ts";

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

  constructor(options: DiallerOptions) {
    this.#options = options;
    this.#driver = new Driver({ ...options, events: options.events ?? null });
  }

  get connections(): number {
    return this.#driver.connections.size;
  }

  /**
   * Connects, proves the peer and opens the muxer. Throws Fault<"edge/dial"> where no connection is to be had,
   * Fault<"edge/handshake"> where the peer doesn't speak libp2p or is another than expected, the signal's reason
   * where it aborts.
   */
  async dial(dial: DialOptions): Promise<EdgeConnection> {
    const address = parseAddress(dial.address);
    dial.signal?.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const connection = await this.#connect(address, this.#linkFor(dial, address), resolve);
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
    for (const connection of this.#driver.connections) this.#driver.drop(connection, "closed");
  }

  #linkFor(dial: DialOptions, address: Address): MakeLink {
    const { crypto, identity, clock } = this.#options;
    using fresh = identity === undefined ? crypto.ed25519.generate() : null;
    const key = identity ?? fresh;
    if (key === null) throw new Fault("edge/dial", "A dialler needs a key");
    const identified = encodeIdentify({
      publicKey: key.publicKey,
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
      noise: noiseIdentity(crypto, key),
      protocols: withBuiltins(identify, dial.protocols ?? (() => null)),
      expectedPeer: address.peer?.bytes ?? null,
    });
    return (owner) => new Link(profile, owner, clock.monotonic());
  }

  async #connect(
    address: Address,
    link: MakeLink,
    waiter: (failure: string | null) => void,
  ): Promise<Connection> {
    const driver = this.#driver;
    const { authorities } = this.#options;
    try {
      if (address.transport !== "tcp")
        return await dialWebSocket(driver, address, { link, waiter, authorities });
      return await dialTcp(driver, address, { link, waiter });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Fault("edge/dial", `Cannot connect to ${formatAddress(address)}: ${why}`, { cause: error });
    }
  }
}

interface Dialling {
  readonly link: MakeLink;
  readonly waiter: (failure: string | null) => void;
}

async function dialTcp(driver: Driver, address: Address, { link, waiter }: Dialling): Promise<Connection> {
  const { promise, resolve } = Promise.withResolvers<Connection | null>();
  await Bun.connect<TcpConnection | undefined>({
    hostname: address.host.name,
    port: address.port,
    socket: {
      ...tcpHandlers,
      open(socket: TcpSocket) {
        if (peerGone(socket)) {
          resolve(null);
          return;
        }
        const origin = driver.admission.count(plainAddress(socket.remoteAddress));
        const connection = new TcpConnection(driver, socket, { inbound: false, origin, link });
        connection.waiter = waiter;
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
