/**
 * What the edge gives to those above it: connections and streams of libp2p, listened for or dialled, on TCP and
 * WebSocket. One handler object serves all streams of a protocol; a stream carries one `context` of the handler's.
 */
import type { Fault } from "../ground/mod.ts";
import type { PeerId } from "../link/mod.ts";

export type EdgeFault = Fault<
  | "edge/bind"
  | "edge/tls"
  | "edge/dial"
  | "edge/handshake"
  | "edge/closed"
  | "edge/limit"
  | "edge/protocol"
  | "edge/access"
>;

export type { PeerId };

export interface EdgeConnection {
  readonly id: number;
  readonly peer: PeerId;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Streams open now, in both directions. */
  readonly streams: number;
  /**
   * Opens a stream of `protocol`; the handler hears onOpen or, where the peer refuses it, onClose. Writes before
   * onOpen go out right behind the proposal. Throws Fault<"edge/closed">.
   */
  open<T>(protocol: string, handler: StreamHandler<T>, context: T): EdgeStream<T>;
  /** Ends the connection: yamux GoAway, then the socket once what was written has gone, or at once where `hard`. */
  close(reason: string, options?: { hard?: boolean }): void;
}

export interface EdgeStream<T = unknown> {
  readonly connection: EdgeConnection;
  readonly protocol: string;
  context: T;
  /** Bytes that write() would take now. */
  readonly writable: number;
  /**
   * Takes a copy of as much of `bytes` as the peer's window and the output mark allow and returns how much;
   * where that is less than all, onDrain follows when more fits.
   */
  write(bytes: Uint8Array): number;
  /** Says that `bytes` of received data were dealt with, which reopens the yamux window. */
  consume(bytes: number): void;
  /** Half-close: nothing more will be written. */
  end(): void;
  reset(): void;
}

export interface StreamHandler<T> {
  /** The protocol is agreed. For streams that the peer opened, `stream.context` is set here first. */
  onOpen(stream: EdgeStream<T>): void;
  /** `bytes` are borrowed until the call returns. */
  onData(stream: EdgeStream<T>, bytes: Uint8Array): void;
  /** The peer will write no more. */
  onEnd(stream: EdgeStream<T>): void;
  /** The stream is gone: both sides ended, reset, refused, or its connection closed. Called once, nothing after it. */
  onClose(stream: EdgeStream<T>, reason: string): void;
  onDrain(stream: EdgeStream<T>): void;
}

/** Says which handler serves a protocol that a peer asks for, or null to refuse it. */
export type ProtocolTable = (protocol: string) => StreamHandler<unknown> | null;

/** Counted by telemetry; one object for a whole edge. What may come by the thousand says how many `times`: once where it doesn't. */
export interface EdgeEvents {
  opened(connection: EdgeConnection): void;
  closed(connection: EdgeConnection, reason: string): void;
  /** A socket is there, its handshake still to come. */
  arrived?(connection: EdgeConnection): void;
  /** One that came in ended before it was secured; reasons are few. */
  failed?(reason: string, times?: number): void;
  /** The socket of one that arrived is gone, secured or not. */
  left?(connection: EdgeConnection): void;
  /** Somebody was turned away, or held up; `limit` is the limit's name in ground/limit.ts less _DEFAULT, ACCESS_DENIED or OPEN_FILES. */
  limited(limit: string, remoteAddress: string, times?: number): void;
  bytes(received: number, sent: number): void;
  error(error: unknown): void;
}

export interface ListenAddress {
  readonly transport: "tcp" | "ws";
  readonly host: string;
  readonly port: number;
}

/** Limits that may change while running. For what is left out there is ground/limit.ts's default. */
export interface EdgeLimits {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** From one /24 of IPv4 or /48 of IPv6; the default is ground/limit.ts's. */
  readonly connectionsPerSubnetMax?: number;
  /** With one PeerId; the default is ground/limit.ts's. */
  readonly connectionsPerPeerMax?: number;
  /** Made by one address in a second, on average; left out, ground/limit.ts's, and none for loopback. */
  readonly acceptsPerSecondMax?: number;
  /** Resident memory of this process above which no new work is taken; left out or 0 for no such budget. */
  readonly memoryBytesMax?: number;
  readonly handshakesMax: number;
  readonly streamsMax: number;
  /** What a peer may have under way on one stream. As it was at first: setLimits() doesn't change it. */
  readonly streamWindowBytes?: number;
  /** Of data in one yamux frame. */
  readonly streamFrameBytesMax?: number;
  /** That one peer may open, on average. */
  readonly streamOpensPerSecond?: number;
  /** That wait for one reader. */
  readonly outputBytesMax?: number;
  readonly handshakeTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly slowReaderTimeoutMs: number;
}

/** Addresses (`192.0.2.7`), networks (`2001:db8::/32`) and PeerIds. */
export interface Access {
  /** These and nobody else, where there are any: addresses and PeerIds each for themselves. */
  readonly allow: readonly string[];
  /** Not these, whatever is allowed. */
  readonly deny: readonly string[];
}

/** PEM texts: a certificate with its chain, and its key. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export interface Listener extends AsyncDisposable {
  /** By which it can be dialled: multiaddrs without /p2p; in place of 0.0.0.0 and :: the machine's own. */
  readonly addresses: readonly string[];
  readonly peer: PeerId;
  readonly connections: number;
  /** Whether whoever knocks, at whichever of the addresses, is let in; not so while a process lacks open files. */
  readonly isListening: boolean;
  /** Whether this process is over its memory budget, so that new work has to wait. */
  readonly isMemoryFull: boolean;
  setLimits(limits: EdgeLimits): void;
  /** Holds from now on, for those who are there too; throws Fault<"edge/access"> and then changes nothing. */
  setAccess(access: Access): void;
  /**
   * Shows this certificate to all who come to /tls/ws from now on; those who are there go on. Throws
   * Fault<"edge/tls"> where it doesn't load, and then the old one stays.
   */
  setTls(tls: TlsFiles): void;
  /** Takes no new connections; those that are there go on. */
  stopAccepting(): void;
  /** GoAway to all, then waits for them to end until `deadlineMs` (monotonic), then closes hard. */
  drain(deadlineMs: number): Promise<void>;
  [Symbol.iterator](): Iterator<EdgeConnection>;
}

/** Makes connections; holds the buffers and the one timer that they share. */
export interface Dialler extends AsyncDisposable {
  readonly connections: number;
  dial(options: DialOptions): Promise<EdgeConnection>;
}

export interface DialOptions {
  /** A multiaddr; where it ends in /p2p/PEER, nobody else is accepted. */
  readonly address: string;
  /** Who serves the streams that the peer opens; nobody where it is left out. */
  readonly protocols?: ProtocolTable;
  readonly signal?: AbortSignal;
}
