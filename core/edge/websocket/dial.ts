/** WebSockets that are dialled, by the platform's own client. It can't be paused: the bound on held input stops a flood. */
import { limit } from "../../ground/mod.ts";
import type { Address } from "../../link/mod.ts";
import { type Attempt, Connection, HEADROOM_BYTES, type MakeLink } from "../connection.ts";
import type { Driver } from "../driver.ts";
import type { Origin } from "../origin.ts";

/** How often a dialled WebSocket that is full is looked at. */
const DRAIN_LOOK_MS = 5;

interface DialledOptions {
  readonly origin: Origin;
  readonly port: number;
  readonly kind: "ws" | "wss";
  readonly link: MakeLink;
}

/** A WebSocket that was dialled. The platform gives no word when it drains, so it is looked at. */
class WebSocketDialled extends Connection {
  readonly inbound = false;
  readonly kind: "ws" | "wss";
  readonly remotePort: number;
  readonly #socket: WebSocket;

  constructor(driver: Driver, socket: WebSocket, options: DialledOptions) {
    super(driver, options.origin, options.link);
    this.kind = options.kind;
    this.#socket = socket;
    this.remotePort = options.port;
  }

  put(bytes: Uint8Array, length: number): boolean {
    this.#socket.send(bytes.slice(HEADROOM_BYTES, HEADROOM_BYTES + length));
    if (this.putRest()) return true;
    setTimeout(() => this.driver.drained(this), DRAIN_LOOK_MS);
    return false;
  }

  putRest(): boolean {
    return this.#socket.bufferedAmount < limit.LINK_OUTPUT_MARK_BYTES;
  }

  pause(): void {}
  resume(): void {}

  endSocket(): boolean {
    this.#socket.close(1000);
    return true;
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
  attempt.givenUp.addEventListener("abort", () => socket.terminate());
  socket.addEventListener("open", () => {
    if (attempt.over()) {
      socket.terminate();
      return;
    }
    const origin = driver.admission.count(address.host.name);
    const { port } = address;
    connection = new WebSocketDialled(driver, socket, { origin, port, kind: scheme, link: attempt.link });
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
