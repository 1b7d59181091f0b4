/**
 * A device's side of the mailbox protocol: one stream of a connection, whose replies are checked before anybody
 * sees them. Not authenticated as anyone: each command is signed by the key that may.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import { type Clock, Fault, limit, type PublicKey } from "../../ground/mod.ts";
import {
  type CommandBody,
  type DeliveredEntry,
  encodeStreamControl,
  type Hello,
  type NodeCertificate,
  PROTOCOL_VERSION,
  type Reply,
  signCommand,
} from "../../wire/mod.ts";
import type {
  CommandResult,
  ReadResult,
  RelaySession,
  Signing,
  SingleBody,
  SubscriptionSink,
} from "../port.ts";
import { Channel, closedFault } from "./channel.ts";
import { Gate } from "./gate.ts";
import { Pending, type Waiter } from "./pending.ts";
import type { SessionCode, SessionConnection } from "./port.ts";
import { Follower } from "./subscription.ts";
import { untrue, Verifier } from "./verify.ts";

const REQUEST_TIMEOUT_MS = 30_000;
const HELLO_TIMEOUT_MS = 10_000;
/** How long a command counts: much longer than an answer takes, much shorter than relays allow. */
const COMMAND_LIFETIME_MS = 60 * 60 * 1000;
/** Requests under way; more wait here rather than be refused as busy there, with room left for subscriptions. */
const REQUESTS_MAX = limit.COMMANDS_PER_STREAM_MAX / 2;
/** Credit that a session holds out while it subscribes, and how much of it is given back at a time. */
const CREDIT_BYTES = 1024 * 1024;
const CREDIT_STEP_BYTES = CREDIT_BYTES / 4;

export interface OpenSessionOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** The identity that is expected; null trusts whichever the relay shows. */
  readonly relay: PublicKey | null;
  readonly signal?: AbortSignal;
  /** For an answer; 30 s unless said otherwise. */
  readonly timeoutMs?: number;
}

/** A session, and who answered. */
export interface OpenedSession extends RelaySession {
  readonly relay: PublicKey;
  readonly ttlMsMax: number;
}

/**
 * Opens a stream on `connection`, borrowed, and resolves once the relay's hello holds. Throws
 * Fault<SessionCode>. Dispose ends the stream, not the connection.
 */
export async function openSession(
  connection: SessionConnection,
  options: OpenSessionOptions,
): Promise<OpenedSession> {
  options.signal?.throwIfAborted();
  const session = new Session(connection, options);
  return session.opened();
}

interface AskOptions<T> {
  readonly signal?: AbortSignal;
  readonly take: (reply: Reply) => T | null;
}

class Session implements OpenedSession {
  readonly closed: Promise<string>;
  readonly #options: OpenSessionOptions;
  readonly #channel: Channel;
  readonly #pending: Pending;
  readonly #gate = new Gate(REQUESTS_MAX);
  readonly #hello = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<string>();
  #greeting: { readonly hello: Hello; readonly verifier: Verifier; readonly skewMs: number } | null = null;
  #fault: Fault<SessionCode> | null = null;
  /** Subscriptions that were given up here. */
  readonly #stopped = new Set<number>();
  #credited = false;
  #going = false;
  /** Bytes of entries that sinks are done with and whose credit wasn't given back yet. */
  #owedBytes = 0;

