/**
 * Evidence that a relay broke its word, for anybody: two of its own signed statements that can't both be true, and
 * what it takes to see that. Nothing else is needed to verify it, no key, no relay and no database.
 *
 * What it does not protect: it says what the relay's keys signed, so a relay whose keys were stolen is as guilty, and
 * it doesn't say who was wronged. What isn't signed can't be shown: that the relay answers nothing, that it shows
 * fewer entries than it promised (an old head is no lie), or that a body went too early.
 */
import type { Hash, MailboxId, PublicKey } from "../ground/mod.ts";
import { sameHash, verifyConsistency, verifyInclusion } from "../merkle/mod.ts";
import { type SignedHead, type SignedPromise, sameId } from "../wire/mod.ts";
import { headsConflict, type Verifier, verifyCertificate, verifyHead, verifyPromise } from "./verify.ts";

/**
 * promises: two for one number, of different leaves · heads: two of one size, with different roots · broken: a promise,
 * and a head of a tree that has another leaf at that number · rewritten: two heads, and the later one's tree has
 * another root at the size of the earlier one. All within one generation of one mailbox.
 */
export type Evidence =
  | { readonly kind: "promises"; readonly first: SignedPromise; readonly second: SignedPromise }
  | { readonly kind: "heads"; readonly first: SignedHead; readonly second: SignedHead }
  | {
      readonly kind: "broken";
      readonly first: SignedPromise;
      readonly second: SignedHead;
      /** What stands at the promise's number, and its path to the head's root. */
      readonly leaf: Hash;
      readonly path: readonly Hash[];
    }
  | {
      readonly kind: "rewritten";
      readonly first: SignedHead;
      readonly second: SignedHead;
      /** Of the first entries of the second head's tree, as many as the first head has, and the proof that it is. */
      readonly root: Hash;
      readonly path: readonly Hash[];
    };

/** What two statements are about, the same in both where they are evidence. */
export interface EvidenceSubject {
  readonly relay: PublicKey;
  readonly mailbox: MailboxId;
  readonly generation: number;
  /** The number of the entry, or how many entries the (first) head is of. */
  readonly number: number;
}

type Statement = SignedHead | SignedPromise;

function factOf(statement: Statement) {
  if ("head" in statement) {
    const { mailbox, generation, size, timeMs } = statement.head;
    return { mailbox, generation, number: size, timeMs };
  }
  const { mailbox, generation, seq, batchTimeMs } = statement.promise;
  return { mailbox, generation, number: seq, timeMs: batchTimeMs };
}

/** What the evidence is about, by its first statement. */
export function subjectOf({ first }: Evidence): EvidenceSubject {
  const { mailbox, generation, number } = factOf(first);
  return { relay: first.certificate.relay, mailbox, generation, number };
}

/** When the relay says that it made each statement, Unix ms. */
export function timesOf({ first, second }: Evidence): readonly [first: number, second: number] {
  return [factOf(first).timeMs, factOf(second).timeMs];
}

/** Why `evidence` proves nothing, or null where it proves that the relay broke its word. */
export function evidenceFlaw(crypto: Verifier, evidence: Evidence): string | null {
  const { first, second } = evidence;
  const unsigned = signatureFlaw(crypto, "first", first) ?? signatureFlaw(crypto, "second", second);
  if (unsigned !== null) return unsigned;
  if (!sameId(first.certificate.relay, second.certificate.relay)) {
    return "its statements are of two different relays";
  }
  const [one, two] = [factOf(first), factOf(second)];
  if (!sameId(one.mailbox, two.mailbox)) return "its statements are about two different mailboxes";
  if (one.generation !== two.generation) {
    return "its statements are about two generations of the mailbox, as a restore makes them";
  }
  return contradictionFlaw(crypto, evidence);
}

/** The certificate counts for what was signed while it held, however long ago that is. */
function signatureFlaw(crypto: Verifier, which: string, statement: Statement): string | null {
  const { certificate } = statement;
  const { timeMs } = factOf(statement);
  const isCertified = verifyCertificate(crypto, certificate, {
    relay: certificate.relay,
    peerId: null,
    nowMs: timeMs,
  });
  if (!isCertified) return `the ${which} statement's certificate doesn't hold`;
  const isSigned =
    "head" in statement
      ? verifyHead(crypto, statement.head, certificate.headKey)
      : verifyPromise(crypto, statement.promise, certificate.headKey);
  return isSigned ? null : `the ${which} statement isn't signed by the key that its certificate names`;
}

function contradictionFlaw(crypto: Verifier, evidence: Evidence): string | null {
  const { kind, first, second } = evidence;
  switch (kind) {
    case "promises":
      if (first.promise.seq !== second.promise.seq) return "its promises are for two different numbers";
      return sameHash(first.promise.leaf, second.promise.leaf) ? "its promises agree" : null;
    case "heads":
      if (first.head.size !== second.head.size) return "its heads are of two different sizes";
      return headsConflict(first.head, second.head) ? null : "its heads agree";
    case "broken": {
      const { seq: index, leaf: promised } = first.promise;
      const { size, root } = second.head;
      const { leaf, path } = evidence;
      if (index >= size) return "its head ends before the promised number";
      if (sameHash(promised, leaf)) return "its head has what was promised";
      const isThere = verifyInclusion(crypto.hash, { index, size, leaf, root, proof: path });
      return isThere ? null : "its path doesn't lead to the head";
    }
    default: {
      const [from, to] = [first.head, second.head];
      const { root: firstRoot, path } = evidence;
      if (!(from.size > 0 && from.size < to.size)) return "its second head isn't of a larger size";
      if (sameHash(from.root, firstRoot)) return "its second head begins with the first one";
      const claim = { first: from.size, size: to.size, firstRoot, root: to.root, proof: path };
      return verifyConsistency(crypto.hash, claim) ? null : "its path doesn't lead to the second head";
    }
  }
}
