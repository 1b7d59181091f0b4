/** One stream of the mailbox protocol as a client holds it: frames in, frames out, nothing about what they mean. */
import { Fault } from "../../ground/mod.ts";
import {
  decodeReply,
  FrameReader,
  type FrameSink,
  type Hello,
  PROTOCOL_ID,
  type Reply,
} from "../../wire/mod.ts";
import type { SessionCode, SessionConnection, SessionHandler, SessionStream } from "./port.ts";
import { untrue } from "./verify.ts";

export interface ChannelEvents {
  hello(hello: Hello): void;
  reply(request: number, reply: Reply): void;
  /** Nothing comes after this. */
  closed(fault: Fault<SessionCode>): void;
}

/** A stream with its frames. What doesn't fit the relay's window is held, bounded by what the caller has asked. */
export class Channel implements FrameSink {
  readonly #events: ChannelEvents;
  readonly #frames = new FrameReader(this);
  readonly #stream: SessionStream<Channel>;
  #out: Uint8Array[] = [];
  #closed = false;

  constructor(connection: SessionConnection, events: ChannelEvents) {
    this.#events = events;
    this.#stream = connection.open(PROTOCOL_ID, handler, this);
  }

  /** Sends a frame, consumed. Dropped where the channel is closed: its waiters have heard already. */
  send(frame: Uint8Array): void {
    if (this.#closed) return;
    const taken = this.#out.length === 0 ? this.#stream.write(frame) : 0;
    if (taken < frame.length) this.#out.push(frame.subarray(taken));
  }

  received(bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#frames.push(bytes);
    } catch (error) {
      this.fail(error instanceof Fault ? error : untrue(String(error)));
      return;
    }
    this.#stream.consume(bytes.length);
  }

  onFrame(kind: number, request: number, payload: Uint8Array): void {
    if (this.#closed) return;
    const reply = decodeReply({ kind, payload });
    if (reply.is === "hello") this.#events.hello(reply);
    else this.#events.reply(request, reply);
  }

  drained(): void {
    while (!this.#closed) {
      const frame = this.#out[0];
      if (frame === undefined) return;
      const taken = this.#stream.write(frame);
      if (taken < frame.length) {
        this.#out[0] = frame.subarray(taken);
        return;
      }
      this.#out.shift();
    }
  }

  /** Resets the stream because of `fault`, which is told first: the reset's own end comes within the call. */
  fail(fault: Fault): void {
    if (this.#closed) return;
    this.over(fault.code.startsWith("session/") ? fault : untrue(fault.message));
    this.#stream.reset();
  }

  /** Ends the stream after what was sent. */
  end(why: string): void {
    if (this.#closed) return;
    this.over(closedFault(why));
    this.#stream.end();
  }

  over(fault: Fault): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#out = [];
    // The codes of this folder, by the callers above; a Fault's own type can't say so after narrowing.
    this.#events.closed(new Fault<SessionCode>(sessionCode(fault.code), fault.message, { cause: fault }));
  }
}

function sessionCode(code: string): SessionCode {
  return code === "session/untrue" ||
    code === "session/other" ||
    code === "session/unsupported" ||
    code === "session/clock"
    ? code
    : "session/closed";
}

/** The session is over, for `why`. */
export function closedFault(why: string): Fault<SessionCode> {
  return new Fault("session/closed", `The session with the relay ended: ${why}`);
}

const handler: SessionHandler<Channel> = {
  onOpen: () => undefined,
  onData: (stream, bytes) => stream.context.received(bytes),
  onEnd: (stream) => stream.context.over(closedFault("the relay ended the stream")),
  onClose: (stream, reason) => stream.context.over(closedFault(reason)),
  onDrain: (stream) => stream.context.drained(),
};
