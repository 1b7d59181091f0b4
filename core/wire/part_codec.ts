/** Parts that several replies have: heads, statements of generations, certificates, promises, leaves, paths. */
import {
  assert,
  entryId,
  type Hash,
  hash,
  limit,
  mailboxId,
  type PublicKey,
  publicKey,
  signature,
} from "../ground/mod.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { ENTRY_KIND, inverse, malformed } from "./constant.ts";
import type {
  AppendPromise,
  GenerationStatement,
  Head,
  LeafPreimage,
  NodeCertificate,
  ReaderReceipt,
} from "./reply.ts";

const entryKindOf = inverse(ENTRY_KIND);

/** Hashes of a proof: a tree of 2^53 leaves needs no more than this for either kind. */
export const PATH_HASHES_MAX = 110;
/** A multihash of a PeerId: identity of a small key, or SHA-256. */
const PEER_ID_BYTES_MAX = 64;

export function putPath(to: ByteWriter, path: readonly Hash[]): void {
  assert(path.length <= PATH_HASHES_MAX, "no tree has longer proofs");
  to.u8(path.length);
  for (const step of path) to.put(step, 32);
}

export function takePath(from: ByteReader): Hash[] {
  const count = from.u8();
  if (count > PATH_HASHES_MAX) {
    throw malformed(`a proof has at most ${PATH_HASHES_MAX} hashes, got ${count}`);
  }
  return from.many(count, () => hash(from.take(32)));
}

export function putHead(to: ByteWriter, head: Head): void {
  to.put(head.mailbox, 32).u32(head.generation).u64(head.size).put(head.root, 32);
  to.u64(head.timeMs).put(head.signature, 64);
}

export function takeHead(from: ByteReader): Head {
  return {
    mailbox: mailboxId(from.take(32)),
    generation: from.u32(),
    size: from.u64(),
    root: hash(from.take(32)),
    timeMs: from.u64(),
    signature: signature(from.take(64)),
  };
}

/** A statement of a generation has the fields of a head: the size and root are those that it starts with. */
export function putStart(to: ByteWriter, start: GenerationStatement): void {
  putHead(to, start);
}

export function takeStart(from: ByteReader): GenerationStatement {
  return takeHead(from);
}

export function putCertificate(to: ByteWriter, certificate: NodeCertificate): void {
  to.put(certificate.relay, 32).put(certificate.headKey, 32).u64(certificate.notAfterMs);
  to.put(certificate.signature, 64).u8(certificate.peerId.length).put(certificate.peerId);
}

export function takeCertificate(from: ByteReader): NodeCertificate {
  const relay = publicKey(from.take(32));
  const headKey = publicKey(from.take(32));
  const notAfterMs = from.u64();
  const signed = signature(from.take(64));
  const length = from.u8();
  if (length > PEER_ID_BYTES_MAX) throw malformed(`a PeerId has at most ${PEER_ID_BYTES_MAX} bytes`);
  return { relay, headKey, notAfterMs, signature: signed, peerId: from.take(length) };
}

export function putPromise(to: ByteWriter, promise: AppendPromise): void {
  to.put(promise.mailbox, 32).u32(promise.generation).u64(promise.seq).put(promise.leaf, 32);
  to.u64(promise.keptUntilMs).u32(promise.batchIndex).u32(promise.batchSize).u64(promise.batchTimeMs);
  to.put(promise.signature, 64);
  putPath(to, promise.path);
}

export function takePromise(from: ByteReader): AppendPromise {
  return {
    mailbox: mailboxId(from.take(32)),
    generation: from.u32(),
    seq: from.u64(),
    leaf: hash(from.take(32)),
    keptUntilMs: from.u64(),
    batchIndex: from.u32(),
    batchSize: from.u32(),
    batchTimeMs: from.u64(),
    signature: signature(from.take(64)),
    path: takePath(from),
  };
}

export function putLeaf(to: ByteWriter, leaf: LeafPreimage): void {
  to.u32(leaf.generation).u64(leaf.seq).put(leaf.id, 16).u32(leaf.turn).u8(ENTRY_KIND[leaf.kind]);
  to.u64(leaf.timeMs).u64(leaf.expiryMs).put(leaf.entryHash, 32);
}

export function takeLeaf(from: ByteReader): LeafPreimage {
  return {
    generation: from.u32(),
    seq: from.u64(),
    id: entryId(from.take(16)),
    turn: from.u32(),
    kind: entryKindOf(from.u8()),
    timeMs: from.u64(),
    expiryMs: from.u64(),
    entryHash: hash(from.take(32)),
  };
}

/** A page of receipts: the readers' keys ascend, `next` beyond them all. */
export interface ReceiptsPage {
  readonly receipts: readonly ReaderReceipt[];
  readonly next: PublicKey | null;
}

export function putReceipts(to: ByteWriter, { receipts, next }: ReceiptsPage): void {
  assert(receipts.length <= limit.RECEIPTS_MAX, "a page has no more receipts");
  to.u16(receipts.length);
  for (const { reader, generation, cursor, notAfterMs, signature: signed } of receipts) {
    to.put(reader, 32).u32(generation).u64(cursor).u64(notAfterMs).put(signed, 64);
  }
  to.flag(next !== null);
  if (next !== null) to.put(next, 32);
}

export function takeReceipts(from: ByteReader): ReceiptsPage {
  const count = from.u16();
  if (count > limit.RECEIPTS_MAX) {
    throw malformed(`a page has at most ${limit.RECEIPTS_MAX} receipts, got ${count}`);
  }
  const receipts = from.many(count, () => takeReceipt(from));
  const next = from.flag() ? publicKey(from.take(32)) : null;
  const keys = receipts.map(({ reader }) => reader.toHex());
  if (next !== null) keys.push(next.toHex());
  if (keys.some((key, at) => at > 0 && key <= (keys[at - 1] ?? ""))) {
    throw malformed("receipts come in the order of their readers' keys");
  }
  return { receipts, next };
}

function takeReceipt(from: ByteReader): ReaderReceipt {
  return {
    reader: publicKey(from.take(32)),
    generation: from.u32(),
    cursor: from.u64(),
    notAfterMs: from.u64(),
    signature: signature(from.take(64)),
  };
}
