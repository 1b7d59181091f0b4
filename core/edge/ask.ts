import { Fault } from "../ground/mod.ts";
import {
  IDENTIFY_PROTOCOL,
  type Identified,
  IdentifyAsk,
  type IdentifyQuestion,
  PING_PROTOCOL,
} from "../link/mod.ts";
import type { Connection } from "./connection.ts";
import type { EdgeConnection, EdgeStream, StreamHandler } from "./port.ts";

const identifyAsk = new IdentifyAsk<Connection>();

/** What the other side says of itself and of us; throws Fault<"edge/protocol"> where it says nothing whole. */
export async function identify(
  connection: EdgeConnection,
  options: { signal?: AbortSignal } = {},
): Promise<Identified> {
  const { promise, resolve } = Promise.withResolvers<Identified | null>();
  const question: IdentifyQuestion = { held: new Uint8Array(0), answered: resolve };
  const identified = await until(connection.open(IDENTIFY_PROTOCOL, identifyAsk, question), promise, options);
  if (identified === null) throw new Fault("edge/protocol", "The peer did not identify itself");
  return identified;
}

interface Ping {
  readonly sent: Uint8Array;
  got: number;
  readonly answered: (back: boolean) => void;
}

const PING_BYTES = 32;

class PingAsk implements StreamHandler<Ping> {
  onOpen(stream: EdgeStream<Ping>): void {
    stream.write(stream.context.sent);
  }

  onData(stream: EdgeStream<Ping>, bytes: Uint8Array): void {
    const ping = stream.context;
    stream.consume(bytes.length);
    for (const byte of bytes) {
      if (byte === ping.sent[ping.got]) ping.got++;
      else return stream.reset();
    }
    if (ping.got < PING_BYTES) return;
    ping.answered(true);
    stream.end();
  }

  onEnd(): void {}

  onClose(stream: EdgeStream<Ping>): void {
    stream.context.answered(stream.context.got === PING_BYTES);
  }

  onDrain(): void {}
}

const pingAsk = new PingAsk();

/** Waits for one round trip; throws Fault<"edge/protocol"> where the echo doesn't come or is another. */
export async function ping(
  connection: EdgeConnection,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // Not secret: it only has to differ from what went before.
  const sent = new TextEncoder().encode(
    `${connection.id} ${performance.now()}`.padEnd(PING_BYTES).slice(0, PING_BYTES),
  );
  const back = await until(
    connection.open(PING_PROTOCOL, pingAsk, { sent, got: 0, answered: resolve }),
    promise,
    options,
  );
  if (!back) throw new Fault("edge/protocol", "The peer did not send the ping back");
}

/** The answer, or the signal's reason and the stream reset. */
async function until<T>(
  stream: EdgeStream,
  answer: Promise<T>,
  options: { signal?: AbortSignal },
): Promise<T> {
  const abort = (): void => stream.reset();
  options.signal?.addEventListener("abort", abort);
  if (options.signal?.aborted === true) abort();
  const value = await answer;
  options.signal?.removeEventListener("abort", abort);
  options.signal?.throwIfAborted();
  return value;
}