  constructor(connection: SessionConnection, options: OpenSessionOptions) {
    this.#options = options;
    this.closed = this.#end.promise;
    this.#pending = new Pending({
      timeoutMs: options.timeoutMs ?? REQUEST_TIMEOUT_MS,
      monotonic: () => options.clock.monotonic(),
      expired: (waiter) => waiter.fail(timeoutFault("an answer")),
    });
    this.#channel = new Channel(connection, {
      hello: (hello) => this.#greet(hello, connection.peer.bytes),
      reply: (request, reply) => this.#reply(request, reply),
      closed: (fault) => this.#over(fault),
    });
  }

  /** This session, once the hello is in and holds. */
  async opened(): Promise<this> {
    const late = setTimeout(() => this.#hello.reject(timeoutFault("its hello")), HELLO_TIMEOUT_MS);
    const { signal } = this.#options;
    const aborted = (): void => this.#hello.reject(signal?.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    try {
      await this.#hello.promise;
      return this;
    } catch (error) {
      this.#channel.end("it was closed here");
      throw error;
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", aborted);
    }
  }

  get relay(): PublicKey {
    return this.certificate.relay;
  }

  get certificate(): NodeCertificate {
    return this.#known.hello.certificate;
  }

  get ttlMsMax(): number {
    return this.#known.hello.ttlMsMax;
  }

  get skewMs(): number {
    return this.#known.skewMs;
  }

  command(
    body: SingleBody,
    signing: Signing,
    options: { signal?: AbortSignal } = {},
  ): Promise<CommandResult> {
    return this.#ask(body, signing, {
      ...options,
      take: (reply) => this.#single(reply, signing),
    });
  }

  read(
    range: { from: number; bytesMax: number },
    signing: Signing,
    options: { signal?: AbortSignal } = {},
  ): Promise<ReadResult> {
    let [next, bytes] = [range.from, 0];
    const bytesMax = Math.min(range.bytesMax, limit.READ_BYTES_MAX);
    const dense = ({ leaf, entry }: DeliveredEntry): void => {
      if (leaf.seq !== next) throw untrue(`a read got entry ${leaf.seq} in place of ${next}`);
      const length = entry?.length ?? 0;
      // The body that reaches what was asked for is the last.
      if (bytes >= bytesMax && bytes > 0 && length > 0)
        throw untrue(`a read of ${bytesMax} bytes went on after ${bytes}`);
      next += 1;
      bytes += length;
    };
    return this.#ask({ op: "read", ...range }, signing, { ...options, take: this.#gather(signing, dense) });
  }

  take(
    take: Extract<CommandBody, { op: "take" }>,
    signing: Signing,
    options: { signal?: AbortSignal } = {},
  ): Promise<ReadResult> {
    return this.#ask(take, signing, { ...options, take: this.#gather(signing, () => undefined) });
  }

  subscribe(from: number, signing: Signing, sink: SubscriptionSink): () => void {
    const follower = new Follower({
      from,
      mailbox: signing.mailbox,
      sink,
      verifier: this.#known.verifier,
      took: (bytes) => this.#took(bytes),
      broken: (error) =>
        this.#channel.fail(closedFault(`what it brought could not be taken: ${reasonOf(error)}`)),
    });
    if (this.#fault !== null) {
      queueMicrotask(() => follower.fail());
      return () => undefined;
    }
    const request = this.#pending.add(follower, { endless: true });
    if (!this.#credited) this.#channel.send(encodeStreamControl({ op: "credit", bytes: CREDIT_BYTES }));
    this.#credited = true;
    this.#channel.send(this.#signed({ op: "subscribe", from }, signing, request));
    return () => {
      if (this.#pending.get(request) !== follower) return;
      this.#pending.remove(request);
      follower.stop();
      this.#stopped.add(request);
      this.#channel.send(encodeStreamControl({ op: "unsubscribe", request }));
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.end("it was closed here");
  }

  get #known() {
    if (this.#greeting === null) throw closedFault("the relay has not said hello");
    return this.#greeting;
  }

  #greet(hello: Hello, peerId: Uint8Array): void {
    const { crypto, clock, relay } = this.#options;
    if (this.#greeting !== null) throw untrue("a second hello");
    const nowMs = clock.now();
    const verifier = new Verifier({ crypto, hello, peerId, relay, nowMs });
    this.#greeting = { hello, verifier, skewMs: hello.nowMs - nowMs };
    if (hello.versions.includes(PROTOCOL_VERSION)) this.#hello.resolve();
  }

  #reply(request: number, reply: Reply): void {
    if (request === 0) return this.#unasked(reply);
    const waiter = this.#pending.get(request);
    if (waiter === undefined) {
      // What was on its way to a subscription when it was given up cost credit all the same.
      if (reply.is === "entry" && this.#stopped.has(request)) this.#took(reply.entry?.length ?? 0);
      return;
    }
    if (waiter.reply(reply)) this.#pending.remove(request);
    this.#goWhenAnswered();
  }

  /** The relay is going: once it owes no answer, so is this session. */
  #goWhenAnswered(): void {
    if (this.#going && this.#pending.answered) this.#channel.end("the relay is going");
  }

  #unasked(reply: Reply): void {
    if (reply.is === "goaway") {
      this.#going = true;
      return this.#goWhenAnswered();
    }
    if (reply.is !== "refused" || reply.refusal.code !== "unsupported") return;
    const versions = reply.refusal.versions.join(", ");
    const what = `The relay speaks versions ${versions} of the mailbox protocol, this client ${PROTOCOL_VERSION}`;
    this.#channel.fail(new Fault("session/unsupported", what));
  }

  #over(fault: Fault<SessionCode>): void {
    this.#fault = fault;
    this.#hello.reject(fault);
    // Nobody may be waiting for the hello any more.
    this.#hello.promise.catch(() => undefined);
    this.#pending.clear(fault);
    this.#end.resolve(fault.message);
  }

  /** Signs and sends `body` when fewer than REQUESTS_MAX are under way; `take` gets replies until it has the result. */
  async #ask<T>(body: CommandBody, signing: Signing, options: AskOptions<T>): Promise<T> {
    options.signal?.throwIfAborted();
    await this.#gate.enter();
    try {
      return await this.#send(body, signing, options);
    } finally {
      this.#gate.leave();
    }
  }

  #send<T>(body: CommandBody, signing: Signing, { signal, take }: AskOptions<T>): Promise<T> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const waiter: Waiter = {
      reply(reply) {
        const result = take(reply);
        if (result === null) return false;
        signal?.removeEventListener("abort", aborted);
        resolve(result);
        return true;
      },
      fail(error) {
        signal?.removeEventListener("abort", aborted);
        reject(error);
      },
    };
    const request = this.#pending.add(waiter);
    const aborted = (): void => {
      this.#pending.remove(request);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", aborted, { once: true });
    this.#channel.send(this.#signed(body, signing, request));
    return promise;
  }

  #signed(body: CommandBody, signing: Signing, request: number): Uint8Array {
    const { hello, skewMs } = this.#known;
    const lifetimeMs = Math.min(COMMAND_LIFETIME_MS, limit.COMMAND_LIFETIME_MS_MAX);
    const notAfterMs = this.#options.clock.now() + skewMs + lifetimeMs;
    const { relay } = hello.certificate;
    const options = { ...signing, body, notAfterMs, relay, nonce: hello.nonce, request };
    return signCommand(options, this.#options.crypto);
  }

  #single(reply: Reply, { mailbox }: Signing): CommandResult {
    const { verifier } = this.#known;
    switch (reply.is) {
      case "refused":
        verifier.refusal(reply.refusal, mailbox);
        return reply;
      case "described":
        verifier.description(reply, mailbox);
        return reply;
      case "appended":
        verifier.promise(reply.promise, mailbox);
        return reply;
      case "proof":
        verifier.head(reply.head, mailbox);
        return reply;
      case "created":
      case "acknowledged":
      case "receipts":
      case "reset":
      case "deleted":
        return reply;
      default:
        throw untrue(`a command got ${reply.is}`);
    }
  }

  /** Gathers entries until the relay says done. */
  #gather({ mailbox }: Signing, check: (entry: DeliveredEntry) => void): (reply: Reply) => ReadResult | null {
    const entries: DeliveredEntry[] = [];
    const { verifier } = this.#known;
    return (reply) => {
      if (reply.is === "entry") {
        if (entries.length >= limit.DELIVERY_TURN_ENTRIES_MAX) {
          throw untrue(`one command got more than ${entries.length} entries`);
        }
        check(reply);
        verifier.entry(reply);
        entries.push(reply);
        return null;
      }
      if (reply.is === "done") {
        verifier.head(reply.head, mailbox);
        return { is: "read", entries, next: reply.next, head: reply.head };
      }
      if (reply.is !== "refused") throw untrue(`a read got ${reply.is}`);
      verifier.refusal(reply.refusal, mailbox);
      return reply;
    };
  }

  #took(bytes: number): void {
    this.#owedBytes += bytes;
    if (this.#owedBytes < CREDIT_STEP_BYTES) return;
    this.#channel.send(encodeStreamControl({ op: "credit", bytes: this.#owedBytes }));
    this.#owedBytes = 0;
  }
}

function timeoutFault(what: string): Fault<SessionCode> {
  return new Fault("session/timeout", `The relay took too long for ${what}`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "it failed";
}
