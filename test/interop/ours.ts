/** Our side of the interoperation tests: a listener that echoes, and streams as promises. */
import { openCrypto } from "@dchat/crypto-wasm";
import {
  type EdgeConnection,
  type EdgeStream,
  type Listener,
  type StreamHandler,
  openListener,
} from "../../core/edge/mod.ts";
import { clock, limits } from "../harness/device.ts";

export const ECHO = "/dchat/interop/echo/1";

interface Echoing {
  waiting: Uint8Array[];
  ended: boolean;
}

/** Sends back what comes, within both windows, and ends when the peer has. */
export class Echo implements StreamHandler<unknown> {
  readonly #states = new WeakMap<EdgeStream, Echoing>();

  onOpen(stream: EdgeStream): void {
    this.#states.set(stream, { waiting: [], ended: false });
  }

  onData(stream: EdgeStream, bytes: Uint8Array): void {
    this.#states.get(stream)?.waiting.push(bytes.slice());
    this.onDrain(stream);
  }

  onEnd(stream: EdgeStream): void {
    const state = this.#states.get(stream);
    if (state !== undefined) state.ended = true;
    this.onDrain(stream);
  }

  onDrain(stream: EdgeStream): void {
    const state = this.#states.get(stream);
    if (state === undefined) return;
    for (let first = state.waiting[0]; first !== undefined; first = state.waiting[0]) {
      const taken = stream.write(first);
      stream.consume(taken);
      if (taken < first.length) {
        state.waiting[0] = first.subarray(taken);
        return;
      }
      state.waiting.shift();
    }
    if (state.ended) stream.end();
  }

  onClose(): void {}
}

export interface EchoListener extends AsyncDisposable {
  readonly listener: Listener;
  /** Multiaddrs with /p2p/, TCP first, then WebSocket. */
  readonly addresses: readonly string[];
  readonly opened: EdgeConnection[];
  readonly closed: string[];
  readonly errors: unknown[];
}

export async function openEchoListener(): Promise<EchoListener> {
  const crypto = await openCrypto();
  const opened: EdgeConnection[] = [];
  const closed: string[] = [];
  const errors: unknown[] = [];
  const echo = new Echo();
  const listener = await openListener({
    crypto,
    identity: crypto.ed25519.generate(),
    addresses: ["127.0.0.1:0", "/ip4/127.0.0.1/tcp/0/ws"],
    limits,
    protocols: (protocol) => (protocol === ECHO ? echo : null),
    protocolNames: [ECHO],
    events: {
      opened: (connection) => opened.push(connection),
      closed: (_connection, reason) => closed.push(reason),
      limited: (name) => errors.push(name),
      bytes: () => {},
      error: (error) => errors.push(error),
    },
    clock,
  });
  return {
    listener,
    addresses: listener.addresses.map((address) => `${address}/p2p/${listener.peer.text}`),
    opened,
    closed,
    errors,
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      await crypto[Symbol.asyncDispose]();
    },
  };
}

interface Trip {
  readonly sent: Uint8Array;
  at: number;
  got: number;
  /** How far it may send for now. */
  until: number;
  readonly begun: () => void;
  readonly settle: (reason: string) => void;
}

class TripHandler implements StreamHandler<Trip> {
  onOpen(stream: EdgeStream<Trip>): void {
    this.onDrain(stream);
  }

  onDrain(stream: EdgeStream<Trip>): void {
    const trip = stream.context;
    trip.at += stream.write(trip.sent.subarray(trip.at, trip.until));
    if (trip.at === trip.sent.length) stream.end();
  }

  onData(stream: EdgeStream<Trip>, bytes: Uint8Array): void {
    const trip = stream.context;
    for (const byte of bytes) {
      if (byte !== trip.sent[trip.got++]) return stream.reset();
    }
    stream.consume(bytes.length);
    trip.begun();
  }

  onEnd(): void {}

  onClose(stream: EdgeStream<Trip>, reason: string): void {
    stream.context.begun();
    stream.context.settle(reason);
  }
}

const tripHandler = new TripHandler();

/** A stream whose first byte has come back, and what sends the rest, half-closes and wants all of it back. */
async function beginTrip(connection: EdgeConnection, length: number): Promise<() => Promise<void>> {
  const sent = new Uint8Array(length);
  for (let at = 0; at < length; at++) sent[at] = at * 31 + (at >> 8);
  const begun = Promise.withResolvers<void>();
  const settled = Promise.withResolvers<string>();
  const trip: Trip = { sent, at: 0, got: 0, until: 1, begun: begun.resolve, settle: settled.resolve };
  const stream = connection.open(ECHO, tripHandler, trip);
  await begun.promise;
  return async () => {
    trip.until = length;
    tripHandler.onDrain(stream);
    const reason = await settled.promise;
    if (reason !== "ended" || trip.got !== length) {
      throw new Error(`${trip.got} of ${length} bytes came back, then: ${reason}`);
    }
  };
}

/** Sends `length` bytes (2 at least), half-closes, and wants them back and then the end; rejects saying what came instead. */
export async function roundTrip(connection: EdgeConnection, length: number): Promise<void> {
  const finish = await beginTrip(connection, length);
  await finish();
}

/** The same on `count` streams that are all open together before the first one ends. */
export async function roundTrips(connection: EdgeConnection, count: number, length: number): Promise<void> {
  const finishes: (() => Promise<void>)[] = [];
  // One after the other: rust-libp2p's stream behaviour drops what comes while its one place is taken.
  for (let index = 0; index < count; index++) finishes.push(await beginTrip(connection, length));
  await Promise.all(finishes.map((finish) => finish()));
}

/** Resets a stream once something has come back, and says how it ended. */
export async function cut(connection: EdgeConnection): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const nothing = (): void => {};
  const handler: StreamHandler<undefined> = {
    onOpen: (stream) => void stream.write(new TextEncoder().encode("half a")),
    onData: (stream) => stream.reset(),
    onEnd: nothing,
    onDrain: nothing,
    onClose: (_stream, reason) => resolve(reason),
  };
  connection.open(ECHO, handler, undefined);
  return promise;
}

/** How a stream of `protocol` ends when it is opened and nothing is done. */
export async function refusal(connection: EdgeConnection, protocol: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const nothing = (): void => {};
  const handler = { onOpen: () => resolve("accepted"), onData: nothing, onEnd: nothing, onDrain: nothing };
  connection.open(protocol, { ...handler, onClose: (_stream, reason) => resolve(reason) }, undefined);
  return promise;
}
