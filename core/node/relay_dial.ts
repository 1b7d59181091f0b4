/** How a device of this process reaches a relay: the edge's dialler below, the mailbox protocol's session on it. */
import type { Crypto } from "@dchat/crypto-wasm";
import type { DialRelay } from "../client/mod.ts";
import { openSession, type SessionCode } from "../client/session/mod.ts";
import { openDialler } from "../edge/mod.ts";
import { type Clock, Fault, limit } from "../ground/mod.ts";

/** One relay is reached or given up within this, all its addresses tried. */
const DIAL_TIMEOUT_MS = 15_000;

/** A dialler; dispose drops the connections that it made. */
export interface RelayDialler extends AsyncDisposable {
  readonly dial: DialRelay;
}

/** Opens what a device dials relays with. Each connection is under a PeerId of its own. */
export function openRelayDialler({ crypto, clock }: { crypto: Crypto; clock: Clock }): RelayDialler {
  const dialler = openDialler({
    crypto,
    clock,
    limits: {
      connectionsMax: limit.CONNECTIONS_MAX_DEFAULT,
      connectionsPerAddressMax: limit.CONNECTIONS_PER_ADDRESS_MAX_DEFAULT,
      handshakesMax: limit.HANDSHAKES_MAX_DEFAULT,
      streamsMax: limit.STREAMS_MAX_DEFAULT,
      handshakeTimeoutMs: limit.HANDSHAKE_TIMEOUT_MS,
      keepaliveIntervalMs: limit.KEEPALIVE_INTERVAL_MS,
      keepaliveTimeoutMs: limit.KEEPALIVE_TIMEOUT_MS,
      slowReaderTimeoutMs: limit.SLOW_READER_TIMEOUT_MS,
    },
  });
  const dialOne = async (address: string, relay: Parameters<DialRelay>[0]["relay"], signal: AbortSignal) => {
    const connection = await dialler.dial({ address, signal });
    try {
      const session = await openSession(connection, { crypto, clock, relay, signal });
      // Where the session ends, for whichever reason, nothing else is done on its connection.
      void session.closed.then(() => connection.close("the session is over"));
      return session;
    } catch (error) {
      connection.close("no session", { hard: true });
      throw error;
    }
  };
  return {
    async dial({ addresses, relay, signal }) {
      const timeout = AbortSignal.timeout(DIAL_TIMEOUT_MS);
      const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      let last: unknown = new Fault<SessionCode>("session/closed", "There is no address to dial");
      for (const address of addresses) {
        try {
          // oxlint-disable-next-line no-await-in-loop -- the next address is for when this one fails
          return await dialOne(address, relay, either);
        } catch (error) {
          signal?.throwIfAborted();
          last = error;
        }
      }
      throw last;
    },
    [Symbol.asyncDispose]: () => dialler[Symbol.asyncDispose](),
  };
}
