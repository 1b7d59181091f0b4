/**
 * What a client checks of a relay's words, and anyone of a reader's. Pure: each takes the crypto and answers
 * yes or no. Signatures follow ZIP-215, so no two parties disagree.
 *
 * What these do not protect: a promise shows what a relay said, not that it keeps it. Whoever holds one that a
 * later head contradicts can prove that it didn't.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import type { Hash, PublicKey } from "../ground/mod.ts";
import { leafHash, rootFromPath, sameHash } from "../merkle/mod.ts";
import {
  type AppendPromise,
  batchStatement,
  certificateStatement,
  commandStatement,
  type GenerationStatement,
  generationStatement,
  type Head,
  headStatement,
  type LeafPreimage,
  type NodeCertificate,
  promiseBytes,
  sameId,
} from "../wire/mod.ts";
import { entryLeaf } from "./leaf.ts";
import type { Receipt } from "./port.ts";

export type Verifier = Pick<Crypto, "ed25519" | "hash">;

/**
 * Whether `relay` certified this node, for `nowMs`, and for the PeerId that the connection proved where that is
 * given (multihash bytes). Its head key counts from then on.
 */
export function verifyCertificate(
  crypto: Verifier,
  certificate: NodeCertificate,
  expect: { relay: PublicKey; peerId: Uint8Array | null; nowMs: number },
): boolean {
  return (
    sameId(certificate.relay, expect.relay) &&
    expect.nowMs <= certificate.notAfterMs &&
    (expect.peerId === null || sameId(certificate.peerId, expect.peerId)) &&
    crypto.ed25519.verify(certificate.relay, certificateStatement(certificate), certificate.signature)
  );
}

/** Leaf hash of a promise in its batch's tree. */
export function promiseLeaf(crypto: Pick<Crypto, "hash">, promise: AppendPromise): Hash {
  return leafHash(crypto.hash, promiseBytes(promise));
}

/** Root of the batch that a promise's path leads to, or null where the path doesn't fit its place. */
export function promiseRoot(crypto: Pick<Crypto, "hash">, promise: AppendPromise): Hash | null {
  const { batchIndex: index, batchSize: size, path } = promise;
  return rootFromPath(crypto.hash, { index, size, leaf: promiseLeaf(crypto, promise), path });
}

/** Whether the node with `headKey` promised this. The caller compares mailbox, leaf and time with what it sent. */
export function verifyPromise(crypto: Verifier, promise: AppendPromise, headKey: PublicKey): boolean {
  const root = promiseRoot(crypto, promise);
  if (root === null) return false;
  const statement = batchStatement({ size: promise.batchSize, root, timeMs: promise.batchTimeMs });
  return crypto.ed25519.verify(headKey, statement, promise.signature);
}

/** Whether the promise is about the entry with this preimage. */
export function isPromiseOf(
  crypto: Pick<Crypto, "hash">,
  promise: AppendPromise,
  leaf: LeafPreimage,
): boolean {
  return (
    promise.generation === leaf.generation &&
    promise.seq === leaf.seq &&
    sameHash(promise.leaf, entryLeaf(crypto.hash, leaf))
  );
}

export function verifyHead(crypto: Verifier, head: Head, headKey: PublicKey): boolean {
  return crypto.ed25519.verify(headKey, headStatement(head), head.signature);
}

export function verifyGeneration(crypto: Verifier, start: GenerationStatement, headKey: PublicKey): boolean {
  return crypto.ed25519.verify(headKey, generationStatement(start), start.signature);
}

/**
 * Whether two heads of one mailbox contradict each other by themselves: the same generation and size, but
 * another root. Both signatures given, that is proof of misbehaviour; other sizes need a consistency proof.
 */
export function headsConflict(a: Head, b: Head): boolean {
  return (
    sameId(a.mailbox, b.mailbox) &&
    a.generation === b.generation &&
    a.size === b.size &&
    !sameHash(a.root, b.root)
  );
}

/** Whether the reader signed that it has read all below `receipt.cursor`, for the relay that keeps the mailbox. */
export function verifyReceipt(crypto: Verifier, receipt: Receipt, relay: PublicKey): boolean {
  const cursor = new Uint8Array(8);
  new DataView(cursor.buffer).setBigUint64(0, BigInt(receipt.cursor));
  const statement = commandStatement({
    op: "acknowledge",
    mailbox: receipt.mailbox,
    generation: receipt.generation,
    relay,
    notAfterMs: receipt.notAfterMs,
    token: new Uint8Array(0),
    bodyHash: crypto.hash.sha256(cursor),
  });
  return crypto.ed25519.verify(receipt.reader, statement, receipt.signature);
}
