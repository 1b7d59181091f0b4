/** Protocols that every libp2p host serves: identify and ping. */
import { IDENTIFY_PROTOCOL, type IdentifyAnswer } from "./identify.ts";
import type { LinkStream, LinkStreamHandler, ProtocolTable } from "./stream.ts";

export const PING_PROTOCOL = "/ipfs/ping/1.0.0";

/** What identify names on every host. */
export const BUILTIN_PROTOCOLS: readonly string[] = [IDENTIFY_PROTOCOL, PING_PROTOCOL];

/** /ipfs/ping/1.0.0: sends back what comes. A peer that doesn't read its echo loses the stream. */
class PingAnswer implements LinkStreamHandler<unknown> {
  onOpen(): void {}

  onData(stream: LinkStream<unknown>, bytes: Uint8Array): void {
    if (stream.write(bytes) < bytes.length) stream.reset();
    else stream.consume(bytes.length);
  }

  onEnd(stream: LinkStream<unknown>): void {
    stream.end();
  }

  onClose(): void {}
  onDrain(): void {}
}

const answerPing = new PingAnswer();

/** `protocols` with identify and ping before it. */
export function withBuiltins<Owner>(
  identify: IdentifyAnswer<Owner>,
  protocols: ProtocolTable<Owner>,
): ProtocolTable<Owner> {
  return (protocol) => {
    if (protocol === IDENTIFY_PROTOCOL) return identify;
    if (protocol === PING_PROTOCOL) return answerPing;
    return protocols(protocol);
  };
}
