/** What a relay signs that breaks its word, made from fixed seeds: evidence of every kind, and logs to make more of. */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { type Hash, mailboxId, publicKey, signature } from "../../core/ground/mod.ts";
import { entryLeaf, type Evidence } from "../../core/mailbox/mod.ts";
import {
  leafHash,
  makeProof,
  planConsistency,
  planInclusion,
  type ProofPlan,
  rootOfLeaves,
} from "../../core/merkle/mod.ts";
import {
  type AppendPromise,
  batchStatement,
  certificateStatement,
  type Head,
  headStatement,
  promiseBytes,
  type SignedHead,
  type SignedPromise,
} from "../../core/wire/mod.ts";
import { DAY_MS, filled, NOW_MS, preimage } from "./vector_value.ts";

const MAILBOX = mailboxId(filled(32, 0x4d));
const GENERATION = 2;

/** Leaf hashes of a log of `size` entries; from `from` on they are another log's. */
export function logOf(crypto: Crypto, size: number, from = size): Hash[] {
  return Array.from({ length: size }, (_, seq) => {
    const fields = preimage(seq);
    const timeMs = seq < from ? fields.timeMs : fields.timeMs + 1;
    return entryLeaf(crypto.hash, { ...fields, timeMs });
  });
}

export function proofIn(crypto: Crypto, leaves: readonly Hash[], plan: ProofPlan): Hash[] {
  const nodes = plan.wanted.map(({ level, index }) =>
    rootOfLeaves(crypto.hash, leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)),
  );
  return makeProof(crypto.hash, plan, nodes);
}

interface Changed {
  readonly mailbox?: Head["mailbox"];
  readonly generation?: number;
  readonly timeMs?: number;
}

/** A node of the relay that `identity` certifies. */
export class SigningNode {
  readonly #crypto: Crypto;
  readonly #key: SigningKey;
  readonly certificate: SignedHead["certificate"];

  constructor(crypto: Crypto, { identity, head, peer }: { identity: number; head: number; peer: number }) {
    this.#crypto = crypto;
    this.#key = crypto.ed25519.fromSeed(filled(32, head));
    const relay = crypto.ed25519.fromSeed(filled(32, identity));
    const fields = {
      relay: publicKey(relay.publicKey),
      headKey: publicKey(this.#key.publicKey),
      // The multihash of an Ed25519 key in protobuf, as PeerIds of nodes are.
      peerId: new Uint8Array([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...filled(32, peer)]),
      notAfterMs: NOW_MS + 90 * DAY_MS,
    };
    const signed = crypto.ed25519.sign(relay, certificateStatement(fields));
    this.certificate = { ...fields, signature: signature(signed) };
  }

  #sign(statement: Uint8Array) {
    return signature(this.#crypto.ed25519.sign(this.#key, statement));
  }

  head(leaves: readonly Hash[], changed: Changed = {}): SignedHead {
    const root = rootOfLeaves(this.#crypto.hash, leaves);
    const fields = {
      mailbox: MAILBOX,
      generation: GENERATION,
      size: leaves.length,
      root,
      timeMs: NOW_MS,
      ...changed,
    };
    return {
      certificate: this.certificate,
      head: { ...fields, signature: this.#sign(headStatement(fields)) },
    };
  }

  /** Of the entry at `seq` of a log, in a batch of three. */
  promise(
    leaves: readonly Hash[],
    seq: number,
    { timeMs = NOW_MS, ...changed }: Changed = {},
  ): SignedPromise {
    const facts = [0, 1, 2].map((slot) => ({
      mailbox: slot === 1 ? MAILBOX : mailboxId(filled(32, 0xb0 + slot)),
      generation: GENERATION,
      seq,
      leaf: leaves[seq] ?? logOf(this.#crypto, 1)[0]!,
      keptUntilMs: NOW_MS + 30 * DAY_MS,
      ...changed,
    }));
    const batch = facts.map((fact) => leafHash(this.#crypto.hash, promiseBytes(fact)));
    const root = rootOfLeaves(this.#crypto.hash, batch);
    const signed = this.#sign(batchStatement({ size: batch.length, root, timeMs }));
    const place = { batchIndex: 1, batchSize: batch.length, batchTimeMs: timeMs, signature: signed };
    const path = proofIn(this.#crypto, batch, planInclusion(1, batch.length));
    const promise: AppendPromise = { ...facts[1]!, ...place, path };
    return { certificate: this.certificate, promise };
  }
}

/** Evidence of every kind; statements of one piece come from two nodes of one relay. */
export function evidenceOfEachKind(crypto: Crypto): readonly Evidence[] {
  const one = new SigningNode(crypto, { identity: 0x04, head: 0x05, peer: 0x70 });
  const two = new SigningNode(crypto, { identity: 0x04, head: 0x06, peer: 0x71 });
  const [before, after] = [logOf(crypto, 3), logOf(crypto, 6, 1)];
  return [
    { kind: "promises", first: one.promise(before, 2), second: two.promise(after, 2) },
    { kind: "heads", first: one.head(before), second: two.head(after.slice(0, 3)) },
    {
      kind: "broken",
      first: one.promise(before, 2),
      second: two.head(after),
      leaf: after[2]!,
      path: proofIn(crypto, after, planInclusion(2, after.length)),
    },
    {
      kind: "rewritten",
      first: one.head(before),
      second: two.head(after),
      root: rootOfLeaves(crypto.hash, after.slice(0, 3)),
      path: proofIn(crypto, after, planConsistency(3, after.length)),
    },
  ];
}
