/**
 * The one file that knows the order in which a command goes through the relay:
 *
 *     bytes of a stream -> frames -> commands -> the connection's rates -> signatures, all of a tick together
 *     -> the mailbox's rates -> the store's batch, fsync -> promises under one signature, replies in order -> delivery
 *
 * A bad signature takes the same way as a good one, marked, and is refused where a key that may not is refused:
 * in the batch. So the two answers are alike, in time too. Nothing is answered before the fsync of what it reveals.
 */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { Delivery, type DeliveryEvents } from "../delivery/mod.ts";
import type { ProtocolTable } from "../edge/mod.ts";
import { assert, type Clock, Fault, isFault, limit } from "../ground/mod.ts";
import type { MailboxStore, Outcome, StoredEntry } from "../mailbox/mod.ts";
import type { AppendPromise, CheckedCommand, NodeCertificate, Refusal } from "../wire/mod.ts";
import { CommitLine } from "./pipeline/commit.ts";
import { type Asked, openDoor, type StreamDoor } from "./pipeline/door.ts";
import type { PipelineEvents } from "./pipeline/events.ts";
import { answer, handingOut, type QueryContext } from "./pipeline/query.ts";
import { CommandRates, type Overdrawn, type Rates } from "./pipeline/rate.ts";
import { SignatureCheck } from "./pipeline/verify.ts";
import { type Kept, Voice } from "./pipeline/voice.ts";
import { within } from "./within.ts";

export interface PipelineOptions {
  readonly crypto: Crypto;
  readonly store: MailboxStore;
  readonly clock: Clock;
  /** This node's, valid for a good while yet. */
  readonly certificate: () => NodeCertificate;
  readonly headKey: SigningKey;
  readonly ttlMsMax: number;
  readonly rates: Rates;
  /** Whether new work has to wait for memory. */
  readonly isMemoryFull: () => boolean;
  /** How long a peer may take nothing of what is held for it. */
  readonly slowReaderTimeoutMs: () => number;
  readonly events: PipelineEvents;
  readonly deliveryEvents: DeliveryEvents;
  /** Default limit.STORE_ANSWER_MS. */
  readonly answerMs?: number;
}

interface Checked extends Asked {
  readonly command: CheckedCommand;
}

function bytesOf(batch: readonly Checked[]): number {
  return batch.reduce((bytes, asked) => bytes + asked.bytes, 0);
}

/** Bytes of what a store grew by: that it takes acknowledgements and readings says nothing of one that has no room. */
function grownBy(batch: readonly Checked[], outcomes: readonly Outcome[]): number {
  return bytesOf(
    batch.filter((_, at) => {
      const outcome = outcomes[at];
      return outcome?.is === "appended" && outcome.fresh;
    }),
  );
}

function isUnavailable(outcome: Outcome): boolean {
  return outcome.is === "refused" && outcome.refusal.code === "unavailable";
}

/** Serves the mailbox protocol on streams of the edge, out of one store. */
export class Pipeline {
  readonly delivery: Delivery;
  readonly #options: PipelineOptions;
  readonly #voice: Voice;
  readonly #query: QueryContext;
  readonly #check: SignatureCheck<Asked>;
  readonly #line: CommitLine<Checked>;
  readonly #rates: CommandRates;
  readonly #door: StreamDoor;
  #failure: string | null = null;
  /** What the store must take before it works again: as much as the largest batch that it failed on. */
  #failedBytes = 0;
  /** Another relay may have had the store meanwhile, and nobody here was told what it committed. */
  #wasLost = false;
  /** The question that is under way. */
  #probing: Promise<true> | null = null;

