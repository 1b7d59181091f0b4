/**
 * Sockets that come in, with TLS or without: each is admitted or cut off before a byte of it is read. What TLS costs
 * before its other end has proven anything is bounded by who is admitted, by the handshake's deadline, and by the
 * runtime, which takes five of its handshakes in a turn of the loop; not here.
 */
import { constants } from "node:crypto";
import { createServer } from "node:tls";
import type { TCPSocketListener } from "bun";
import type { MakeLink } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { plainAddress } from "./origin.ts";
import type { TlsFiles } from "./port.ts";
import {
  type SocketConnection,
  type SocketOptions,
  type TcpSocket,
  peerGone,
  socketHandlers,
} from "./tcp.ts";

export interface AcceptOptions {
  readonly driver: Driver;
  readonly hostname: string;
  readonly port: number;
  /** Whether other processes of this user may bind the same port. */
  readonly shared: boolean;
  /** Null for sockets without TLS. */
  readonly tls: TlsFiles | null;
  readonly link: MakeLink;
  /** What drives each socket. */
  readonly connection: new (driver: Driver, socket: TcpSocket, options: SocketOptions) => SocketConnection;
}

/** TLS 1.3 alone. */
const { SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2 } = constants;
const ONLY_TLS_1_3 = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2;

/** A bound port. */
export class Acceptor {
  readonly #listener: TCPSocketListener<SocketConnection | undefined>;

  /** Listens; throws what Bun.listen throws where the port can't be bound or the certificate doesn't load. */
  constructor(options: AcceptOptions) {
    this.#listener = listen(options);
  }

  get port(): number {
    return this.#listener.port;
  }

  /**
   * Shows another certificate to those who come from now on. Throws where it doesn't load, and then the old one stays.
   *
   * Bun's listeners can change it in place, but only node:tls is given the way: a tls.Server sets it on the listener
   * that it holds, so one is made to hold ours. A second listener on the port would do without, but whoever is in the
   * first one's queue when that is closed is cut off.
   */
  renew({ cert, key }: TlsFiles): void {
    const holder = createServer();
    Reflect.set(holder, "_handle", this.#listener);
    try {
      holder.setSecureContext({ cert, key, secureOptions: ONLY_TLS_1_3 });
    } finally {
      Reflect.set(holder, "_handle", null);
    }
  }

  /** Takes no more; those who came stay. */
  stop(): void {
    this.#listener.stop();
  }
}

function listen(options: AcceptOptions): TCPSocketListener<SocketConnection | undefined> {
  const { driver, link, tls } = options;
  return Bun.listen<SocketConnection | undefined>({
    hostname: options.hostname,
    port: options.port,
    ...(options.shared ? { reusePort: true } : { exclusive: true }),
    ...(tls === null ? {} : { tls: { cert: tls.cert, key: tls.key, secureOptions: ONLY_TLS_1_3 } }),
    socket: {
      ...socketHandlers,
      open(socket: TcpSocket) {
        // A peer that was gone before it was accepted has no address any more.
        const origin = peerGone(socket) ? null : driver.admit(plainAddress(socket.remoteAddress));
        if (origin === null) {
          socket.terminate();
          return;
        }
        const connection = new options.connection(driver, socket, { inbound: true, origin, link });
        socket.data = connection;
        driver.add(connection);
      },
      // Where it is left out, open() comes after the handshake of TLS, and who never ends that is counted by nobody.
      ...(tls === null ? {} : { handshake: shaken }),
    },
  });
}

/** A handshake of TLS is over. One that its other end left in the middle has nobody to tell. */
function shaken(socket: TcpSocket, _success: boolean, error: Error | null): void {
  const connection = socket.data;
  const isLeft = error !== null && "code" in error && error.code === "ECONNRESET";
  if (connection !== undefined && isLeft) connection.driver.drop(connection, "connection closed");
}
