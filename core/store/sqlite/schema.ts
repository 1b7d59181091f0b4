/**
 * The relay's tables in SQLite. drizzle-kit makes migrations/sqlite from this file.
 *
 * Two things differ from the PostgreSQL schema, both for the sake of B-trees in one file. A mailbox has a small
 * number (`box`), so that rows don't repeat 32-byte ids. And an entry's key is one 64-bit integer, `place` =
 * box·2^32 + seq, which clusters a log in its own pages without a second tree; statements compute it from box and
 * seq inside SQLite, where integers have 64 bits. Hence at most 2^31 mailboxes and 2^32 entries in each.
 *
 * Bodies stand in a table of their own in the order in which they came: a batch fills few pages whatever
 * mailboxes it touches, and pages empty as a whole when their bodies' time is over. What proofs need stays in
 * `entry` for as long as the mailbox lives.
 */
import { sql } from "drizzle-orm";
import { customType, index, integer, sqliteTable, uniqueIndex } from "drizzle-orm/sqlite-core";

const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => "blob" });

export const mailbox = sqliteTable(
  "mailbox",
  {
    box: integer("box").primaryKey(),
    id: bytes("id").notNull().unique("mailbox_id"),
    generation: integer("generation").notNull(),
    term: integer("term").notNull(),
    owner: bytes("owner").notNull(),
    writer: bytes("writer").notNull(),
    entriesMax: integer("entries_max").notNull(),
    bytesMax: integer("bytes_max").notNull(),
    ttlMs: integer("ttl_ms").notNull(),
    retentionMs: integer("retention_ms").notNull(),
    size: integer("size").notNull(),
    /** Hashes of 32 bytes, one after the other. */
    peaks: bytes("peaks").notNull(),
    turn: integer("turn").notNull(),
    version: integer("version").notNull(),
    floor: integer("floor").notNull(),
    entriesHeld: integer("entries_held").notNull(),
    bytesHeld: integer("bytes_held").notNull(),
    createdMs: integer("created_ms").notNull(),
    deleted: integer("deleted").notNull(),
    startedSize: integer("started_size"),
    startedRoot: bytes("started_root"),
    startedMs: integer("started_ms"),
    /** See row_sum.ts. */
    sum: integer("sum").notNull(),
    /** No plain entry below this sequence number has a body: where a sweep of what all have read goes on. */
    swept: integer("swept").notNull(),
    /** When a sweep should look at this mailbox; null where nothing but expiry can come up. */
    sweepMs: integer("sweep_ms"),
    /** What the sums of its rows in `reader` and in `receipt` add up to: a row that is missing shows by them. */
    readerSum: integer("reader_sum").notNull().default(0),
    receiptSum: integer("receipt_sum").notNull().default(0),
  },
  (table) => [
    index("mailbox_sweep")
      .on(table.sweepMs)
      .where(sql`sweep_ms IS NOT NULL`),
  ],
);

export const reader = sqliteTable(
  "reader",
  {
    number: integer("number").primaryKey(),
    box: integer("box").notNull(),
    key: bytes("key").notNull(),
    cursor: integer("cursor").notNull(),
    lapsed: integer("lapsed").notNull(),
    sum: integer("sum").notNull(),
  },
  (table) => [uniqueIndex("reader_key").on(table.box, table.key)],
);

export const turn = sqliteTable(
  "turn",
  {
    number: integer("number").primaryKey(),
    box: integer("box").notNull(),
    turn: integer("turn").notNull(),
    writer: bytes("writer").notNull(),
    firstSeq: integer("first_seq").notNull(),
    sum: integer("sum").notNull(),
  },
  (table) => [uniqueIndex("turn_turn").on(table.box, table.turn)],
);

export const entry = sqliteTable(
  "entry",
  {
    place: integer("place").primaryKey(),
    id: bytes("id").notNull(),
    generation: integer("generation").notNull(),
    turn: integer("turn").notNull(),
    /** Its place in ENTRY_KINDS. */
    kind: integer("kind").notNull(),
    slot: integer("slot").notNull(),
    timeMs: integer("time_ms").notNull(),
    expiryMs: integer("expiry_ms").notNull(),
    entryHash: bytes("entry_hash").notNull(),
    /** Hashes of the perfect subtrees that this entry completes, level 0 (the leaf) first, 32 bytes each. */
    nodes: bytes("nodes").notNull(),
    takenBy: bytes("taken_by"),
    /** Its row in `body`; null once the body has gone. */
    body: integer("body"),
    bytes: integer("bytes").notNull(),
    sum: integer("sum").notNull(),
  },
  (table) => [
    uniqueIndex("entry_id").on(sql`(place >> 32)`, table.id),
    index("entry_expiry")
      .on(table.expiryMs)
      .where(sql`body IS NOT NULL`),
    index("entry_package")
      .on(sql`(place >> 32)`, table.slot)
      .where(sql`kind >= 2 AND taken_by IS NULL AND body IS NOT NULL`),
    index("entry_taken")
      .on(sql`(place >> 32)`, table.takenBy)
      .where(sql`taken_by IS NOT NULL`),
  ],
);

export const body = sqliteTable("body", {
  number: integer("number").primaryKey(),
  bytes: bytes("bytes").notNull(),
});

/** The last receipt of each reader, kept beyond its membership as proof of what was delivered. */
export const receipt = sqliteTable(
  "receipt",
  {
    number: integer("number").primaryKey(),
    box: integer("box").notNull(),
    reader: bytes("reader").notNull(),
    generation: integer("generation").notNull(),
    cursor: integer("cursor").notNull(),
    notAfterMs: integer("not_after_ms").notNull(),
    signature: bytes("signature").notNull(),
    sum: integer("sum").notNull(),
  },
  (table) => [uniqueIndex("receipt_reader").on(table.box, table.reader)],
);

/**
 * One row: what all mailboxes hold together, moved along in each transaction, so that nobody has to count, and
 * whose mailboxes they are.
 */
export const total = sqliteTable("total", {
  number: integer("number").primaryKey(),
  mailboxes: integer("mailboxes").notNull(),
  entries: integer("entries").notNull(),
  bytes: integer("bytes").notNull(),
  /** Grows with every probe: a write that means nothing else. */
  probes: integer("probes").notNull(),
  /** The identity of the relay that they were made on; null until one has started. */
  relay: bytes("relay"),
  /** See row_sum.ts; null with it, and where an older dchat noted it, until the relay starts. */
  relaySum: integer("relay_sum"),
  /** See census.ts. */
  made: integer("made").notNull().default(0),
  madeIds: integer("made_ids").notNull().default(0),
});
