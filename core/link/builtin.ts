/** Protocols that every libp2p host serves: identify and ping. */
import { NO_BYTES, concat } from "./bytes.ts";
import { IDENTIFY_PROTOCOL, type IdentifyAnswer } from "./identify.ts";
import type { LinkStream, LinkStreamHandler, ProtocolTable } from "./stream.ts";

export const PING_PROTOCOL = "/ipfs/ping/1.0.0";

/** What identify names on every host. */
export const BUILTIN_PROTOCOLS: readonly string[] = [IDENTIFY_PROTOCOL, PING_PROTOCOL];

/** Whoever waits for one answer before it asks again, as it should, has no more under way. */
const PING_BYTES = 32;

/** What of an echo doesn't fit now; null where all has. */
interface Unsent {
  rest: Uint8Array;
  ending: boolean;
}

/**
 * /ipfs/ping/1.0.0: sends back what comes. One ping waits where the output is full: hosts give a connection up for one
 * that fails. A peer that pings on while its echo waits loses the stream.
 */
class PingAnswer<Owner> implements LinkStreamHandler<Owner, Unsent | null | undefined> {
  onOpen(): void {}

  onData(stream: PingStream<Owner>, bytes: Uint8Array): void {
    const unsent = stream.context ?? null;
    const taken = unsent === null ? stream.write(bytes) : 0;
    stream.consume(bytes.length);
    if (taken === bytes.length) return;
    const rest = concat(unsent?.rest ?? NO_BYTES, bytes.subarray(taken));
    if (rest.length > PING_BYTES) stream.reset();
    else stream.context = { rest, ending: false };
  }

  onDrain(stream: PingStream<Owner>): void {
    const unsent = stream.context ?? null;
    if (unsent === null) return;
    unsent.rest = unsent.rest.subarray(stream.write(unsent.rest));
    if (unsent.rest.length > 0) return;
    stream.context = null;
    if (unsent.ending) stream.end();
  }

  onEnd(stream: PingStream<Owner>): void {
    const unsent = stream.context ?? null;
    if (unsent === null) stream.end();
    else unsent.ending = true;
  }

  onClose(): void {}
}

type PingStream<Owner> = LinkStream<Owner, Unsent | null | undefined>;

/** `protocols` with identify and ping before it. */
export function withBuiltins<Owner>(
  identify: IdentifyAnswer<Owner>,
  protocols: ProtocolTable<Owner>,
): ProtocolTable<Owner> {
  const ping = new PingAnswer<Owner>();
  return (protocol) => {
    if (protocol === IDENTIFY_PROTOCOL) return identify;
    if (protocol === PING_PROTOCOL) return ping;
    return protocols(protocol);
  };
}
