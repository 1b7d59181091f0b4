/**
 * What is hashed or signed, byte for byte. Each starts with a tag of its own, so that no statement can pass
 * for another kind, and has one fixed layout, so that no two values have the same bytes.
 */
import type { Hash as Hashing } from "@dchat/crypto-wasm";
import { assert, type Hash, type MailboxId, mailboxId, type Nonce, type PublicKey } from "../ground/mod.ts";
import { ByteWriter } from "./bytes.ts";
import { COMMAND_KIND, ENTRY_KIND, TAG } from "./constant.ts";
import type { CommandBody, CreationRecord, Op, Policy } from "./command.ts";
import type { AppendPromise, GenerationStatement, Head, LeafPreimage, NodeCertificate } from "./reply.ts";

/** SHA-256 over the concatenation of its arguments; `Crypto["hash"]` is one. */
export type Digest = Pick<Hashing, "sha256">;

export const STATEMENT_BYTES = 160;
const TOKEN_BYTES = 32;

const writer = new ByteWriter(1024);

/** What a command's statement is made of, besides its token and the hash of its body. */
export interface StatementParts {
  readonly op: Op;
  readonly mailbox: MailboxId;
  readonly generation: number;
  readonly relay: PublicKey;
  readonly notAfterMs: number;
  /** At most 32 bytes, see `commandToken`. */
  readonly token: Uint8Array;
  /** SHA-256 of the body, in which an entry stands as its own SHA-256. */
  readonly bodyHash: Uint8Array;
}

/** The 160 bytes that a command's signature is over, fresh. */
export function commandStatement(parts: StatementParts): Uint8Array {
  writer.at = 0;
  writer.put(TAG.command).u8(COMMAND_KIND[parts.op]).zeros(3).u32(parts.generation);
  writer.put(parts.mailbox, 32).put(parts.relay, 32);
  writer.put(parts.token).zeros(TOKEN_BYTES - parts.token.length);
  writer.u64(parts.notAfterMs).put(parts.bodyHash, 32);
  assert(writer.at === STATEMENT_BYTES, "a statement has 160 bytes");
  return writer.finish();
}

const NO_TOKEN = new Uint8Array(0);

/**
 * What makes a command's replay harmless: the id that makes it idempotent, the version that it compares, or
 * the nonce of the one stream that it is good for.
 */
export function commandToken(body: CommandBody, nonce: Nonce): Uint8Array {
  switch (body.op) {
    case "append":
      return body.id;
    case "take":
      return body.take;
    case "reset":
      writer.at = 0;
      return writer.u64(body.version).finish();
    case "describe":
    case "read":
    case "subscribe":
    case "receipts":
    case "proveInclusion":
    case "proveConsistency":
      return nonce;
    default:
      return NO_TOKEN;
  }
}

/** Whether the statement of `op` names the stream's nonce, and so is good on that stream alone. */
export function needsNonce(op: Op): boolean {
  return (
    op === "describe" ||
    op === "read" ||
    op === "subscribe" ||
    op === "receipts" ||
    op === "proveInclusion" ||
    op === "proveConsistency"
  );
}

export function putPolicy(to: ByteWriter, policy: Policy): void {
  to.u32(policy.entriesMax).u64(policy.bytesMax).u64(policy.ttlMs).u64(policy.retentionMs);
}

export function putRecord(to: ByteWriter, record: CreationRecord): void {
  to.put(record.owner, 32).put(record.relay, 32);
  putPolicy(to, record.policy);
  to.put(record.nonce, 16);
}

/** The id of the mailbox that `record` makes: SHA-256 of the tag and the record's encoding. */
export function mailboxIdOf(record: CreationRecord, digest: Digest): MailboxId {
  writer.at = 0;
  writer.put(TAG.creation);
  putRecord(writer, record);
  return mailboxId(digest.sha256(writer.written()));
}

/** The bytes that a mailbox's Merkle leaf holds, 104, fresh; the leaf is their RFC 9162 leaf hash. */
export function leafBytes(leaf: LeafPreimage): Uint8Array {
  writer.at = 0;
  writer.put(TAG.leaf).u32(leaf.generation).u64(leaf.seq).put(leaf.id, 16).u32(leaf.turn);
  writer.u8(ENTRY_KIND[leaf.kind]).zeros(7).u64(leaf.timeMs).u64(leaf.expiryMs).put(leaf.entryHash, 32);
  return writer.finish();
}

/** What a promise says, without where it stands in its batch. */
export type PromiseFact = Pick<AppendPromise, "mailbox" | "generation" | "seq" | "leaf" | "keptUntilMs">;

/** The bytes that a leaf of a batch's tree holds, 100, fresh. */
export function promiseBytes(promise: PromiseFact): Uint8Array {
  writer.at = 0;
  writer.put(TAG.promise).put(promise.mailbox, 32).u32(promise.generation).u64(promise.seq);
  writer.put(promise.leaf, 32).u64(promise.keptUntilMs);
  return writer.finish();
}

/** What a head key signs once for all promises of a batch. */
export function batchStatement(batch: { size: number; root: Hash; timeMs: number }): Uint8Array {
  writer.at = 0;
  return writer.put(TAG.batch).u32(batch.size).u64(batch.timeMs).put(batch.root, 32).finish();
}

/** What a head key signs for a head. */
export function headStatement(head: Omit<Head, "signature">): Uint8Array {
  writer.at = 0;
  writer.put(TAG.head).put(head.mailbox, 32).u32(head.generation).u64(head.size);
  return writer.put(head.root, 32).u64(head.timeMs).finish();
}

/** What a head key signs when a mailbox starts a generation. */
export function generationStatement(start: Omit<GenerationStatement, "signature">): Uint8Array {
  writer.at = 0;
  writer.put(TAG.start).put(start.mailbox, 32).u32(start.generation).u64(start.size);
  return writer.put(start.root, 32).u64(start.timeMs).finish();
}

/** What a relay identity signs for one of its nodes. */
export function certificateStatement(certificate: Omit<NodeCertificate, "signature">): Uint8Array {
  writer.at = 0;
  writer.put(TAG.node).put(certificate.relay, 32).put(certificate.headKey, 32);
  writer.u64(certificate.notAfterMs).u8(certificate.peerId.length).put(certificate.peerId);
  return writer.finish();
}

/** Whether two ids, keys or hashes are the same bytes. They are public: nothing is told by how long it takes. */
export function sameId(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
