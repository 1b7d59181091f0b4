/** How a device reaches a relay: where its conversation says, or where the relay is now. */
import type { Crypto } from "@dchat/crypto-wasm";
import type { DialRelay } from "../client/mod.ts";
import { openSession } from "../client/session/mod.ts";
import type { Dialler } from "../edge/mod.ts";
import { Fault } from "../ground/mod.ts";
import { systemClock } from "./clock.ts";

export interface RelayDialOptions {
  readonly crypto: Crypto;
  readonly dialler: Dialler;
  /** Addresses to try besides a conversation's own. Borrowed; whoever answers there must be the same relay. */
  readonly elsewhere: () => readonly string[];
}

/**
 * Each connection has a PeerId of its own; sessions end with their connection. A relay is known by its identity
 * and not by its address, so one that moved is found by `elsewhere`. What is thrown tells of its own addresses.
 */
export function relayDial({ crypto, dialler, elsewhere }: RelayDialOptions): DialRelay {
  return async ({ addresses, relay, signal }) => {
    let last: unknown = new Fault("edge/dial", "The relay has no address");
    const abort = signal === undefined ? {} : { signal };
    for (const address of inOrder(addresses, relay === null ? [] : elsewhere())) {
      try {
        const connection = await dialler.dial({ address, ...abort });
        try {
          const session = await openSession(connection, { crypto, clock: systemClock, relay, ...abort });
          return ownConnection(session, () => connection.close("done"));
        } catch (error) {
          connection.close("unusable", { hard: true });
          throw error;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (addresses.includes(address)) last = error;
      }
    }
    throw last;
  };
}

/** The first own address, then what others there are, then its rest: silence at old ones takes all the time. */
function inOrder(own: readonly string[], elsewhere: readonly string[]): readonly string[] {
  const isOwn = (address: string) => own.some((each) => withoutPeer(each) === withoutPeer(address));
  return [...own.slice(0, 1), ...elsewhere.filter((address) => !isOwn(address)), ...own.slice(1)];
}

function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]*$/, "");
}

type Dialled = Awaited<ReturnType<DialRelay>>;

/** `session`, whose dispose also closes what it runs on. */
function ownConnection(session: Dialled, close: () => void): Dialled {
  return {
    relay: session.relay,
    ttlMsMax: session.ttlMsMax,
    skewMs: session.skewMs,
    closed: session.closed,
    command: (body, signing, options) => session.command(body, signing, options),
    read: (range, signing, options) => session.read(range, signing, options),
    take: (take, signing, options) => session.take(take, signing, options),
    subscribe: (from, signing, sink) => session.subscribe(from, signing, sink),
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      close();
    },
  };
}
