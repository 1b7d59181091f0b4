import { constants } from "node:crypto";
import type { ServerWebSocket } from "bun";
import { limit } from "../ground/mod.ts";
import type { Address } from "../link/mod.ts";
import { type Attempt, Connection, type MakeLink } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { type Origin, plainAddress } from "./origin.ts";
import type { TlsFiles } from "./port.ts";

/** What an upgraded socket carries from the request on: whence it came, and then its connection. */
export interface Upgraded {
  readonly origin: Origin;
  readonly remotePort: number;
  connection: WebSocketConnection | null;
}

type Socket = ServerWebSocket<Upgraded>;

/** A WebSocket that came in by Bun.serve. What the socket doesn't take at once, the server keeps for it. */
export class WebSocketConnection extends Connection {
  readonly inbound = true;
  readonly kind = "ws";
  readonly #socket: Socket;

  constructor(driver: Driver, socket: Socket, link: MakeLink) {
    super(driver, socket.data.origin, link);
    this.#socket = socket;
  }

  get remotePort(): number {
    return this.#socket.data.remotePort;
  }

  put(bytes: Uint8Array, length: number): boolean {
    // A negative answer says that the server keeps the message until the socket drains.
    return this.#socket.sendBinary(bytes.subarray(0, length)) > 0;
  }

  putRest(): boolean {
    return this.#socket.getBufferedAmount() === 0;
  }

  /** A WebSocket can't be paused: the bound on held input is what stops a flood. */
  pause(): void {}
  resume(): void {}

  endSocket(): void {
    this.#socket.close(1000);
  }

  terminateSocket(): void {
    this.#socket.terminate();
  }
}

export interface ServeOptions {
  readonly driver: Driver;
  readonly hostname: string;
  readonly port: number;
  readonly link: MakeLink;
  readonly accepting: () => boolean;
  /** Whether other processes of this user may bind the same port. */
  readonly shared: boolean;
  /** Null for WebSocket without TLS. */
  readonly tls: TlsFiles | null;
}

/** TLS 1.3 alone. */
const { SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2 } = constants;
const ONLY_TLS_1_3 = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2;

/** A WebSocket listener, whose certificate can be changed while it runs. */
export class WebSocketServer {
  readonly port: number;
  readonly #options: ServeOptions;
  #server: Bun.Server<Upgraded>;

  /** Listens. Throws what Bun.serve throws where the port can't be bound or the certificate doesn't load. */
  constructor(options: ServeOptions) {
    this.#server = serveWebSocket(options);
    this.port = this.#server.port ?? options.port;
    this.#options = { ...options, port: this.port };
  }

