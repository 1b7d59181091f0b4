import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { bindReason, type Clock, Fault } from "../ground/mod.ts";
import {
  type Address,
  BUILTIN_PROTOCOLS,
  IdentifyAnswer,
  Link,
  type PeerId,
  encodeIdentify,
  encodeMultiaddr,
  formatAddress,
  parseAddress,
  parseListenAddress,
  peerIdFromPublicKey,
  withBuiltins,
} from "../link/mod.ts";
import { Acceptor } from "./accept.ts";
import type { Admission } from "./admission.ts";
import type { Connection, MakeLink } from "./connection.ts";
import { Driver } from "./driver.ts";
import { FileRoom } from "./file_room.ts";
import { AGENT, noiseIdentity, type OwnNoise } from "./own.ts";
import type {
  Access,
  EdgeConnection,
  EdgeEvents,
  EdgeLimits,
  Listener,
  ProtocolTable,
  TlsFiles,
} from "./port.ts";
import { reachableAddresses } from "./reachable.ts";
import { TcpConnection } from "./tcp.ts";
import { SecureWebSocketConnection, WebSocketConnection } from "./websocket.ts";

export interface ListenOptions {
  readonly crypto: Pick<Crypto, "ed25519" | "x25519" | "noise">;
  /** The key behind the PeerId; borrowed for the call. */
  readonly identity: SigningKey;
  /** Where to listen: multiaddrs or HOST:PORT; port 0 takes a free one. */
  readonly addresses: readonly string[];
  /** What identify says instead of the addresses that were bound: multiaddrs. */
  readonly announce?: readonly string[];
  readonly limits: EdgeLimits;
  readonly protocols: ProtocolTable;
  /** Names that identify tells of, beside identify and ping. */
  readonly protocolNames: readonly string[];
  /** For /tls/ws addresses; without it they can't be bound. */
  readonly tls?: TlsFiles;
  /** Who may come in; everybody where it is left out. */
  readonly access?: Access;
  readonly events: EdgeEvents;
  readonly clock: Clock;
  readonly agent?: string;
}

/** How a listener works beside others of the same node. */
export interface Beside {
  /** Binds so that other processes of this user can bind the same ports. */
  readonly shared: boolean;
  /** Taken over. */
  readonly noise: OwnNoise;
  readonly admission?: Admission;
}

/** What drives a socket, by the transport of the address that it came to. */
const CONNECTIONS = {
  tcp: TcpConnection,
  ws: WebSocketConnection,
  wss: SecureWebSocketConnection,
} satisfies Record<Address["transport"], unknown>;

/** One address that is listened on. */
interface Bound {
  /** Port resolved. */
  readonly address: Address;
  readonly link: MakeLink;
  /** Null while there are no files for connections. */
  acceptor: Acceptor | null;
}

/**
 * Listens for libp2p connections. Throws Fault<"edge/bind"> naming host and port where one can't be bound, and
 * then listens on none; Fault<"link/address"> for an address that can't be read.
 */
export function openListener(options: ListenOptions): Promise<Listener> {
  return listenBeside(options, {
    shared: false,
    noise: noiseIdentity(options.crypto, options.identity),
  });
}

/** A listener that may be one of several; throws as openListener() does. */
export async function listenBeside(
  options: Omit<ListenOptions, "crypto" | "identity">,
  { shared, noise, admission }: Beside,
): Promise<EdgeListener> {
  const wanted = options.addresses.map(parseListenAddress);
  const publicKey = noise.publicKey;
  const driver = new Driver({ ...options, ...(admission === undefined ? {} : { admission }) });
  if (options.access !== undefined) driver.setAccess(options.access);
  let identified: Uint8Array = new Uint8Array(0);
  const identify = new IdentifyAnswer<Connection>(
    () => identified,
    (connection) => connection.observedAddress,
  );
  const profile = driver.profile({
    role: "listener",
    noise,
    protocols: withBuiltins(identify, options.protocols),
    expectedPeer: null,
  });
  const makeLink: MakeLink = (owner) => new Link(profile, owner, options.clock.monotonic());
  const listener = new EdgeListener(driver, {
    peer: peerIdFromPublicKey(publicKey),
    noise,
    tls: options.tls ?? null,
    shared,
  });
  try {
    for (const address of wanted) listener.bind(address, makeLink);
  } catch (error) {
    await listener[Symbol.asyncDispose]();
    throw error;
  }
  const told = options.announce?.map(parseAddress) ?? listener.addresses.map(parseAddress);
  identified = encodeIdentify({
    publicKey,
    agent: options.agent ?? AGENT,
    protocols: [...BUILTIN_PROTOCOLS, ...options.protocolNames],
    listenAddresses: told.map((address) => encodeMultiaddr({ ...address, peer: null })),
  });
  return listener;
}

interface EdgeListenerOptions {
  readonly peer: PeerId;
  readonly noise: Disposable;
  readonly tls: TlsFiles | null;
  readonly shared: boolean;
}

