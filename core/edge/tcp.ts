import type { Socket } from "bun";
import { Connection, type MakeLink } from "./connection.ts";
import type { Driver } from "./driver.ts";
import type { Origin } from "./origin.ts";

/** What a TCP socket carries: nothing until it was admitted. */
export type TcpSocket = Socket<TcpConnection | undefined>;

export class TcpConnection extends Connection {
  readonly inbound: boolean;
  readonly kind = "tcp";
  readonly #socket: TcpSocket;
  /** Sealed output that the socket did not take. */
  #unsent: Uint8Array | null = null;

  constructor(
    driver: Driver,
    socket: TcpSocket,
    options: { inbound: boolean; origin: Origin; link: MakeLink },
  ) {
    super(driver, options.origin, options.link);
    this.inbound = options.inbound;
    this.#socket = socket;
  }

  get remotePort(): number {
    return this.gone ? 0 : this.#socket.remotePort;
  }

  put(bytes: Uint8Array, length: number): boolean {
    const taken = Math.max(0, this.#socket.write(bytes, 0, length));
    if (taken < length) this.#unsent = bytes.slice(taken, length);
    return taken === length;
  }

  putRest(): boolean {
    const unsent = this.#unsent;
    if (unsent === null) return true;
    const taken = Math.max(0, this.#socket.write(unsent));
    this.#unsent = taken < unsent.length ? unsent.subarray(taken) : null;
    return taken === unsent.length;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  endSocket(): void {
    this.#socket.end();
  }

  terminateSocket(): void {
    this.#socket.terminate();
  }
}

/** Whether a socket's other end is gone already; the types don't say that its address then is too. */
export function peerGone(socket: TcpSocket): boolean {
  return typeof socket.remoteAddress !== "string";
}

/** Handlers that all TCP sockets of a process share: each finds its connection on the socket. */
export const tcpHandlers = {
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
    connection.driver.error(error);
    connection.driver.drop(connection, "socket failed");
  },
};
