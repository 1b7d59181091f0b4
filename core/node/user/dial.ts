/** How a device reaches a relay: where its conversation says, or where the relay is now. */
import type { Crypto } from "@dchat/crypto-wasm";
import { type DialRelay, isAway } from "../../client/mod.ts";
import { openSession } from "../../client/session/mod.ts";
import type { Dialler } from "../../edge/mod.ts";
import { Fault, isFault, type PublicKey } from "../../ground/mod.ts";
import { systemClock } from "../clock.ts";

/** What a relay takes from one address without turning anybody away, a quarter of its burst at once. */
const DIALS_PER_SECOND = 40;
const DIALS_AT_ONCE = 50;
/** How long a relay may take to be reached; its addresses share it, each with at least so much. */
const REACH_MS = 10_000;
const ADDRESS_MS_MIN = 2_500;

export interface RelayDialOptions {
  readonly crypto: Crypto;
  readonly dialler: Dialler;
  /** Addresses to try besides a conversation's own. Borrowed; whoever answers there must be the same relay. */
  readonly elsewhere: () => readonly string[];
  /** For each address, in place of its share. */
  readonly addressMs?: number;
}

interface Failed {
  readonly address: string;
  readonly error: unknown;
  /** Whether the conversation says that its relay is there. */
  readonly isOwn: boolean;
}

/**
 * Each connection has a PeerId of its own; sessions end with their connection. A relay is known by its identity
 * and not by its address, so one that moved is found by `elsewhere`. What is thrown names every address that was
 * tried and why it failed: the Fault of an own address that is more than away, else Fault<"edge/dial">.
 */
export function relayDial(options: RelayDialOptions): DialRelay {
  const pace = new Pace();
  return async ({ addresses, relay, signal }) => {
    await pace.pass(signal);
    const inTurn = inOrder(addresses, relay === null ? [] : options.elsewhere());
    const timeoutMs = options.addressMs ?? Math.max(ADDRESS_MS_MIN, REACH_MS / inTurn.length);
    const failed: Failed[] = [];
    for (const address of inTurn) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const both = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      try {
        return await reach(options, { address, relay, signal: both });
      } catch (error) {
        signal?.throwIfAborted();
        const late = timeout.aborted && new Error(`no answer within ${timeoutMs / 1000} s`);
        failed.push({ address, error: late || error, isOwn: addresses.includes(address) });
      }
    }
    throw unreached(failed);
  };
}

/** Lets dials through no faster than relays take them: a device with hundreds of conversations makes hundreds. */
class Pace {
  /** When the next one would be let through if none went at once. */
  #nextMs = 0;

  async pass(signal: AbortSignal | undefined): Promise<void> {
    const nowMs = systemClock.monotonic();
    const atOnceMs = (DIALS_AT_ONCE * 1000) / DIALS_PER_SECOND;
    const waitMs = this.#nextMs - nowMs - atOnceMs;
    this.#nextMs = Math.max(this.#nextMs, nowMs) + 1000 / DIALS_PER_SECOND;
    if (waitMs > 0) await sleepUnless(signal, waitMs);
    signal?.throwIfAborted();
  }
}

/** Resolves after `ms`, at once where `signal` aborts. */
async function sleepUnless(signal: AbortSignal | undefined, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const aborted = (): void => resolve();
  signal?.addEventListener("abort", aborted);
  if (signal?.aborted === true) resolve();
  await promise;
  signal?.removeEventListener("abort", aborted);
  clearTimeout(timer);
}

interface Reaching {
  readonly address: string;
  readonly relay: PublicKey | null;
  readonly signal: AbortSignal;
}

async function reach({ crypto, dialler }: RelayDialOptions, { address, relay, signal }: Reaching) {
  const connection = await dialler.dial({ address, signal });
  try {
    const session = await openSession(connection, { crypto, clock: systemClock, relay, signal });
    return ownConnection(session, () => connection.close("done"));
  } catch (error) {
    connection.close("unusable", { hard: true });
    throw error;
  }
}

function unreached(failed: readonly Failed[]): Fault {
  if (failed.length === 0) return new Fault("edge/dial", "The relay has no address");
  const telling = failed.find(({ isOwn, error }) => isOwn && isFault(error) && !isAway(error))?.error;
  const code = isFault(telling) ? telling.code : "edge/dial";
  return new Fault(code, failed.map(told).join("; "), { cause: telling ?? failed[0]?.error });
}

function told({ address, error }: Failed): string {
  const why = error instanceof Error ? error.message : String(error);
  return why.includes(withoutPeer(address)) ? why : `${address}: ${why}`;
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
    certificate: session.certificate,
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