export class EdgeListener implements Listener {
  readonly peer: PeerId;
  readonly bound: Bound[] = [];
  readonly #driver: Driver;
  readonly #noise: Disposable;
  readonly #files: FileRoom;
  #tls: TlsFiles | null;
  readonly #shared: boolean;
  #accepting = true;

  constructor(driver: Driver, options: EdgeListenerOptions) {
    this.#driver = driver;
    this.peer = options.peer;
    this.#noise = options.noise;
    this.#tls = options.tls;
    this.#shared = options.shared;
    this.#files = new FileRoom({ short: () => this.#suspend(), room: () => this.#resume() });
  }

  get addresses(): readonly string[] {
    return reachableAddresses(this.bound.map((bound) => bound.address)).map(formatAddress);
  }

  get connections(): number {
    return this.#driver.connections.size;
  }

  get isListening(): boolean {
    return this.#accepting && this.bound.every(({ acceptor }) => acceptor !== null);
  }

  get isMemoryFull(): boolean {
    return this.#driver.isMemoryFull;
  }

  bind(address: Address, link: MakeLink): void {
    const acceptor = this.#listen(address, link);
    this.bound.push({ address: { ...address, port: acceptor.port, peer: null }, link, acceptor });
  }

  nextId(): number {
    return this.#driver.nextId();
  }

  /** While it rests it reads nothing and takes nobody. */
  rest(resting: boolean): void {
    this.#driver.rest(resting);
  }

  setLimits(limits: EdgeLimits): void {
    this.#driver.setLimits(limits);
  }

  setAccess(access: Access): void {
    this.#driver.setAccess(access);
  }

  setTls(tls: TlsFiles): void {
    if (!this.#accepting) return;
    for (const { address, acceptor } of this.bound) {
      if (address.transport !== "wss") continue;
      try {
        acceptor?.renew(tls);
      } catch (error) {
        throw bindFault(address, error);
      }
    }
    this.#tls = tls;
  }

  stopAccepting(): void {
    if (!this.#accepting) return;
    this.#accepting = false;
    this.#files[Symbol.dispose]();
    for (const { acceptor } of this.bound) acceptor?.stop();
  }

  async drain(deadlineMs: number): Promise<void> {
    const driver = this.#driver;
    this.stopAccepting();
    for (const connection of driver.connections) {
      if (connection.established) connection.link.goAway();
      else driver.drop(connection, "shutting down");
    }
    if (driver.connections.size > 0) await emptyBy(driver, deadlineMs);
    for (const connection of driver.connections) driver.drop(connection, "shutting down");
  }

  [Symbol.iterator](): Iterator<EdgeConnection> {
    return this.#driver.connections.values();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopAccepting();
    for (const connection of this.#driver.connections) this.#driver.drop(connection, "closed");
    this.#noise[Symbol.dispose]();
  }

  /** There are no files for connections: whoever knocks is refused by the kernel, those who are there go on. */
  #suspend(): void {
    this.#driver.turnedAway("OPEN_FILES");
    for (const bound of this.bound) {
      bound.acceptor?.stop();
      bound.acceptor = null;
    }
  }

  /** Listens again; false where an address can't be bound. */
  #resume(): boolean {
    for (const bound of this.bound) {
      try {
        bound.acceptor ??= this.#listen(bound.address, bound.link);
      } catch (error) {
        this.#driver.error(error);
      }
    }
    return this.isListening;
  }

  /** Throws Fault<"edge/bind"> and Fault<"edge/tls">. */
  #listen(address: Address, link: MakeLink): Acceptor {
    try {
      const isSecure = address.transport === "wss";
      if (isSecure && this.#tls === null) throw new Error("a certificate and its key are missing");
      return new Acceptor({
        driver: this.#driver,
        hostname: address.host.name,
        port: address.port,
        shared: this.#shared,
        tls: isSecure ? this.#tls : null,
        link,
        connection: CONNECTIONS[address.transport],
      });
    } catch (error) {
      throw bindFault(address, error);
    }
  }
}

/** Says why `address` can't be bound. */
export function bindFault(address: Address, error: unknown): Fault<"edge/bind" | "edge/tls"> {
  const isTls =
    address.transport === "wss" &&
    error instanceof Error &&
    /PEM|X509|KEY_VALUES|certificate/.test(error.message);
  if (isTls) {
    const where = `${address.host.name}:${address.port}`;
    return new Fault("edge/tls", `Cannot listen with TLS on ${where}: ${error.message}`, { cause: error });
  }
  const told = `Cannot listen on ${address.host.name}:${address.port}: ${bindReason(error)}`;
  return new Fault("edge/bind", told, { cause: error });
}

/** Resolves when the driver has no connection left, or when the deadline has come. */
async function emptyBy(driver: Driver, deadlineMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  driver.onEmpty = resolve;
  const timer = setTimeout(resolve, Math.max(0, deadlineMs - driver.clock.monotonic()));
  await promise;
  clearTimeout(timer);
  driver.onEmpty = null;
}
