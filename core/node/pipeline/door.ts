/**
 * Where streams of the mailbox protocol come in: hello first, then frames become commands. What isn't a command
 * is refused here; what is goes on to have its signature checked.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import type { Delivery } from "../../delivery/mod.ts";
import type { EdgeConnection, EdgeStream, ProtocolTable, StreamHandler } from "../../edge/mod.ts";
import { type Clock, isFault, limit, nonce, type PublicKey } from "../../ground/mod.ts";
import {
  type Command,
  decodeCommand,
  decodeStreamControl,
  isStreamControl,
  type NodeCertificate,
  type Op,
  parseProtocolVersion,
  PROTOCOL_VERSION,
  PROTOCOL_VERSIONS,
  type Refusal,
  type StreamControl,
} from "../../wire/mod.ts";
import type { PipelineEvents } from "./events.ts";
import { type CommandRates, newBuckets } from "./rate.ts";
import { type ConnectionLoad, type FrameTaker, MailboxStream } from "./stream.ts";
import { Unread } from "./unread.ts";
import type { Voice } from "./voice.ts";
import { within } from "../within.ts";

/** A command between its frame and its answer. */
export interface Asked {
  readonly stream: MailboxStream;
  readonly request: number;
  readonly command: Command;
  /** Of its frame; the stream's window reopens by them when it is answered. */
  readonly bytes: number;
  /** Monotonic ms. */
  readonly cameMs: number;
}

export interface DoorOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** This node's, valid for a good while yet. */
  readonly certificate: () => NodeCertificate;
  readonly relay: PublicKey;
  readonly ttlMsMax: number;
  readonly events: PipelineEvents;
  readonly voice: Voice;
  readonly delivery: Delivery;
  readonly rates: CommandRates;
  /** Whether new work has to wait for memory. */
  readonly isMemoryFull: () => boolean;
  /** How long a peer may take nothing of what is held for it. */
  readonly slowReaderTimeoutMs: () => number;
  /** Takes a command whose signature isn't checked yet. */
  admit(asked: Asked): void;
}

export interface StreamDoor {
  readonly protocols: ProtocolTable;
  /** Says goaway on all streams; commands that come from now on are refused as draining. */
  shut(): void;
  /** Ends all streams once what is owed to them has gone out; resolves when it has, or had CLOSE_LINGER_MS to. */
  end(): Promise<void>;
}

/** Serves streams until `shut`; holds what is open, and nothing else. */
export function openDoor(options: DoorOptions): StreamDoor {
  const door = new Door(options);
  const other: StreamHandler<MailboxStream> = {
    onOpen: (stream) => door.unsupported(stream),
    onData: (stream, bytes) => stream.consume(bytes.length),
    onEnd: () => undefined,
    onClose: (stream) => stream.context.close(),
    onDrain: (stream) => stream.context.drained(),
  };
  return {
    protocols: (protocol) => {
      const version = parseProtocolVersion(protocol);
      if (version === null) return null;
      return version === PROTOCOL_VERSION ? door : other;
    },
    shut: () => door.shut(),
    end: () => door.end(),
  };
}

/** What a device is given to go by itself after a goaway; what it sends meanwhile is refused as draining. */
const GOING_MS = 500;

/** What makes the relay hold more from then on. What devices say and read of what is there goes on. */
const NEW_WORK: ReadonlySet<Op> = new Set(["create", "subscribe"]);

class Door implements StreamHandler<MailboxStream>, FrameTaker {
  readonly #options: DoorOptions;
  readonly #streams = new Set<MailboxStream>();
  /** A connection keeps its load when it has no streams: else new ones would come with full buckets. */
  readonly #loads = new WeakMap<EdgeConnection, ConnectionLoad>();
  readonly #unread: Unread<MailboxStream>;
  #shut = false;
  #empty: (() => void) | null = null;

