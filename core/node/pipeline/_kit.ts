/** A pipeline over a real store, with a client at its other end, in one process; the store fails when told to. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Crypto, openCrypto, type SigningKey } from "@dchat/crypto-wasm";
import { openPair, type Pair, type PairOptions } from "../../../test/harness/stream_pair.ts";
import { openSession, type OpenedSession } from "../../client/session/mod.ts";
import { limit, publicKey, type PublicKey, signature } from "../../ground/mod.ts";
import type { MailboxStore, Outcome } from "../../mailbox/mod.ts";
import { openStore } from "../../store/mod.ts";
import { certificateStatement, type CheckedCommand, type NodeCertificate } from "../../wire/mod.ts";
import { systemClock } from "../clock.ts";
import { Pipeline, type PipelineOptions } from "../pipeline.ts";
import type { PipelineEvents } from "./events.ts";
import type { Rates } from "./rate.ts";

export const PEER = new Uint8Array(38).fill(3);

/** A store whose commits wait, fail or go through, as the test says. */
export class MoodyStore {
  readonly store: MailboxStore;
  readonly batches: number[] = [];
  /** The room that each probe asked for. */
  readonly probes: (number | null)[] = [];
  /** What probes wait for. */
  stuck: Promise<void> = Promise.resolve();
  /** Thrown in place of a commit; `after` does the commit and then throws. */
  mood: { readonly error: Error; readonly after: boolean } | null = null;
  /** Why appends are refused in a batch whose other commands are kept. */
  short: Error | null = null;
  #held: PromiseWithResolvers<void> | null = null;

  constructor(store: MailboxStore) {
    this.store = store;
    const commit = store.commit.bind(store);
    store.commit = (batch, options) => this.#commit(() => commit(batch, options), batch);
    const probe = store.probe.bind(store);
    store.probe = async (bytes) => {
      this.probes.push(bytes);
      await this.stuck;
      const error = this.mood?.error ?? this.short;
      if (error !== null) throw error;
      await probe(bytes);
    };
  }

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  async #commit(
    commit: () => Promise<readonly Outcome[]>,
    batch: readonly CheckedCommand[],
  ): Promise<readonly Outcome[]> {
    this.batches.push(batch.length);
    if (this.#held !== null) await this.#held.promise;
    const { mood } = this;
    if (mood === null) return this.#refusing(await commit(), batch);
    if (mood.after) await commit();
    throw mood.error;
  }

  #refusing(outcomes: readonly Outcome[], batch: readonly CheckedCommand[]): readonly Outcome[] {
    if (this.short === null) return outcomes;
    return outcomes.map((outcome, at) => (batch[at]?.body.op === "append" ? REFUSED : outcome));
  }
}

const RATES: Rates = {
  creates: limit.CREATES_PER_SECOND_MAX_DEFAULT,
  appends: limit.APPENDS_PER_SECOND_MAX_DEFAULT,
  appendBytes: limit.APPEND_BYTES_PER_SECOND_MAX_DEFAULT,
  reads: limit.READS_PER_SECOND_MAX_DEFAULT,
  subscribes: limit.SUBSCRIBES_PER_SECOND_MAX_DEFAULT,
};

const REFUSED: Outcome = {
  is: "refused",
  refusal: { code: "unavailable", retryMs: limit.RETRY_MS_DEFAULT },
};

export interface Kit extends AsyncDisposable {
  readonly crypto: Crypto;
  readonly relay: PublicKey;
  readonly certificate: NodeCertificate;
  readonly moody: MoodyStore;
  readonly pipeline: Pipeline;
  /** What telemetry would have been told. */
  readonly errors: unknown[];
  readonly counts: { received: number };
  /** For a test to set. */
  readonly memory: { isFull: boolean };
  readonly slowReader: { timeoutMs: number };
  /** Names of limits that turned commands away. */
  readonly limited: readonly string[];
  /** Messages of store failures, and "works" where the store came back. */
  readonly store: string[];
  readonly sent: string[];
  /** New entries that telemetry was told of, and how long batches took, ms. */
  readonly committed: { readonly kept: number; readonly ms: number }[];
  pair(options?: Partial<PairOptions>): Pair;
  connect(options?: Partial<PairOptions>): Promise<OpenedSession>;
}

/** What a relay's identity, made for it, certifies of its only node. */
function certificateOf(crypto: Crypto, headKey: SigningKey): NodeCertificate {
  const identity = crypto.ed25519.generate();
  const unsigned = {
    relay: publicKey(identity.publicKey),
    headKey: publicKey(headKey.publicKey),
    peerId: PEER,
    notAfterMs: systemClock.now() + 3_600_000,
  };
  return {
    ...unsigned,
    signature: signature(crypto.ed25519.sign(identity, certificateStatement(unsigned))),
  };
}

/** What a pipeline tells of itself, kept. */
function listen() {
  const errors: unknown[] = [];
  const sent: string[] = [];
  const store: string[] = [];
  const limited: string[] = [];
  const committed: Kit["committed"] = [];
  const counts = { received: 0 };
  const events: PipelineEvents = {
    received: () => void counts.received++,
    answered: () => undefined,
    refused: () => undefined,
    limited: (name) => void limited.push(name),
    sent: (reply) => void sent.push(reply),
    committed: (batch) => void committed.push(batch),
    error: (error) => void errors.push(error),
    storeFailed: (error) => void store.push(error instanceof Error ? error.message : String(error)),
    storeWorks: () => void store.push("works"),
  };
  return { errors, sent, store, limited, committed, counts, events };
}

export async function openKit(options: Pick<PipelineOptions, "answerMs"> = {}): Promise<Kit> {
  await using stack = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "dchat-pipeline-"));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const crypto = stack.use(await openCrypto({ needs: [] }));
  const store = stack.use(await openStore({ url: null, path: join(dir, "relay.sqlite") }));
  const moody = new MoodyStore(store);
  const headKey = crypto.ed25519.generate();
  const certificate = certificateOf(crypto, headKey);
  const told = listen();
  const memory = { isFull: false };
  const slowReader: { timeoutMs: number } = { timeoutMs: limit.SLOW_READER_TIMEOUT_MS };
  const pipeline = new Pipeline({
    crypto,
    store,
    clock: systemClock,
    certificate: () => certificate,
    headKey,
    ttlMsMax: 90 * 24 * 60 * 60 * 1000,
    isMemoryFull: () => memory.isFull,
    slowReaderTimeoutMs: () => slowReader.timeoutMs,
    ...options,
    rates: RATES,
    events: told.events,
    deliveryEvents: {
      delivered: () => undefined,
      subscribed: () => undefined,
      error: (error) => void told.errors.push(error),
    },
  });
  const pair = (options: Partial<PairOptions> = {}): Pair =>
    openPair({ protocols: pipeline.protocols, peer: PEER, ...options });
  const owned = stack.move();
  return {
    crypto,
    relay: certificate.relay,
    certificate,
    moody,
    pipeline,
    errors: told.errors,
    counts: told.counts,
    memory,
    slowReader,
    limited: told.limited,
    store: told.store,
    sent: told.sent,
    committed: told.committed,
    pair,
    connect: (options) =>
      openSession(pair(options).connection, { crypto, clock: systemClock, relay: null, timeoutMs: 5000 }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
