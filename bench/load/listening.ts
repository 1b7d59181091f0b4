/** Devices that are there when messages come: each on a connection of its own, subscribed to a mailbox of its own. */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import type { CommandResult } from "../../core/client/mod.ts";
import { type OpenedSession, openSession } from "../../core/client/session/mod.ts";
import type { Dialler } from "../../core/edge/mod.ts";
import { newMailbox, plain, type TestMailbox } from "../../test/harness/device.ts";
import { benchClock } from "./edge.ts";

const DIALS_AT_ONCE = 32;

/** What a load's devices share: their crypto, the dialler of their connections, and the relay's multiaddr. */
export interface Place {
  readonly crypto: Crypto;
  readonly dialler: Dialler;
  readonly address: string;
}

/** A device that is there, and when what it waits for was sent. */
export interface Listening {
  readonly box: TestMailbox;
  readonly sentMs: number[];
}

/** A session on a connection of its own. */
export async function connect({ crypto, dialler, address }: Place): Promise<OpenedSession> {
  const connection = await dialler.dial({ address });
  const session = await openSession(connection, { crypto, clock: benchClock, relay: null });
  void session.closed.then(() => connection.close("the session is over"));
  return session;
}

/** A mailbox with one reader and room for a long run, made by `session`. */
export async function freshBox({ crypto }: Place, session: OpenedSession): Promise<TestMailbox> {
  const policy = { entriesMax: 1_000_000, bytesMax: 2 ** 30 };
  const fresh = newMailbox(crypto, { relay: session.relay, policy });
  const made = await patiently(() => session.command(fresh.create, { ...fresh, key: fresh.owner }));
  if (made.is !== "created") throw new Error(JSON.stringify(made));
  return fresh;
}

/** Asks again as long as the relay is busy. */
async function patiently(ask: () => Promise<CommandResult>): Promise<CommandResult> {
  for (;;) {
    const result = await ask();
    if (result.is !== "refused" || result.refusal.code !== "busy") return result;
    await Bun.sleep(result.refusal.retryMs);
  }
}

export function readerOf({ readers }: TestMailbox): SigningKey {
  const [key] = readers;
  if (key === undefined) throw new Error("a mailbox of a bench has a reader");
  return key;
}

/** Appends `bytes` random bytes, waiting as long as the relay is busy. */
export async function append(
  { crypto }: Place,
  { by, to, bytes }: { by: OpenedSession; to: TestMailbox; bytes: number },
): Promise<number> {
  const body = plain(crypto, { bytes });
  const result = await patiently(() => by.command(body, { ...to, key: to.writer }));
  if (result.is !== "appended") throw new Error(JSON.stringify(result));
  return result.promise.seq;
}

/** `count` devices, subscribed; each hears in `arrived` how long a message took, in ms. */
export async function listenAll(
  place: Place,
  { count, by, arrived }: { count: number; by: OpenedSession; arrived: (tookMs: number) => void },
): Promise<Listening[]> {
  const devices: Listening[] = [];
  while (devices.length < count) {
    const more = Math.min(DIALS_AT_ONCE, count - devices.length);
    const group = Array.from({ length: more }, async () => listen(place, await freshBox(place, by), arrived));
    devices.push(...(await Promise.all(group)));
  }
  return devices;
}

/** A device subscribed to `box`, once it has all that is there. */
export async function listen(
  place: Place,
  box: TestMailbox,
  arrived: (tookMs: number) => void,
): Promise<Listening> {
  const session = await connect(place);
  const sentMs: number[] = [];
  const live = Promise.withResolvers<void>();
  session.subscribe(
    0,
    { ...box, key: readerOf(box) },
    {
      entry: () => arrived(performance.now() - (sentMs.shift() ?? Number.NaN)),
      live: () => live.resolve(),
      ended: (why) => live.reject(new Error(why?.code ?? "cut")),
    },
  );
  await live.promise;
  return { box, sentMs };
}

/** Sends `rate` messages a second to `devices` in turn for `seconds`; resolves with how many once all are acknowledged. */
export async function sendTo(
  place: Place,
  devices: readonly Listening[],
  { by, rate, bytes, seconds }: { by: OpenedSession; rate: number; bytes: number; seconds: number },
): Promise<number> {
  const startedMs = performance.now();
  const sending: Promise<number>[] = [];
  let sent = 0;
  while (performance.now() - startedMs < seconds * 1000) {
    // As many as are due by now: a timer that comes late must not lower the rate.
    const due = Math.floor(((performance.now() - startedMs) / 1000) * rate);
    for (; sent < due; sent += 1) {
      const device = devices[sent % devices.length];
      if (device === undefined) throw new Error("no device");
      device.sentMs.push(performance.now());
      sending.push(append(place, { by, to: device.box, bytes }));
    }
    await Bun.sleep(1);
  }
  await Promise.all(sending);
  return sent;
}