  constructor(options: DoorOptions) {
    const { clock, events, slowReaderTimeoutMs: timeoutMs } = options;
    this.#options = options;
    this.#unread = new Unread({
      clock,
      timeoutMs,
      drop: ({ edge }) => {
        events.limited("SLOW_READER_TIMEOUT_MS");
        edge.connection.close("slow reader");
      },
    });
  }

  onOpen(edge: EdgeStream<MailboxStream>): void {
    const { crypto, events, voice } = this.#options;
    const load = this.#loads.get(edge.connection) ?? { commands: 0, heldBytes: 0, buckets: null };
    this.#loads.set(edge.connection, load);
    const stream = new MailboxStream({
      edge,
      nonce: nonce(crypto.random.bytes(32)),
      load,
      voice,
      events,
      door: this,
      unread: this.#unread,
    });
    edge.context = stream;
    this.#streams.add(stream);
    this.#hello(stream);
    if (this.#shut) stream.reply(0, { is: "goaway", retryMs: limit.RETRY_MS_DEFAULT });
  }

  onData(edge: EdgeStream<MailboxStream>, bytes: Uint8Array): void {
    try {
      edge.context.received(bytes);
    } catch (error) {
      // Where frames can't be told apart any more there is nothing left to answer.
      if (isFault(error, "wire/malformed")) this.#options.events.refused("malformed");
      else this.#options.events.error(error);
      edge.reset();
    }
  }

  onEnd(edge: EdgeStream<MailboxStream>): void {
    edge.context.ending();
  }

  onDrain(edge: EdgeStream<MailboxStream>): void {
    edge.context.drained();
  }

  onClose(edge: EdgeStream<MailboxStream>): void {
    const stream = edge.context;
    stream.close();
    this.#streams.delete(stream);
    if (this.#streams.size === 0) this.#empty?.();
  }

  shut(): void {
    this.#shut = true;
    for (const stream of this.#streams) stream.reply(0, { is: "goaway", retryMs: limit.RETRY_MS_DEFAULT });
  }

  async end(): Promise<void> {
    if (this.#streams.size > 0) {
      const empty = new Promise<void>((resolve) => (this.#empty = resolve));
      await within(GOING_MS, empty);
    }
    // What a device still hasn't taken then would hold up all others for as long as the relay may take to stop.
    const finished = Promise.all([...this.#streams].map((stream) => stream.finish()));
    await within(limit.CLOSE_LINGER_MS, finished);
  }

  /** Whoever asks for a version that this relay doesn't speak learns which it does. */
  unsupported(edge: EdgeStream<MailboxStream>): void {
    const { crypto, events, voice } = this.#options;
    const stream = new MailboxStream({
      edge,
      nonce: nonce(crypto.random.bytes(32)),
      load: { commands: 0, heldBytes: 0, buckets: null },
      voice,
      events,
      door: { frame: () => undefined },
      unread: { waits: () => undefined, ends: () => undefined },
    });
    edge.context = stream;
    this.#hello(stream);
    stream.refuse(0, { code: "unsupported", versions: PROTOCOL_VERSIONS });
    events.refused("unsupported");
    stream.ending();
  }

  #hello(stream: MailboxStream): void {
    const { certificate, clock, ttlMsMax } = this.#options;
    stream.reply(0, {
      is: "hello",
      versions: PROTOCOL_VERSIONS,
      nonce: stream.nonce,
      certificate: certificate(),
      nowMs: clock.now(),
      ttlMsMax,
    });
  }

  frame(stream: MailboxStream, frame: { kind: number; request: number; payload: Uint8Array }): void {
    const bytes = limit.FRAME_HEADER_BYTES + frame.payload.length;
    const { request } = frame;
    const decoded = this.#decode(stream, frame);
    if (decoded !== null && !("op" in decoded)) {
      return this.#command({ stream, request, command: decoded, bytes });
    }
    const { rates, clock, events } = this.#options;
    const is = decoded === null ? "malformed" : "control";
    const over = rates.ofFrame((stream.load.buckets ??= newBuckets()), is, clock.monotonic());
    if (decoded === null) events.refused("malformed");
    // There is no saying busy to what has no answer, and one that is due to each frame costs as much as the frame.
    if (over !== null) {
      events.limited(over);
      return stream.edge.reset();
    }
    if (decoded === null) stream.refuse(request, { code: "malformed" });
    else this.#control(stream, decoded);
    stream.dealtWith(bytes);
  }

  #decode(
    stream: MailboxStream,
    frame: { readonly kind: number; readonly payload: Uint8Array },
  ): Command | StreamControl | null {
    try {
      if (isStreamControl(frame.kind)) return decodeStreamControl(frame);
      return decodeCommand(frame, {
        relay: this.#options.relay,
        nonce: stream.nonce,
        digest: this.#options.crypto.hash,
      });
    } catch (error) {
      if (isFault(error, "wire/malformed")) return null;
      throw error;
    }
  }

  #control(stream: MailboxStream, control: StreamControl): void {
    if (control.op === "unsubscribe") return stream.unsubscribe(control.request);
    // Credit past its bound is a client that counts wrongly: nothing that it says later can be relied on.
    if (!stream.deliveries(this.#options.delivery).credit(control.bytes)) {
      this.#options.events.refused("limit");
      this.#options.events.limited("CREDIT_BYTES_MAX");
      stream.edge.reset();
    }
  }

  #command(asked: Omit<Asked, "cameMs">): void {
    const { stream, request, command, bytes } = asked;
    const { events, clock } = this.#options;
    events.received(command.body.op, bytes);
    const cameMs = clock.monotonic();
    const refusal = this.#refusal(stream, command, cameMs);
    if (refusal !== null) {
      events.refused(refusal.code);
      stream.refuse(request, refusal);
      return stream.dealtWith(bytes);
    }
    stream.waits(request, command.body.op);
    this.#options.admit({ ...asked, cameMs });
  }

  /** Why a command isn't even looked at; null where it is. */
  #refusal({ load, overWaiting }: MailboxStream, command: Command, nowMs: number): Refusal | null {
    if (this.#shut) return { code: "draining" };
    const { rates, events, isMemoryFull } = this.#options;
    if (overWaiting !== null) {
      events.limited(overWaiting);
      return { code: "busy", retryMs: limit.RETRY_MS_DEFAULT };
    }
    if (NEW_WORK.has(command.body.op) && isMemoryFull()) {
      events.limited("MEMORY_BYTES_MAX");
      return { code: "busy", retryMs: limit.MEMORY_RETRY_MS };
    }
    const over = rates.ofConnection((load.buckets ??= newBuckets()), command, nowMs);
    if (over === null) return null;
    events.limited(over.limit);
    return { code: "busy", retryMs: over.retryMs };
  }
}
