/**
 * One stream of the mailbox protocol as the relay holds it: what came in and is not answered, what goes out and
 * did not fit. Small while idle; all that it may hold is bounded by the peer's yamux window and the limits.
 */
import type { Delivery, DeliveryStream, Ending, Outlet, SubscribeOptions } from "../../delivery/mod.ts";
import type { EdgeStream } from "../../edge/mod.ts";
import { limit, type Nonce } from "../../ground/mod.ts";
import type { MailboxRow, StoredEntry } from "../../mailbox/mod.ts";
import {
  encodeReply,
  FrameReader,
  type FrameSink,
  type Op,
  type Refusal,
  type Reply,
} from "../../wire/mod.ts";
import type { PipelineEvents } from "./events.ts";
import type { ConnectionBuckets } from "./rate.ts";
import type { Unread } from "./unread.ts";
import type { Voice } from "./voice.ts";

/** What the streams of one connection share, for as long as it lasts. */
export interface ConnectionLoad {
  /** Commands that wait for answers. */
  commands: number;
  /** Replies that wait to go out, in bytes, with what each costs beside its own. */
  heldBytes: number;
  /** Made with the first frame. */
  buckets: ConnectionBuckets | null;
}

export interface MailboxStreamOptions {
  readonly edge: EdgeStream<never> | EdgeStream;
  readonly nonce: Nonce;
  readonly load: ConnectionLoad;
  readonly voice: Voice;
  readonly events: PipelineEvents;
  readonly door: FrameTaker;
  readonly unread: Pick<Unread<MailboxStream>, "waits" | "ends">;
}

/** Takes a stream's frames, each the taker's to keep. */
export interface FrameTaker {
  frame(stream: MailboxStream, frame: { kind: number; request: number; payload: Uint8Array }): void;
}

/** What a reply that waits takes beside its bytes, which are an object of their own. */
const HELD_REPLY_BYTES = 128;

export class MailboxStream implements Outlet, FrameSink {
  readonly edge: MailboxStreamOptions["edge"];
  readonly nonce: Nonce;
  readonly load: ConnectionLoad;
  readonly #door: FrameTaker;
  readonly #voice: Voice;
  readonly #events: PipelineEvents;
  readonly #unread: MailboxStreamOptions["unread"];
  readonly #frames = new FrameReader(this);
  /** Made when the first subscription or credit comes. */
  #delivery: DeliveryStream | null = null;
  /** Subscriptions asked for and not yet decided; true where the client gave them up meanwhile. */
  #asked: Map<number, boolean> | null = null;
  #queries: (() => Promise<boolean>)[] | null = null;
  #querying = false;
  #out: Uint8Array[] = NOTHING;
  /** Commands that wait for their answers. */
  #commands = 0;
  /** Received bytes that are dealt with; the window reopens by them when nothing waits to go out. */
  #dealtWith = 0;
  #ending = false;
  #finished: (() => void) | null = null;
  #closed = false;

  constructor(options: MailboxStreamOptions) {
    this.edge = options.edge;
    this.nonce = options.nonce;
    this.load = options.load;
    this.#voice = options.voice;
    this.#events = options.events;
    this.#door = options.door;
    this.#unread = options.unread;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get open(): boolean {
    return !this.#closed && this.#out.length === 0;
  }

  /** Whether so much waits to go out on this connection that nothing more is read for it. */
  get isBehind(): boolean {
    return this.load.heldBytes > limit.HELD_REPLIES_BYTES_MAX / 2;
  }

