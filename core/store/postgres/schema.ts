/**
 * The relay's tables in PostgreSQL. drizzle-kit makes migrations/postgres from this file.
 *
 * Every key starts with the mailbox's id, every statement names mailboxes by their ids, and nothing refers across
 * mailboxes: so the tables shard by mailbox on engines that speak PostgreSQL's protocol. The exceptions are what
 * a sweep looks for, which any node may look for in its own shards.
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  uniqueIndex,
} from "drizzle-orm/pg-core";

const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => "bytea" });
const long = (name: string) => bigint(name, { mode: "number" });

export const mailbox = pgTable(
  "mailbox",
  {
    id: bytes("id").primaryKey(),
    generation: long("generation").notNull(),
    term: long("term").notNull(),
    owner: bytes("owner").notNull(),
    writer: bytes("writer").notNull(),
    entriesMax: long("entries_max").notNull(),
    bytesMax: long("bytes_max").notNull(),
    ttlMs: long("ttl_ms").notNull(),
    retentionMs: long("retention_ms").notNull(),
    size: long("size").notNull(),
    /** Hashes of 32 bytes, one after the other. */
    peaks: bytes("peaks").notNull(),
    turn: long("turn").notNull(),
    version: long("version").notNull(),
    floor: long("floor").notNull(),
    entriesHeld: long("entries_held").notNull(),
    bytesHeld: long("bytes_held").notNull(),
    createdMs: long("created_ms").notNull(),
    deleted: boolean("deleted").notNull(),
    startedSize: long("started_size"),
    startedRoot: bytes("started_root"),
    startedMs: long("started_ms"),
    /** See row_sum.ts. */
    sum: long("sum").notNull(),
    /** No plain entry below this sequence number has a body: where a sweep of what all have read goes on. */
    swept: long("swept").notNull(),
    /** When a sweep should look at this mailbox; null where nothing but expiry can come up. */
    sweepMs: long("sweep_ms"),
    /** What the sums of its rows in `reader` and in `receipt` add up to: a row that is missing shows by them. */
    readerSum: long("reader_sum").notNull().default(0),
    receiptSum: long("receipt_sum").notNull().default(0),
  },
  (table) => [
    index("mailbox_sweep")
      .on(table.sweepMs)
      .where(sql`sweep_ms IS NOT NULL`),
  ],
);

export const reader = pgTable(
  "reader",
  {
    mailbox: bytes("mailbox").notNull(),
    key: bytes("key").notNull(),
    cursor: long("cursor").notNull(),
    lapsed: boolean("lapsed").notNull(),
    sum: long("sum").notNull(),
  },
  (table) => [primaryKey({ columns: [table.mailbox, table.key] })],
);

export const turn = pgTable(
  "turn",
  {
    mailbox: bytes("mailbox").notNull(),
    turn: long("turn").notNull(),
    writer: bytes("writer").notNull(),
    firstSeq: long("first_seq").notNull(),
    sum: long("sum").notNull(),
  },
  (table) => [primaryKey({ columns: [table.mailbox, table.turn] })],
);

export const entry = pgTable(
  "entry",
  {
    mailbox: bytes("mailbox").notNull(),
    seq: long("seq").notNull(),
    id: bytes("id").notNull(),
    generation: long("generation").notNull(),
    turn: long("turn").notNull(),
    /** Its place in ENTRY_KINDS. */
    kind: smallint("kind").notNull(),
    slot: integer("slot").notNull(),
    timeMs: long("time_ms").notNull(),
    expiryMs: long("expiry_ms").notNull(),
    entryHash: bytes("entry_hash").notNull(),
    /** Hashes of the perfect subtrees that this entry completes, level 0 (the leaf) first, 32 bytes each. */
    nodes: bytes("nodes").notNull(),
    takenBy: bytes("taken_by"),
    bytes: integer("bytes").notNull(),
    sum: long("sum").notNull(),
    /** Null once the body has gone; the rest stays for proofs. */
    body: bytes("body"),
  },
  (table) => [
    primaryKey({ columns: [table.mailbox, table.seq] }),
    uniqueIndex("entry_id").on(table.mailbox, table.id),
    index("entry_expiry")
      .on(table.expiryMs)
      .where(sql`body IS NOT NULL`),
    index("entry_package")
      .on(table.mailbox, table.slot)
      .where(sql`kind >= 2 AND taken_by IS NULL AND body IS NOT NULL`),
    index("entry_taken")
      .on(table.mailbox, table.takenBy)
      .where(sql`taken_by IS NOT NULL`),
  ],
);

/** The last receipt of each reader, kept beyond its membership as proof of what was delivered. */
export const receipt = pgTable(
  "receipt",
  {
    mailbox: bytes("mailbox").notNull(),
    reader: bytes("reader").notNull(),
    generation: long("generation").notNull(),
    cursor: long("cursor").notNull(),
    notAfterMs: long("not_after_ms").notNull(),
    signature: bytes("signature").notNull(),
    sum: long("sum").notNull(),
  },
  (table) => [primaryKey({ columns: [table.mailbox, table.reader] })],
);

/**
 * One row: the schema's version, a count that grows with every probe, a write that means nothing else, and whose
 * mailboxes these are.
 */
export const state = pgTable("dchat_state", {
  number: integer("number").primaryKey(),
  version: integer("version").notNull(),
  probes: long("probes").notNull(),
  /** The identity of the relay that they were made on; null until one has started. */
  relay: bytes("relay"),
  /** See row_sum.ts; null with it, and where an older dchat noted it, until the relay starts. */
  relaySum: long("relay_sum"),
});

/**
 * See census.ts: what the rows add up to counts. A transaction that makes mailboxes adds to one of a few, by the
 * connection that it runs on, so that nodes which make mailboxes at the same time seldom wait for one another.
 */
export const census = pgTable("dchat_census", {
  number: integer("number").primaryKey(),
  made: long("made").notNull(),
  ids: long("ids").notNull(),
});
