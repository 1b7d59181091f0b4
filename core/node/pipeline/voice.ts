/**
 * What the relay says under its node's head key: promises, heads, and why a mailbox lives again. Only what a
 * store has committed comes here.
 */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { assert, type Clock, type Hash, type MailboxId, signature } from "../../ground/mod.ts";
import type { EntryRow, MailboxRow } from "../../mailbox/mod.ts";
import { leafHash, nodeHash, rootOf, type Digest } from "../../merkle/mod.ts";
import {
  type AppendPromise,
  batchStatement,
  type GenerationStatement,
  generationStatement,
  type Head,
  headStatement,
  promiseBytes,
  type PromiseFact,
  type Refusal,
} from "../../wire/mod.ts";

export interface VoiceOptions {
  readonly crypto: Crypto;
  readonly headKey: SigningKey;
  readonly clock: Clock;
}

/** An append that was kept, now or before. */
export interface Kept {
  readonly mailbox: MailboxId;
  readonly entry: EntryRow;
}

export class Voice {
  readonly #crypto: Crypto;
  readonly #key: SigningKey;
  readonly #clock: Clock;
  readonly #digest: Digest;

  constructor(options: VoiceOptions) {
    this.#crypto = options.crypto;
    this.#key = options.headKey;
    this.#clock = options.clock;
    this.#digest = options.crypto.hash;
  }

  /** The signed root of a committed row. */
  head(row: MailboxRow): Head {
    const unsigned = {
      mailbox: row.id,
      generation: row.generation,
      size: row.size,
      root: rootOf(this.#digest, row.peaks),
      timeMs: this.#clock.now(),
    };
    return { ...unsigned, signature: this.#sign(headStatement(unsigned)) };
  }

  /** Why the mailbox is in this generation; null in the one that it was created with. */
  started(row: MailboxRow): GenerationStatement | null {
    if (row.started === null) return null;
    const unsigned = { mailbox: row.id, generation: row.generation, ...row.started };
    return { ...unsigned, signature: this.#sign(generationStatement(unsigned)) };
  }

  /** The refusal that says so. A mailbox that never changed its generation answers as one that isn't there. */
  generation(row: MailboxRow): Refusal {
    const started = this.started(row);
    return started === null ? { code: "denied" } : { code: "generation", started };
  }

  /** One promise for each of `kept`, in order, under one signature: each carries the path of its own statement. */
  promises(kept: readonly Kept[]): AppendPromise[] {
    if (kept.length === 0) return [];
    const facts = kept.map(factOf);
    const levels = treeOf(
      this.#digest,
      facts.map((fact) => leafHash(this.#digest, promiseBytes(fact))),
    );
    const batchTimeMs = this.#clock.now();
    const batchSize = facts.length;
    const signed = this.#sign(batchStatement({ size: batchSize, root: levels.root, timeMs: batchTimeMs }));
    return facts.map((fact, batchIndex) => ({
      ...fact,
      batchIndex,
      batchSize,
      path: levels.path(batchIndex),
      batchTimeMs,
      signature: signed,
    }));
  }

  #sign(statement: Uint8Array) {
    return signature(this.#crypto.ed25519.sign(this.#key, statement));
  }
}

function factOf({ mailbox, entry }: Kept): PromiseFact {
  const { generation, seq, leaf, expiryMs } = entry;
  return { mailbox, generation, seq, leaf, keptUntilMs: expiryMs };
}

/**
 * The whole tree over a batch's leaves, level by level: a last node without a sibling goes up as it is, which
 * is the shape that RFC 9162, section 2.1.1, gives. All paths for one hash a leaf.
 */
function treeOf(digest: Digest, leaves: readonly Hash[]): { root: Hash; path(index: number): Hash[] } {
  const levels: (readonly Hash[])[] = [leaves];
  let last = leaves;
  while (last.length > 1) {
    const next: Hash[] = [];
    for (let at = 0; at < last.length; at += 2) {
      const left = last[at];
      const right = last[at + 1];
      assert(left !== undefined, "an index below the length holds a node");
      next.push(right === undefined ? left : nodeHash(digest, [left, right]));
    }
    levels.push(next);
    last = next;
  }
  const root = last[0];
  assert(root !== undefined, "a batch has at least one leaf");
  return { root, path: (index) => pathIn(levels, index) };
}

function pathIn(levels: readonly (readonly Hash[])[], index: number): Hash[] {
  const path: Hash[] = [];
  let at = index;
  for (const level of levels) {
    const sibling = level[at % 2 === 1 ? at - 1 : at + 1];
    if (sibling !== undefined) path.push(sibling);
    at = Math.floor(at / 2);
  }
  return path;
}
