/**
 * Commands, bytes to values and back. The layout of each body is docs/protocol/mailbox.md, Commands.
 *
 * Decoding proves the shape alone: lengths, ranges, size classes, distinct keys. Signatures are verified after it
 * in batches, and whether a key may is decided inside the store's batch.
 */
import {
  entryId,
  hash,
  limit,
  mailboxId,
  type Nonce,
  type PublicKey,
  publicKey,
  signature,
} from "../ground/mod.ts";
import { ByteReader, type ByteWriter } from "./bytes.ts";
import type { Authority, Command, CommandBody, Policy, StreamControl, TurnChange } from "./command.ts";
import { COMMAND_KIND, CONTROL_KIND, ENTRY_KIND, inverse, malformed } from "./constant.ts";
import { encodeFrame } from "./frame.ts";
import {
  commandStatement,
  commandToken,
  type Digest,
  mailboxIdOf,
  putPolicy,
  putRecord,
  sameId,
} from "./statement.ts";

/** Mailbox 32, generation 4, notAfter 8, key 32, signature 64. */
export const AUTHORITY_BYTES = 140;

const opOf = inverse(COMMAND_KIND);
const entryKindOf = inverse(ENTRY_KIND);

/** What a relay knows and a statement holds, besides what the frame brings. */
export interface DecodeContext {
  /** The relay's identity. */
  readonly relay: PublicKey;
  /** The nonce that this stream's hello gave. */
  readonly nonce: Nonce;
  readonly digest: Digest;
}

/** Whether a frame of this kind is a StreamControl. */
export function isStreamControl(kind: number): boolean {
  return kind === CONTROL_KIND.credit || kind === CONTROL_KIND.unsubscribe;
}

function key(reader: ByteReader): PublicKey {
  return publicKey(reader.take(32));
}

function keys(reader: ByteReader, count: number): PublicKey[] {
  return reader.many(count, () => key(reader));
}

function distinct(all: readonly PublicKey[]): void {
  if (all.length > 1 && new Set(all.map((one) => one.toHex())).size !== all.length) {
    throw malformed("a reader key stands twice");
  }
}

function readers(reader: ByteReader): PublicKey[] {
  const count = reader.u16();
  if (count > limit.MAILBOX_READERS_MAX) {
    throw malformed(`a mailbox has at most ${limit.MAILBOX_READERS_MAX} readers, got ${count}`);
  }
  const all = keys(reader, count);
  distinct(all);
  return all;
}

export function takePolicy(reader: ByteReader): Policy {
  return {
    entriesMax: reader.u32(),
    bytesMax: reader.u64(),
    ttlMs: reader.u64(),
    retentionMs: reader.u64(),
  };
}

function change(reader: ByteReader): TurnChange {
  const writer = key(reader);
  const addedCount = reader.u8();
  const removedCount = reader.u8();
  if (addedCount + removedCount > limit.CONTROL_READERS_MAX) {
    throw malformed(`a control entry changes at most ${limit.CONTROL_READERS_MAX} readers`);
  }
  const added = keys(reader, addedCount);
  const removed = keys(reader, removedCount);
  distinct([...added, ...removed]);
  return { writer, added, removed };
}

/** Whether an entry may have this many bytes. */
export function isSizeClass(bytes: number): boolean {
  for (const size of limit.ENTRY_SIZE_CLASSES_BYTES) if (bytes === size) return true;
  return false;
}

function append(reader: ByteReader): CommandBody {
  const id = entryId(reader.take(16));
  const turn = reader.u32();
  const kind = entryKindOf(reader.u8());
  const slot = reader.u16();
  if (slot !== 0 && kind !== "package" && kind !== "lastResort") {
    throw malformed("only packages have a slot");
  }
  const turnChange = kind === "control" ? change(reader) : null;
  if (!isSizeClass(reader.left)) {
    throw malformed(`an entry has one of the size classes, got ${reader.left} bytes`);
  }
  return { op: "append", id, turn, kind, slot, change: turnChange, entry: reader.take(reader.left) };
}

function create(reader: ByteReader): CommandBody {
  const record = {
    owner: key(reader),
    relay: key(reader),
    policy: takePolicy(reader),
    nonce: reader.take(16),
  };
  return { op: "create", record, writer: key(reader), readers: readers(reader) };
}

function reset(reader: ByteReader): CommandBody {
  return {
    op: "reset",
    version: reader.u64(),
    owner: key(reader),
    writer: key(reader),
    policy: takePolicy(reader),
    readers: readers(reader),
  };
}

function body(kind: number, reader: ByteReader): CommandBody {
  const op = opOf(kind);
  switch (op) {
    case "create":
      return create(reader);
    case "append":
      return append(reader);
    case "read":
      return { op, from: reader.u64(), bytesMax: reader.u32() };
    case "subscribe":
      return { op, from: reader.u64() };
    case "acknowledge":
      return { op, cursor: reader.u64() };
    case "receipts":
      return { op, from: key(reader) };
    case "take":
      return { op, take: entryId(reader.take(16)) };
    case "reset":
      return reset(reader);
    case "proveInclusion":
      return { op, seq: reader.u64(), size: reader.u64() };
    case "proveConsistency":
      return { op, from: reader.u64(), to: reader.u64() };
    default:
      return { op };
  }
}

