import type { Socket } from "bun";
import { Connection, HEADROOM_BYTES, type MakeLink } from "./connection.ts";
import type { Driver } from "./driver.ts";
import type { Origin } from "./origin.ts";

/** What a socket carries: nothing until it was admitted. */
export type TcpSocket = Socket<SocketConnection | undefined>;

export interface SocketOptions {
  readonly inbound: boolean;
  readonly origin: Origin;
  readonly link: MakeLink;
}

/** A connection on a socket of Bun's, with TLS or without. */
export abstract class SocketConnection extends Connection {
  readonly inbound: boolean;
  protected readonly socket: TcpSocket;
  /** Sealed output that the socket did not take. */
  #unsent: Uint8Array | null = null;

  constructor(driver: Driver, socket: TcpSocket, options: SocketOptions) {
    super(driver, options.origin, options.link);
    this.inbound = options.inbound;
    this.socket = socket;
  }

  get remotePort(): number {
    return this.gone ? 0 : this.socket.remotePort;
  }

  /** Gives the socket `length` of `bytes` from `at` on and keeps a copy of what it doesn't take; false where it kept some. */
  protected give(bytes: Uint8Array, at: number, length: number): boolean {
    const taken = Math.max(0, this.socket.write(bytes, at, length));
    if (taken < length) this.#unsent = bytes.slice(at + taken, at + length);
    return taken === length;
  }

  putRest(): boolean {
    const unsent = this.#unsent;
    if (unsent === null) return true;
    const taken = Math.max(0, this.socket.write(unsent));
    this.#unsent = taken < unsent.length ? unsent.subarray(taken) : null;
    return taken === unsent.length;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  terminateSocket(): void {
    this.socket.terminate();
  }
}

/** The link's bytes as they are. */
export class TcpConnection extends SocketConnection {
  readonly kind = "tcp";
  #shut = false;

  put(bytes: Uint8Array, length: number): boolean {
    return this.give(bytes, HEADROOM_BYTES, length);
  }

  endSocket(): boolean {
    if (!this.#shut) this.socket.shutdown();
    this.#shut = true;
    return false;
  }
}

/** Whether a socket's other end is gone already; the types don't say that its address then is too. */
export function peerGone(socket: TcpSocket): boolean {
  return typeof socket.remoteAddress !== "string";
}

/** What fails inside TLS is the other end's doing. */
function isPeers(error: Error): boolean {
  return "code" in error && error.code === "EPROTO";
}

/** Handlers that all sockets of a process share: each finds its connection on the socket. */
export const socketHandlers = {
  data(socket: TcpSocket, bytes: Buffer): void {
    const connection = socket.data;
    connection?.driver.received(connection, bytes);
  },
  drain(socket: TcpSocket): void {
    const connection = socket.data;
    connection?.driver.drained(connection);
  },
  close(socket: TcpSocket): void {
    const connection = socket.data;
    connection?.driver.lost(connection, "connection closed");
  },
  error(socket: TcpSocket, error: Error): void {
    const connection = socket.data;
    if (connection === undefined) return;
    if (!isPeers(error)) connection.driver.error(error);
    connection.driver.drop(connection, "socket failed");
  },
};
