/** Arbitrary values of the mailbox protocol, for property tests of codecs and of what stands on them. */
import * as fc from "fast-check";
import {
  entryId,
  hash,
  limit,
  mailboxId,
  nonce,
  publicKey,
  signature,
  type Hash,
  type PublicKey,
} from "../../core/ground/mod.ts";
import type {
  AppendPromise,
  CommandBody,
  Description,
  EntryKind,
  Head,
  LeafPreimage,
  NodeCertificate,
  Policy,
  Refusal,
  Reply,
  StreamControl,
  TurnChange,
} from "../../core/wire/mod.ts";

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => new Uint8Array(array));
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.maxSafeNat();
const key: fc.Arbitrary<PublicKey> = bytes(32).map(publicKey);
const keys = (maxLength: number): fc.Arbitrary<PublicKey[]> =>
  fc.uniqueArray(key, { maxLength, selector: (one) => one.toHex() });
const hashes: fc.Arbitrary<Hash[]> = fc.array(bytes(32).map(hash), { maxLength: 20 });
const id = bytes(16).map(entryId);
const box = bytes(32).map(mailboxId);
const signed = bytes(64).map(signature);

/** An entry of the smallest size class, and now and then of a larger one. */
const entry: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.constantFrom(0, 0, 0, 0, 0, 1, 2, 3), fc.nat(255))
  .map(([size, fill]) => new Uint8Array(limit.ENTRY_SIZE_CLASSES_BYTES[size] ?? 1024).fill(fill));

export const policy: fc.Arbitrary<Policy> = fc.record({
  entriesMax: u32,
  bytesMax: u64,
  ttlMs: u64,
  retentionMs: u64,
});

const change: fc.Arbitrary<TurnChange> = fc
  .tuple(key, keys(12), fc.nat(12))
  .map(([writer, all, cut]) => ({ writer, added: all.slice(0, cut), removed: all.slice(cut) }));

const append: fc.Arbitrary<CommandBody> = fc
  .record({
    id,
    turn: u32,
    kind: fc.constantFrom<EntryKind>("plain", "control", "package", "lastResort"),
    slot: u16,
    change,
    entry,
  })
  .map((each) => ({
    ...each,
    op: "append" as const,
    slot: each.kind === "package" || each.kind === "lastResort" ? each.slot : 0,
    change: each.kind === "control" ? each.change : null,
  }));

/** Bodies of every command; a create names `relay`. */
export function commandBody(relay: PublicKey): fc.Arbitrary<CommandBody> {
  const record = fc.record({ owner: key, relay: fc.constant(relay), policy, nonce: bytes(16) });
  return fc.oneof(
    fc.record({ op: fc.constant("create" as const), record, writer: key, readers: keys(8) }),
    fc.constant({ op: "describe" as const }),
    append,
    append,
    fc.record({ op: fc.constant("read" as const), from: u64, bytesMax: u32 }),
    fc.record({ op: fc.constant("subscribe" as const), from: u64 }),
    fc.record({ op: fc.constant("acknowledge" as const), cursor: u64 }),
    fc.record({ op: fc.constant("receipts" as const), from: key }),
    fc.record({ op: fc.constant("take" as const), take: id }),
    fc.record({
      op: fc.constant("reset" as const),
      version: u64,
      owner: key,
      writer: key,
      readers: keys(8),
      policy,
    }),
    fc.constant({ op: "delete" as const }),
    fc.record({ op: fc.constant("proveInclusion" as const), seq: u64, size: u64 }),
    fc.record({ op: fc.constant("proveConsistency" as const), from: u64, to: u64 }),
  );
}

export const streamControl: fc.Arbitrary<StreamControl> = fc.oneof(
  fc.record({ op: fc.constant("credit" as const), bytes: u32 }),
  fc.record({ op: fc.constant("unsubscribe" as const), request: u32 }),
);

const head: fc.Arbitrary<Head> = fc.record({
  mailbox: box,
  generation: u32,
  size: u64,
  root: bytes(32).map(hash),
  timeMs: u64,
  signature: signed,
});

export const leaf: fc.Arbitrary<LeafPreimage> = fc.record({
  generation: u32,
  seq: u64,
  id,
  turn: u32,
  kind: fc.constantFrom<EntryKind>("plain", "control", "package", "lastResort"),
  timeMs: u64,
  expiryMs: u64,
  entryHash: bytes(32).map(hash),
});