/** The body's hash as signed, and the entry's: an entry stands in it as its own hash, so it is hashed once. */
function hashes(reader: ByteReader, digest: Digest, from: number, entry: Uint8Array | null) {
  if (entry === null) return { bodyHash: digest.sha256(reader.bytes.subarray(from)), entryHash: null };
  const entryHash = hash(digest.sha256(entry));
  const head = reader.bytes.subarray(from, reader.bytes.length - entry.length);
  return { bodyHash: digest.sha256(head, entryHash), entryHash };
}

/**
 * Decodes a command; its values are views of `payload`, which they own from here. Throws Fault<"wire/malformed">.
 * The statement is made with the relay's identity and the stream's nonce, so one that was signed for another
 * relay or stream fails verification.
 */
export function decodeCommand(
  frame: { readonly kind: number; readonly payload: Uint8Array },
  context: DecodeContext,
): Command {
  const reader = new ByteReader(frame.payload);
  const authority: Authority = {
    mailbox: mailboxId(reader.take(32)),
    generation: reader.u32(),
    notAfterMs: reader.u64(),
    key: key(reader),
    signature: signature(reader.take(64)),
  };
  if (authority.generation === 0) throw malformed("generations start at 1");
  const command = body(frame.kind, reader);
  reader.end();
  if (command.op === "create") checkRecord(authority, command, context);
  const entry = command.op === "append" ? command.entry : null;
  const { bodyHash, entryHash } = hashes(reader, context.digest, AUTHORITY_BYTES, entry);
  const statement = commandStatement({
    op: command.op,
    mailbox: authority.mailbox,
    generation: authority.generation,
    relay: context.relay,
    notAfterMs: authority.notAfterMs,
    token: commandToken(command, context.nonce),
    bodyHash,
  });
  return { authority, body: command, statement, entryHash };
}

function checkRecord(
  authority: Authority,
  command: Extract<CommandBody, { op: "create" }>,
  context: DecodeContext,
): void {
  if (!sameId(mailboxIdOf(command.record, context.digest), authority.mailbox)) {
    throw malformed("a mailbox's id is the hash of its creation record");
  }
  if (!sameId(command.record.relay, context.relay)) throw malformed("the record names another relay");
}

/** Decodes what comes unsigned; throws Fault<"wire/malformed">. */
export function decodeStreamControl(frame: { kind: number; payload: Uint8Array }): StreamControl {
  const reader = new ByteReader(frame.payload);
  const value = reader.u32();
  reader.end();
  if (frame.kind === CONTROL_KIND.credit) return { op: "credit", bytes: value };
  if (frame.kind === CONTROL_KIND.unsubscribe) return { op: "unsubscribe", request: value };
  throw malformed(`no such kind: ${frame.kind}`);
}

/** Encodes what goes unsigned, a whole frame. */
export function encodeStreamControl(control: StreamControl): Uint8Array {
  return encodeFrame({ kind: CONTROL_KIND[control.op], request: 0 }, (writer) =>
    writer.u32(control.op === "credit" ? control.bytes : control.request),
  );
}

function putKeys(to: ByteWriter, all: readonly PublicKey[]): void {
  for (const one of all) to.put(one, 32);
}

/** Writes a body but for an append's entry, which comes last: what is signed has its hash in its place. */
export function putBodyHead(to: ByteWriter, command: CommandBody): void {
  switch (command.op) {
    case "create":
      putRecord(to, command.record);
      to.put(command.writer, 32).u16(command.readers.length);
      return putKeys(to, command.readers);
    case "append":
      to.put(command.id, 16).u32(command.turn).u8(ENTRY_KIND[command.kind]).u16(command.slot);
      if (command.change !== null) putChange(to, command.change);
      return;
    case "read":
      to.u64(command.from).u32(command.bytesMax);
      return;
    case "subscribe":
      to.u64(command.from);
      return;
    case "acknowledge":
      to.u64(command.cursor);
      return;
    case "receipts":
      to.put(command.from, 32);
      return;
    case "take":
      to.put(command.take, 16);
      return;
    case "reset":
      to.u64(command.version).put(command.owner, 32).put(command.writer, 32);
      putPolicy(to, command.policy);
      to.u16(command.readers.length);
      return putKeys(to, command.readers);
    case "proveInclusion":
      to.u64(command.seq).u64(command.size);
      return;
    case "proveConsistency":
      to.u64(command.from).u64(command.to);
      return;
    default:
      return;
  }
}

function putChange(to: ByteWriter, turnChange: TurnChange): void {
  to.put(turnChange.writer, 32).u8(turnChange.added.length).u8(turnChange.removed.length);
  putKeys(to, turnChange.added);
  putKeys(to, turnChange.removed);
}