  /** The name of the limit that is in the way of one more command that waits; null where none is. */
  get overWaiting(): string | null {
    if (this.#commands >= limit.COMMANDS_PER_STREAM_MAX) return "COMMANDS_PER_STREAM_MAX";
    return this.load.commands >= limit.COMMANDS_PER_CONNECTION_MAX ? "COMMANDS_PER_CONNECTION_MAX" : null;
  }

  onFrame(kind: number, request: number, payload: Uint8Array): void {
    this.#door.frame(this, { kind, request, payload });
  }

  /** Cuts borrowed `bytes` into frames; throws Fault<"wire/malformed"> where that can't go on. */
  received(bytes: Uint8Array): void {
    this.#frames.push(bytes);
  }

  /** A command is on its way; `answered` follows. */
  waits(request: number, op: Op): void {
    this.#commands += 1;
    this.load.commands += 1;
    if (op === "subscribe") (this.#asked ??= new Map()).set(request, false);
  }

  /** A command of `bytes` has its answer. */
  answered(bytes: number): void {
    if (this.#closed) return;
    this.#commands -= 1;
    this.load.commands -= 1;
    this.dealtWith(bytes);
    this.#endWhenDone();
  }

  /** `bytes` of input need no more. A peer that doesn't read what it asked for gets no more window to ask. */
  dealtWith(bytes: number): void {
    this.#dealtWith += bytes;
    if (this.open) this.#consume();
  }

  /** Sends a reply, or holds what doesn't fit the peer's window. */
  reply(request: number, reply: Reply): void {
    if (this.#closed) return;
    const bytes = encodeReply(reply, request);
    this.#events.sent(reply.is, bytes.length);
    const taken = this.#out.length === 0 ? this.edge.write(bytes) : 0;
    if (taken < bytes.length) this.#hold(bytes.subarray(taken));
  }

  #hold(bytes: Uint8Array): void {
    if (this.#out === NOTHING) {
      this.#out = [];
      this.#unread.waits(this);
    }
    this.#out.push(bytes);
    this.load.heldBytes += bytes.length + HELD_REPLY_BYTES;
    if (this.load.heldBytes <= limit.HELD_REPLIES_BYTES_MAX) return;
    this.#events.limited("HELD_REPLIES_BYTES_MAX");
    this.edge.reset();
  }

  refuse(request: number, refusal: Refusal): void {
    this.#decided(request);
    this.reply(request, { is: "refused", refusal });
  }

  #decided(request: number): void {
    this.#asked?.delete(request);
    if (this.#asked?.size === 0) this.#asked = null;
  }

  entry(request: number, entry: StoredEntry): void {
    const { generation, seq, id, turn, kind, timeMs, expiryMs, entryHash } = entry;
    const leaf = { generation, seq, id, turn, kind, timeMs, expiryMs, entryHash };
    this.reply(request, { is: "entry", leaf, entry: entry.entry });
  }

  live(request: number, row: MailboxRow): void {
    this.reply(request, { is: "live", head: this.#voice.head(row) });
  }

  ended(request: number, ending: Ending): void {
    const refusal = ending.is === "refused" ? ending.refusal : this.#voice.generation(ending.row);
    this.reply(request, { is: "ended", refusal });
  }

  /** The stream's subscriptions, made when first needed. */
  deliveries(delivery: Delivery): DeliveryStream {
    return (this.#delivery ??= delivery.stream(this));
  }

  unsubscribe(request: number): void {
    if (this.#asked?.has(request) === true) this.#asked.set(request, true);
    else this.#delivery?.unsubscribe(request);
  }

  /** Starts a subscription that its batch allowed; false where the stream may have no more. */
  subscribe(delivery: Delivery, options: SubscribeOptions): boolean {
    const givenUp = this.#asked?.get(options.request) === true;
    this.#decided(options.request);
    return givenUp || this.#closed || this.deliveries(delivery).subscribe(options);
  }

  /**
   * Runs `query` after those before it, each once what the one before sent has gone out; again in the same way, as
   * long as it resolves to true: there is more. It must not reject.
   */
  query(query: () => Promise<boolean>): void {
    (this.#queries ??= []).push(query);
    this.#nextQuery();
  }

  /** The peer's window or the connection's output has room again. */
  drained(): void {
    while (this.#out.length > 0) {
      const bytes = this.#out[0];
      if (bytes === undefined) break;
      const taken = this.edge.write(bytes);
      if (taken > 0) this.#unread.waits(this);
      this.load.heldBytes -= taken;
      if (taken < bytes.length) {
        this.#out[0] = bytes.subarray(taken);
        return;
      }
      this.load.heldBytes -= HELD_REPLY_BYTES;
      this.#out.shift();
    }
    this.#letGo();
    this.#consume();
    this.#delivery?.writable();
    this.#nextQuery();
    this.#endWhenDone();
  }

  /** The peer writes no more: this side ends when all is answered. */
  ending(): void {
    this.#ending = true;
    this.#endWhenDone();
  }

  /** Says no more after what is owed, and delivers no more: the relay is going. Resolves when that has gone out. */
  finish(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#finished = resolve;
    this.#delivery?.close();
    if (this.#closed) resolve();
    else this.#endWhenDone();
    return promise;
  }

  /** The stream is gone: what it waited for is dropped, its subscriptions end. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#frames.stop();
    this.load.commands -= this.#commands;
    this.#letGo();
    this.#queries = null;
    this.#asked = null;
    this.#delivery?.close();
    this.#finished?.();
  }

  /** Holds nothing any more. */
  #letGo(): void {
    for (const bytes of this.#out) this.load.heldBytes -= bytes.length + HELD_REPLY_BYTES;
    this.#out = NOTHING;
    this.#unread.ends(this);
  }

  #endWhenDone(): void {
    if (!this.#ending && this.#finished === null) return;
    if (this.#commands > 0 || !this.open) return;
    this.edge.end();
    this.#finished?.();
  }

  #nextQuery(): void {
    if (this.#querying || !this.open) return;
    const query = this.#queries?.[0];
    if (query === undefined) return;
    this.#querying = true;
    void query().then((more) => {
      this.#querying = false;
      if (!more) this.#queries?.shift();
      this.#nextQuery();
    });
  }

  #consume(): void {
    if (this.#dealtWith === 0 || this.#closed) return;
    this.edge.consume(this.#dealtWith);
    this.#dealtWith = 0;
  }
}

/** Most streams have nothing waiting; they share this instead of an array each. Never pushed to. */
const NOTHING: Uint8Array[] = [];
