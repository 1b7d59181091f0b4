/** Every reply and every refusal as test vectors. */
import { hash, mailboxId, signature } from "../core/ground/mod.ts";
import { type AppendPromise, encodeReply, PROTOCOL_ID, type Refusal, type Reply } from "../core/wire/mod.ts";
import { DAY_MS, filled, key, NONCE, NOW_MS, POLICY, preimage, RELAY } from "./harness/vector_value.ts";

const REFUSALS: readonly Refusal[] = [
  { code: "denied" },
  { code: "malformed" },
  { code: "turn", turn: 8, seq: 41 },
  { code: "version", version: 10 },
  { code: "full" },
  { code: "expired", nowMs: NOW_MS },
  {
    code: "generation",
    started: {
      mailbox: mailboxId(filled(32, 0x4d)),
      generation: 3,
      size: 40,
      root: hash(filled(32, 0x72)),
      timeMs: NOW_MS,
      signature: signature(filled(64, 0x73)),
    },
  },
  { code: "lapsed", floor: 17 },
  { code: "range", size: 42 },
  { code: "reused" },
  { code: "gone" },
  { code: "empty" },
  { code: "busy", retryMs: 1000 },
  { code: "unavailable", retryMs: 1000 },
  { code: "limit" },
  { code: "draining" },
  { code: "unsupported", versions: [1] },
];

export function replyVectors(): unknown {
  const mailbox = mailboxId(filled(32, 0x4d));
  const signed = signature(filled(64, 0x73));
  const root = hash(filled(32, 0x72));
  const head = { mailbox, generation: 2, size: 42, root, timeMs: NOW_MS, signature: signed };
  const path = [hash(filled(32, 0xa1)), hash(filled(32, 0xa2))];
  const promise: AppendPromise = {
    mailbox,
    generation: 2,
    seq: 41,
    leaf: hash(filled(32, 0x1e)),
    keptUntilMs: NOW_MS + 30 * DAY_MS,
    batchIndex: 1,
    batchSize: 3,
    path,
    batchTimeMs: NOW_MS,
    signature: signed,
  };
  const certificate = {
    relay: RELAY,
    headKey: key(0x68),
    peerId: filled(38, 0x70),
    notAfterMs: NOW_MS + 90 * DAY_MS,
    signature: signed,
  };
  const replies: readonly Reply[] = [
    { is: "hello", versions: [1], nonce: NONCE, nowMs: NOW_MS, ttlMsMax: 90 * DAY_MS, certificate },
    { is: "created", generation: 1, size: 0 },
    {
      is: "described",
      head,
      turn: 8,
      version: 10,
      policy: POLICY,
      floor: 17,
      entriesHeld: 25,
      bytesHeld: 25_600,
      readers: [
        { key: key(0x61), cursor: 42, lapsed: false },
        { key: key(0x62), cursor: 3, lapsed: true },
      ],
      started: head,
      peaks: path,
    },
    { is: "appended", promise },
    { is: "entry", leaf: preimage(1), entry: filled(1024, 0xe1) },
    { is: "entry", leaf: preimage(0), entry: null },
    { is: "done", next: 42, head },
    { is: "live", head },
    { is: "acknowledged", cursor: 42 },
    {
      is: "receipts",
      receipts: [
        { reader: key(0x61), generation: 2, cursor: 42, notAfterMs: NOW_MS, signature: signed },
        { reader: key(0x62), generation: 1, cursor: 3, notAfterMs: NOW_MS, signature: signed },
      ],
      next: key(0x63),
    },
    { is: "receipts", receipts: [], next: null },
    { is: "reset", version: 11, turn: 9, seq: 42 },
    { is: "deleted" },
    { is: "proof", head, path },
    { is: "goaway", retryMs: 1000 },
    ...REFUSALS.map((refusal): Reply => ({ is: "refused", refusal })),
    { is: "ended", refusal: { code: "denied" } },
  ];
  return {
    protocol: PROTOCOL_ID,
    replies: replies.map((value, request) => ({ value, request, frame: encodeReply(value, request) })),
  };
}