  constructor(options: PipelineOptions) {
    const { crypto, store, clock, ttlMsMax } = options;
    this.#options = options;
    this.#rates = new CommandRates(options.rates, (length) => crypto.random.bytes(length));
    this.#voice = new Voice(options);
    this.#query = { store, voice: this.#voice, digest: crypto.hash };
    this.delivery = new Delivery({ source: store, events: options.deliveryEvents });
    this.#line = new CommitLine({
      store,
      clock,
      ttlMsMax,
      committed: (batch, outcomes) => this.#committed(batch, outcomes),
      failed: (batch, error) => this.#failed(batch, error),
    });
    this.#check = new SignatureCheck({
      crypto,
      checked: (items, authentic) => this.#checked(items, authentic),
      failed: (items, error) => {
        options.events.error(error);
        for (const asked of items) {
          this.#line.release(asked.bytes);
          this.#refuse(asked, { code: "busy", retryMs: limit.RETRY_MS_DEFAULT });
        }
      },
    });
    this.#door = openDoor({
      ...options,
      relay: options.certificate().relay,
      voice: this.#voice,
      delivery: this.delivery,
      rates: this.#rates,
      admit: (asked) => this.#admit(asked),
    });
  }

  /** What the edge asks which handler serves a protocol. */
  get protocols(): ProtocolTable {
    return this.#door.protocols;
  }

  /** Why the store takes no commands now, for operators; null while it does. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Changes what connections and mailboxes may ask for, from the next command on. */
  setRates(rates: Rates): void {
    this.#rates.set(rates);
  }

  /** Says goaway on all streams, takes nothing new, and resolves when all that was taken is answered and gone out. */
  async drain(): Promise<void> {
    this.#door.shut();
    while (!this.#check.idle || !this.#line.idle) {
      // What is being checked gets in line a tick later
      await new Promise((resolve) => setImmediate(resolve));
      await this.#line.settled();
    }
    await this.#door.end();
  }

  /** Asks the store whether it works, or works again; call it from time to time. A store that is stuck is asked once. */
  async probe(): Promise<void> {
    const { answerMs = limit.STORE_ANSWER_MS } = this.#options;
    const answered = await within(answerMs, (this.#probing ??= this.#askStore()));
    if (answered !== null) return;
    const why = `The store hasn't answered for ${answerMs / 1000} s; it waits for its disk or server, or hangs`;
    this.#storeFailed(new Fault("store/unavailable", why));
  }

  async #askStore(): Promise<true> {
    const bytes = this.#failure === null ? null : this.#failedBytes;
    try {
      await this.#options.store.probe(bytes);
      this.#catchUp();
      // A batch may have failed meanwhile.
      if ((bytes ?? 0) >= this.#failedBytes) this.#storeWorks();
    } catch (error) {
      this.#storeFailed(error);
    } finally {
      this.#probing = null;
    }
    return true;
  }

  /** What else uses the store was told this by it, which may be the only one to hear that the store was another's. */
  heard(error: unknown): void {
    if (isFault(error, "store/busy")) this.#wasLost = true;
  }

  #storeFailed(error: unknown): void {
    this.#failure = error instanceof Error ? error.message : String(error);
    this.heard(error);
    this.#options.events.storeFailed(error);
  }

  #storeWorks(): void {
    if (this.#failure === null) return;
    this.#failure = null;
    this.#failedBytes = 0;
    this.#options.events.storeWorks();
  }

  /** A full disk still takes small batches in what room is left, and would be ready and not ready by turns. */
  #tookMore(bytes: number): void {
    if (bytes > 0 && bytes >= this.#failedBytes) this.#storeWorks();
  }

  /** Before anything that is committed from now on is handed out from memory. */
  #catchUp(): void {
    if (!this.#wasLost) return;
    this.#wasLost = false;
    this.delivery.doubtfulAll();
  }

  #admit(asked: Asked): void {
    const over = this.#line.reserve(asked.bytes);
    if (over === null) return this.#check.push(asked);
    this.#options.events.limited(over);
    this.#refuse(asked, { code: "busy", retryMs: limit.RETRY_MS_DEFAULT });
  }

  #checked(items: readonly Asked[], authentic: readonly boolean[]): void {
    const nowMs = this.#options.clock.monotonic();
    const checked: Checked[] = [];
    items.forEach((asked, index) => {
      const isAuthentic = authentic[index] === true;
      // Only who holds a key can use up its buckets; a bad signature goes on to be refused like a wrong key.
      const over = isAuthentic ? this.#rates.ofSigner(asked.command, nowMs) : null;
      if (over === null) checked.push({ ...asked, command: { ...asked.command, authentic: isAuthentic } });
      else this.#limit(asked, over);
    });
    this.#line.push(checked);
  }

  #limit(asked: Asked, over: Overdrawn): void {
    this.#line.release(asked.bytes);
    this.#options.events.limited(over.limit);
    this.#refuse(asked, { code: "busy", retryMs: over.retryMs });
  }

  #failed(batch: readonly Checked[], error: unknown): void {
    this.#failedBytes = Math.max(this.#failedBytes, bytesOf(batch));
    this.#storeFailed(error);
    if (isFault(error, "store/unknown")) return this.#leaveOpen(batch);
    const refusal = { code: "unavailable", retryMs: limit.RETRY_MS_DEFAULT } as const;
    for (const asked of batch) this.#refuse(asked, refusal);
  }

  /** Answers a batch that may have been kept: what happened shows when the client asks again under the same id. */
  #leaveOpen(batch: readonly Checked[]): void {
    for (const asked of batch) {
      this.#refuse(asked, { code: "busy", retryMs: limit.RETRY_MS_DEFAULT });
      this.delivery.doubtful(asked.command.authority.mailbox);
    }
  }

  #committed(batch: readonly Checked[], outcomes: readonly Outcome[]): void {
    assert(outcomes.length === batch.length, "a store answers each command of a batch");
    const { clock, events } = this.#options;
    const ms = clock.monotonic() - (batch[0]?.cameMs ?? clock.monotonic());
    this.#catchUp();
    // A store that is short of room keeps what takes none, and says why by a probe.
    if (outcomes.some(isUnavailable)) void this.probe();
    else if (this.#failure !== null) this.#tookMore(grownBy(batch, outcomes));
    const kept = outcomes.filter((outcome) => outcome.is === "appended");
    const promised = this.#promise(kept);
    if (promised === null) return this.#leaveOpen(batch);
    const promises = promised.values();
    // Replies first, then deliveries, both in the order of the batch.
    this.#each(batch, outcomes, (asked, outcome) => {
      const promise = outcome.is === "appended" ? promises.next().value : undefined;
      this.#answer(asked, outcome, promise);
    });
    this.#each(batch, outcomes, (asked, outcome) => this.#deliver(asked, outcome));
    const fresh = kept.filter((outcome) => outcome.fresh).length;
    events.committed({ commands: batch.length, kept: fresh, ms });
  }

  /** Promises for what was kept; null where they can't be made. */
  #promise(kept: readonly Kept[]): AppendPromise[] | null {
    try {
      return this.#voice.promises(kept);
    } catch (error) {
      this.#options.events.error(error);
      return null;
    }
  }

  /** Does `each` for all of a batch; what goes wrong with one ends its stream and not the others. */
  #each(
    batch: readonly Checked[],
    outcomes: readonly Outcome[],
    each: (asked: Checked, outcome: Outcome) => void,
  ): void {
    for (const [index, asked] of batch.entries()) {
      const outcome = outcomes[index];
      assert(outcome !== undefined, "a store answers each command of a batch");
      try {
        each(asked, outcome);
      } catch (error) {
        this.#options.events.error(error);
        asked.stream.edge.reset();
      }
    }
  }

  /** Replies to what the batch alone answers; a question goes on to be looked up. */
  #answer(asked: Checked, outcome: Outcome, promise: AppendPromise | undefined): void {
    const { stream, request } = asked;
    switch (outcome.is) {
      case "refused":
        return this.#refuse(asked, outcome.refusal);
      case "damaged":
        this.#options.events.error(new Fault("store/corrupt", outcome.what));
        return this.#refuse(asked, { code: "unavailable", retryMs: limit.RETRY_MS_DEFAULT });
      case "generation":
        return this.#refuse(asked, this.#voice.generation(outcome.row));
      case "created":
        stream.reply(request, { is: "created", generation: outcome.row.generation, size: outcome.row.size });
        break;
      case "appended":
        assert(promise !== undefined, "each kept append has its promise");
        stream.reply(request, { is: "appended", promise });
        break;
      case "acknowledged":
        stream.reply(request, { is: "acknowledged", cursor: outcome.cursor });
        break;
      case "reset": {
        const { version, turn, size } = outcome.row;
        stream.reply(request, { is: "reset", version, turn, seq: size });
        break;
      }
      case "deleted":
        stream.reply(request, { is: "deleted" });
        break;
      case "taken": {
        const { row, seqs } = outcome;
        return this.#ask(asked, handingOut({ ...asked, row, seqs }, this.#query));
      }
      case "allowed":
        if (asked.command.body.op === "subscribe") return;
        return this.#ask(asked, async () => {
          await answer({ ...asked, row: outcome.row }, this.#query);
          return false;
        });
    }
    this.#done(asked);
  }

  /** Tells delivery what the batch changed, and starts the subscriptions that it allowed, in its order. */
  #deliver(asked: Checked, outcome: Outcome): void {
    const { body, authority } = asked.command;
    if (outcome.is === "appended" && body.op === "append") {
      const { mailbox, entry } = outcome;
      if (!this.delivery.listens(mailbox)) return;
      // A commit whose end nobody knew may have ended after its subscribers looked.
      if (!outcome.fresh) return this.delivery.doubtful(mailbox, entry.seq);
      const stored: StoredEntry = { ...entry, entry: body.entry };
      this.delivery.committed(mailbox, stored);
      this.delivery.removed(mailbox, body.change?.removed ?? []);
    } else if (outcome.is === "allowed" && body.op === "subscribe") {
      const { stream, request } = asked;
      const { mailbox, key: reader } = authority;
      const options = { request, mailbox, reader, from: body.from, row: outcome.row };
      if (stream.subscribe(this.delivery, options)) this.#done(asked);
      else {
        this.#options.events.limited("SUBSCRIPTIONS_MAX");
        this.#refuse(asked, { code: "limit" });
      }
    } else if (outcome.is === "reset") this.delivery.changed(outcome.row);
    else if (outcome.is === "deleted") this.delivery.deleted(authority.mailbox);
  }

  /** Looks up on the stream's own line, after the answers before it have gone out, until there is no more. */
  #ask(asked: Checked, lookUp: () => Promise<boolean>): void {
    const { stream } = asked;
    stream.query(() =>
      this.delivery.turns.run(async () => {
        if (stream.closed) return false;
        if (stream.isBehind) {
          this.#options.events.limited("HELD_REPLIES_BYTES_MAX");
          this.#refuse(asked, { code: "busy", retryMs: limit.RETRY_MS_DEFAULT });
          return false;
        }
        try {
          if (await lookUp()) return true;
          this.#done(asked);
        } catch (error) {
          this.#options.events.error(error);
          // What a TAKE was given is kept, and it gets that when it asks again.
          const code = asked.command.body.op === "take" ? "busy" : "unavailable";
          this.#refuse(asked, { code, retryMs: limit.RETRY_MS_DEFAULT });
        }
        return false;
      }),
    );
  }

  #refuse(asked: Asked, refusal: Refusal): void {
    this.#options.events.refused(refusal.code);
    asked.stream.refuse(asked.request, refusal);
    this.#done(asked);
  }

  #done({ stream, command, bytes, cameMs }: Asked): void {
    this.#options.events.answered(command.body.op, this.#options.clock.monotonic() - cameMs);
    stream.answered(bytes);
  }
}
