/**
 * Replies, bytes to values and back. The layout of each is docs/protocol/mailbox.md, Replies.
 *
 * Decoding proves the shape alone: whether a promise, a head or a certificate holds is for the client to verify.
 */
import { assert, limit, nonce, publicKey, unreachable } from "../ground/mod.ts";
import { ByteReader, type ByteWriter } from "./bytes.ts";
import { isSizeClass, takePolicy } from "./command_codec.ts";
import { inverse, malformed, REPLY_KIND } from "./constant.ts";
import { encodeFrame } from "./frame.ts";
import {
  putCertificate,
  putHead,
  putLeaf,
  putPath,
  putPromise,
  putReceipts,
  putStart,
  takeCertificate,
  takeHead,
  takeLeaf,
  takePath,
  takePromise,
  takeReceipts,
  takeStart,
} from "./part_codec.ts";
import { putRefusal, putVersions, takeRefusal, takeVersions } from "./refusal_codec.ts";
import type { Description, ReaderState, Reply } from "./reply.ts";
import { putPolicy } from "./statement.ts";

const replyOf = inverse(REPLY_KIND);

/**
 * Encodes a reply, a whole frame, fresh and the caller's. `request` is the command's, 0 for hello and goaway.
 * An entry's body is copied into it.
 */
export function encodeReply(reply: Reply, request: number): Uint8Array {
  return encodeFrame({ kind: REPLY_KIND[reply.is], request }, (to) => putReply(to, reply));
}

function putReply(to: ByteWriter, reply: Reply): void {
  switch (reply.is) {
    case "hello":
      putVersions(to, reply.versions);
      to.put(reply.nonce, 32).u64(reply.nowMs).u64(reply.ttlMsMax);
      return putCertificate(to, reply.certificate);
    case "refused":
    case "ended":
      return putRefusal(to, reply.refusal);
    case "created":
      to.u32(reply.generation).u64(reply.size);
      return;
    case "described":
      return putDescription(to, reply);
    case "appended":
      return putPromise(to, reply.promise);
    case "entry":
      putLeaf(to, reply.leaf);
      if (reply.entry !== null) to.put(reply.entry);
      return;
    case "done":
      to.u64(reply.next);
      return putHead(to, reply.head);
    case "live":
      return putHead(to, reply.head);
    case "acknowledged":
      to.u64(reply.cursor);
      return;
    case "receipts":
      return putReceipts(to, reply);
    case "reset":
      to.u64(reply.version).u32(reply.turn).u64(reply.seq);
      return;
    case "deleted":
      return;
    case "proof":
      putHead(to, reply.head);
      return putPath(to, reply.path);
    case "goaway":
      to.u32(reply.retryMs);
      return;
  }
}

/**
 * Decodes a reply; its values are views of `payload`, which they own from here. Throws Fault<"wire/malformed">,
 * for kinds that this version doesn't know as well.
 */
export function decodeReply(frame: { readonly kind: number; readonly payload: Uint8Array }): Reply {
  const from = new ByteReader(frame.payload);
  const reply = takeReply(from, replyOf(frame.kind));
  from.end();
  return reply;
}

function takeReply(from: ByteReader, is: Reply["is"]): Reply {
  switch (is) {
    case "hello":
      return takeHello(from);
    case "refused":
    case "ended":
      return { is, refusal: takeRefusal(from) };
    case "created":
      return { is, generation: from.u32(), size: from.u64() };
    case "described":
      return { is, ...takeDescription(from) };
    case "appended":
      return { is, promise: takePromise(from) };
    case "entry":
      return takeEntry(from);
    case "done":
      return { is, next: from.u64(), head: takeHead(from) };
    case "live":
      return { is, head: takeHead(from) };
    case "acknowledged":
      return { is, cursor: from.u64() };
    case "receipts":
      return { is, ...takeReceipts(from) };
    case "reset":
      return { is, version: from.u64(), turn: from.u32(), seq: from.u64() };
    case "deleted":
      return { is };
    case "proof":
      return { is, head: takeHead(from), path: takePath(from) };
    case "goaway":
      return { is, retryMs: from.u32() };
    default:
      return unreachable(is);
  }
}

function takeHello(from: ByteReader): Reply {
  const versions = takeVersions(from);
  return {
    is: "hello",
    versions,
    nonce: nonce(from.take(32)),
    nowMs: from.u64(),
    ttlMsMax: from.u64(),
    certificate: takeCertificate(from),
  };
}

function takeEntry(from: ByteReader): Reply {
  const leaf = takeLeaf(from);
  if (from.left === 0) return { is: "entry", leaf, entry: null };
  if (!isSizeClass(from.left)) {
    throw malformed(`an entry has one of the size classes, got ${from.left} bytes`);
  }
  return { is: "entry", leaf, entry: from.take(from.left) };
}

function putDescription(to: ByteWriter, description: Description): void {
  assert(description.readers.length <= limit.MAILBOX_READERS_MAX, "a mailbox has no more readers");
  putHead(to, description.head);
  to.u32(description.turn).u64(description.version);
  putPolicy(to, description.policy);
  to.u64(description.floor).u32(description.entriesHeld).u64(description.bytesHeld);
  to.flag(description.started !== null);
  if (description.started !== null) putStart(to, description.started);
  putPath(to, description.peaks);
  to.u16(description.readers.length);
  for (const reader of description.readers) to.put(reader.key, 32).u64(reader.cursor).flag(reader.lapsed);
}

function takeDescription(from: ByteReader): Description {
  return {
    head: takeHead(from),
    turn: from.u32(),
    version: from.u64(),
    policy: takePolicy(from),
    floor: from.u64(),
    entriesHeld: from.u32(),
    bytesHeld: from.u64(),
    started: from.flag() ? takeStart(from) : null,
    peaks: takePath(from),
    readers: takeReaders(from),
  };
}

function takeReaders(from: ByteReader): ReaderState[] {
  const count = from.u16();
  if (count > limit.MAILBOX_READERS_MAX) {
    throw malformed(`a mailbox has at most ${limit.MAILBOX_READERS_MAX} readers, got ${count}`);
  }
  return from.many(count, () => ({
    key: publicKey(from.take(32)),
    cursor: from.u64(),
    lapsed: from.flag(),
  }));
}