export const promise: fc.Arbitrary<AppendPromise> = fc.record({
  mailbox: box,
  generation: u32,
  seq: u64,
  leaf: bytes(32).map(hash),
  keptUntilMs: u64,
  batchIndex: u32,
  batchSize: u32,
  path: hashes,
  batchTimeMs: u64,
  signature: signed,
});

const certificate: fc.Arbitrary<NodeCertificate> = fc.record({
  relay: key,
  headKey: key,
  peerId: fc.uint8Array({ maxLength: 64 }).map((array) => new Uint8Array(array)),
  notAfterMs: u64,
  signature: signed,
});

const versions = fc.array(u16, { maxLength: 8 });

const description: fc.Arbitrary<Description> = fc.record({
  head,
  turn: u32,
  version: u64,
  policy,
  floor: u64,
  entriesHeld: u32,
  bytesHeld: u64,
  readers: fc.array(fc.record({ key, cursor: u64, lapsed: fc.boolean() }), { maxLength: 8 }),
  started: fc.option(head),
  peaks: hashes,
});

/** In the order of the readers' keys; the last stands for the page's end. */
const receipts: fc.Arbitrary<Extract<Reply, { is: "receipts" }>> = fc
  .record({
    page: fc.uniqueArray(
      fc.record({ reader: key, generation: u32, cursor: u64, notAfterMs: u64, signature: signed }),
      { maxLength: 8, selector: ({ reader }) => reader.toHex() },
    ),
    more: fc.boolean(),
  })
  .map(({ page, more }) => {
    const sorted = page.sort((a, b) => (a.reader.toHex() < b.reader.toHex() ? -1 : 1));
    const next = more ? (sorted.pop()?.reader ?? null) : null;
    return { is: "receipts", receipts: sorted, next };
  });

export const refusal: fc.Arbitrary<Refusal> = fc.oneof(
  fc
    .constantFrom<"denied" | "malformed" | "full" | "reused" | "gone" | "empty" | "limit" | "draining">(
      "denied",
      "malformed",
      "full",
      "reused",
      "gone",
      "empty",
      "limit",
      "draining",
    )
    .map((code) => ({ code })),
  fc.record({ code: fc.constant("turn" as const), turn: u32, seq: u64 }),
  fc.record({ code: fc.constant("version" as const), version: u64 }),
  fc.record({ code: fc.constant("expired" as const), nowMs: u64 }),
  fc.record({ code: fc.constant("generation" as const), started: head }),
  fc.record({ code: fc.constant("lapsed" as const), floor: u64 }),
  fc.record({ code: fc.constant("range" as const), size: u64 }),
  fc.record({ code: fc.constantFrom<"busy" | "unavailable">("busy", "unavailable"), retryMs: u32 }),
  fc.record({ code: fc.constant("unsupported" as const), versions }),
);

export const reply: fc.Arbitrary<Reply> = fc.oneof(
  fc
    .record({ versions, nonce: bytes(32).map(nonce), certificate, nowMs: u64, ttlMsMax: u64 })
    .map((hello) => ({ is: "hello" as const, ...hello })),
  fc.record({ is: fc.constantFrom<"refused" | "ended">("refused", "ended"), refusal }),
  fc.record({ is: fc.constant("created" as const), generation: u32, size: u64 }),
  description.map((each) => ({ is: "described" as const, ...each })),
  fc.record({ is: fc.constant("appended" as const), promise }),
  fc.record({ is: fc.constant("entry" as const), leaf, entry: fc.option(entry) }),
  fc.record({ is: fc.constant("done" as const), next: u64, head }),
  fc.record({ is: fc.constant("live" as const), head }),
  fc.record({ is: fc.constant("acknowledged" as const), cursor: u64 }),
  receipts,
  fc.record({ is: fc.constant("reset" as const), version: u64, turn: u32, seq: u64 }),
  fc.constant({ is: "deleted" as const }),
  fc.record({ is: fc.constant("proof" as const), head, path: hashes }),
  fc.record({ is: fc.constant("goaway" as const), retryMs: u32 }),
);
