/**
 * Which line of docs/THREATS.md each thing stands under that a relay gets: every field of every command, every
 * column of its database. A field that stands nowhere fails the test: it would be one more thing that a relay sees.
 */

/** The authority that every command has. The key says who asks, so its line depends on the command. */
const AUTHORITY = {
  "authority.mailbox": "V6",
  "authority.generation": "V17",
  "authority.notAfterMs": "V17",
  "authority.signature": "V17",
} as const;

const POLICY = { entriesMax: "V6", bytesMax: "V6", ttlMs: "V6", retentionMs: "V6" } as const;

function under(prefix: string, fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, line]) => [`${prefix}.${name}`, line]));
}

/** By op and path. `op` itself is told by the frame's kind, which is part of what the command is. */
export const COMMAND_FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  create: {
    ...AUTHORITY,
    "authority.key": "V7",
    "body.record.owner": "V6",
    "body.record.relay": "V6",
    "body.record.nonce": "V6",
    ...under("body.record.policy", POLICY),
    "body.writer": "V7",
    "body.readers": "V7",
  },
  describe: { ...AUTHORITY, "authority.key": "V14" },
  append: {
    ...AUTHORITY,
    "authority.key": "V7",
    "body.id": "V9",
    "body.turn": "V9",
    "body.kind": "V11",
    "body.slot": "V11",
    "body.change": "V11",
    "body.change.writer": "V7",
    "body.change.added": "V7",
    "body.change.removed": "V7",
    "body.entry": "V12",
  },
  read: { ...AUTHORITY, "authority.key": "V14", "body.from": "V14", "body.bytesMax": "V14" },
  subscribe: { ...AUTHORITY, "authority.key": "V14", "body.from": "V14" },
  acknowledge: { ...AUTHORITY, "authority.key": "V15", "body.cursor": "V15" },
  receipts: { ...AUTHORITY, "authority.key": "V14", "body.from": "V14" },
  take: { ...AUTHORITY, "authority.key": "V7", "body.take": "V16" },
  reset: {
    ...AUTHORITY,
    "authority.key": "V7",
    "body.version": "V8",
    "body.owner": "V7",
    "body.writer": "V7",
    "body.readers": "V7",
    ...under("body.policy", POLICY),
  },
  delete: { ...AUTHORITY, "authority.key": "V7" },
  proveInclusion: { ...AUTHORITY, "authority.key": "V14", "body.seq": "V14", "body.size": "V14" },
  proveConsistency: { ...AUTHORITY, "authority.key": "V14", "body.from": "V14", "body.to": "V14" },
};

/** The relay's own bookkeeping: row numbers, checksums, what the next sweep looks at. */
const OWN = "own";

/** Columns of the relay's databases, by table; what only one of the two has stands here too. */
export const COLUMNS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  mailbox: {
    box: OWN,
    id: "V6",
    generation: "V8",
    term: OWN,
    owner: "V7",
    writer: "V7",
    entries_max: "V6",
    bytes_max: "V6",
    ttl_ms: "V6",
    retention_ms: "V6",
    size: "V8",
    peaks: "V12",
    turn: "V8",
    version: "V8",
    floor: "V8",
    entries_held: "V8",
    bytes_held: "V8",
    created_ms: "V6",
    deleted: "V8",
    started_size: "V8",
    started_root: "V12",
    started_ms: "V8",
    sum: OWN,
    swept: OWN,
    sweep_ms: OWN,
    reader_sum: OWN,
    receipt_sum: OWN,
  },
  reader: { number: OWN, box: OWN, mailbox: "V6", key: "V7", cursor: "V15", lapsed: "V15", sum: OWN },
  turn: { number: OWN, box: OWN, mailbox: "V6", turn: "V7", writer: "V7", first_seq: "V7", sum: OWN },
  entry: {
    place: "V9",
    mailbox: "V6",
    seq: "V9",
    id: "V9",
    generation: "V9",
    turn: "V9",
    kind: "V11",
    slot: "V11",
    time_ms: "V9",
    expiry_ms: "V9",
    entry_hash: "V12",
    nodes: "V12",
    taken_by: "V16",
    body: "V12",
    bytes: "V10",
    sum: OWN,
  },
  body: { number: OWN, bytes: "V12" },
  receipt: {
    number: OWN,
    box: OWN,
    mailbox: "V6",
    reader: "V15",
    generation: "V15",
    cursor: "V15",
    not_after_ms: "V17",
    signature: "V15",
    sum: OWN,
  },
  total: {
    number: OWN,
    mailboxes: "V8",
    entries: "V8",
    bytes: "V8",
    probes: OWN,
    relay: "V6",
    relay_sum: OWN,
    made: "V6",
    made_ids: OWN,
  },
  dchat_state: { number: OWN, version: OWN, probes: OWN, relay: "V6", relay_sum: OWN },
  dchat_census: { number: OWN, made: "V6", ids: OWN },
};