  /** Takes another certificate; those who are connected stay so. Throws where it doesn't load, and then keeps the old one. */
  renew(tls: TlsFiles): void {
    // Bun.serve's own reload() leaves the certificate as it was, so the port changes hands; a trial comes first.
    const trial = serveWebSocket({ ...this.#options, hostname: "127.0.0.1", port: 0, tls });
    void trial.stop(true);
    void this.#server.stop();
    this.#server = serveWebSocket({ ...this.#options, tls });
  }

  stop(): void {
    void this.#server.stop();
  }
}

function serveWebSocket(options: ServeOptions): Bun.Server<Upgraded> {
  const { driver, tls } = options;
  return Bun.serve<Upgraded>({
    hostname: options.hostname,
    port: options.port,
    reusePort: options.shared,
    ...(tls === null ? {} : { tls: { cert: tls.cert, key: tls.key, secureOptions: ONLY_TLS_1_3 } }),
    // Requests that never finish; an upgraded socket has the link's own deadlines.
    idleTimeout: Math.ceil(driver.limits.handshakeTimeoutMs / 1000),
    fetch(request, server) {
      const remote = server.requestIP(request);
      if (remote === null || !options.accepting()) return new Response(null, { status: 503 });
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
        return new Response("A libp2p WebSocket listener\n", {
          status: 426,
          headers: { upgrade: "websocket" },
        });
      }
      const origin = driver.admit(plainAddress(remote.address));
      if (origin === null) return new Response(null, { status: 503 });
      const data: Upgraded = { origin, remotePort: remote.port, connection: null };
      if (server.upgrade(request, { data })) return undefined;
      driver.admission.release(origin);
      return new Response(null, { status: 400 });
    },
    websocket: {
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: false,
      maxPayloadLength: limit.WEBSOCKET_MESSAGE_BYTES_MAX,
      // A link gives a socket that is full nothing more, so this is never reached.
      backpressureLimit: 2 * limit.LINK_OUTPUT_MARK_BYTES,
      open(socket) {
        const connection = new WebSocketConnection(driver, socket, options.link);
        socket.data.connection = connection;
        driver.add(connection);
      },
      message(socket, message) {
        const connection = socket.data.connection;
        if (connection === null) return;
        if (typeof message === "string") driver.drop(connection, "a text message");
        else driver.received(connection, message);
      },
      drain(socket) {
        if (socket.data.connection !== null) driver.drained(socket.data.connection);
      },
      close(socket) {
        if (socket.data.connection !== null) driver.lost(socket.data.connection, "connection closed");
      },
    },
  });
}

/** How often a dialled WebSocket that is full is looked at. */
const DRAIN_LOOK_MS = 5;

/** A WebSocket that was dialled. The platform gives no word when it drains, so it is looked at. */
export class WebSocketDialled extends Connection {
  readonly inbound = false;
  readonly kind = "ws";
  readonly remotePort: number;
  readonly #socket: WebSocket;

  constructor(driver: Driver, socket: WebSocket, options: { origin: Origin; port: number; link: MakeLink }) {
    super(driver, options.origin, options.link);
    this.#socket = socket;
    this.remotePort = options.port;
  }

  put(bytes: Uint8Array, length: number): boolean {
    this.#socket.send(bytes.slice(0, length));
    if (this.putRest()) return true;
    setTimeout(() => this.driver.drained(this), DRAIN_LOOK_MS);
    return false;
  }

  putRest(): boolean {
    return this.#socket.bufferedAmount < limit.LINK_OUTPUT_MARK_BYTES;
  }

  pause(): void {}
  resume(): void {}

  endSocket(): void {
    this.#socket.close(1000);
  }

  terminateSocket(): void {
    this.#socket.terminate();
  }
}

interface Dialling {
  readonly attempt: Attempt;
  /** PEM; the system's where it is undefined. */
  readonly authorities: string | undefined;
}

/** Dials a WebSocket; rejects where it doesn't open. */
export async function dialWebSocket(
  driver: Driver,
  address: Address,
  { attempt, authorities }: Dialling,
): Promise<Connection> {
  const host = address.host.kind === "ip6" ? `[${address.host.name}]` : address.host.name;
  const scheme = address.transport === "wss" ? "wss" : "ws";
  const socket = new WebSocket(
    `${scheme}://${host}:${address.port}/`,
    authorities === undefined ? {} : { tls: { ca: authorities } },
  );
  socket.binaryType = "arraybuffer";
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  let connection: WebSocketDialled | null = null;
  socket.addEventListener("open", () => {
    if (attempt.over()) {
      socket.terminate();
      return;
    }
    const origin = driver.admission.count(address.host.name);
    connection = new WebSocketDialled(driver, socket, { origin, port: address.port, link: attempt.link });
    connection.waiter = attempt.settle;
    driver.add(connection);
    resolve(connection);
  });
  socket.addEventListener("message", (event: MessageEvent<unknown>) => {
    if (connection === null) return;
    if (event.data instanceof ArrayBuffer) driver.received(connection, new Uint8Array(event.data));
    else driver.drop(connection, "a text message");
  });
  socket.addEventListener("close", () => {
    if (connection !== null) driver.lost(connection, "connection closed");
    reject(new Error("the WebSocket did not open"));
  });
  return promise;
}
