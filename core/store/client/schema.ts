/**
 * The tables of a device's database. drizzle-kit makes migrations/client from this file.
 *
 * Columns named `sealed` are XChaCha20-Poly1305 under the database's key: every body, key and name. What stands in
 * the open is where things lie in the logs of mailboxes: numbers, ids of entries, hashes. Entries that wait to be
 * sent are sealed by the conversation already. docs/THREATS.md lists what that shows, column by column.
 */
import { sql } from "drizzle-orm";
import { blob, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

const bytes = (name: string) => blob(name, { mode: "buffer" });

/** One row, two during a change of passphrase: the database's key, wrapped by a passphrase or, burner, bare. */
export const wrap = sqliteTable("wrap", {
  number: integer("number").primaryKey(),
  document: text("document").notNull(),
});

export const value = sqliteTable("value", {
  name: text("name").primaryKey(),
  sealed: bytes("sealed").notNull(),
});

export const conversation = sqliteTable("conversation", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  sealed: bytes("sealed").notNull(),
  generation: integer("generation").notNull(),
  size: integer("size").notNull(),
  /** Hashes of 32 bytes, one after the other. */
  peaks: bytes("peaks").notNull(),
  turn: integer("turn").notNull(),
  acknowledged: integer("acknowledged").notNull(),
});

/** MLS state of the current epoch, its ratchets aside. */
export const epoch = sqliteTable("epoch", {
  conversation: integer("conversation").primaryKey(),
  sealed: bytes("sealed").notNull(),
  pending: bytes("pending"),
});

export const ratchet = sqliteTable(
  "ratchet",
  {
    conversation: integer("conversation").notNull(),
    node: integer("node").notNull(),
    sealed: bytes("sealed").notNull(),
  },
  (table) => [primaryKey({ columns: [table.conversation, table.node] })],
);

export const writer = sqliteTable(
  "writer",
  {
    conversation: integer("conversation").notNull(),
    turn: integer("turn").notNull(),
    sealed: bytes("sealed").notNull(),
  },
  (table) => [primaryKey({ columns: [table.conversation, table.turn] })],
);

export const former = sqliteTable(
  "former",
  {
    conversation: integer("conversation").notNull(),
    id: bytes("id").notNull(),
    seq: integer("seq").notNull(),
    lost: integer("lost", { mode: "boolean" }).notNull(),
    sealed: bytes("sealed").notNull(),
  },
  (table) => [primaryKey({ columns: [table.conversation, table.id] })],
);

export const invite = sqliteTable("invite", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  sealed: bytes("sealed").notNull(),
});

export const accept = sqliteTable("accept", {
  inbox: bytes("inbox").primaryKey(),
  sealed: bytes("sealed").notNull(),
});

export const message = sqliteTable(
  "message",
  {
    number: integer("number").primaryKey({ autoIncrement: true }),
    conversation: integer("conversation").notNull(),
    id: bytes("id").notNull(),
    generation: integer("generation").notNull(),
    /** Null while it waits to be sent. */
    seq: integer("seq"),
    mine: integer("mine", { mode: "boolean" }).notNull(),
    shown: integer("shown", { mode: "boolean" }).notNull(),
    sealed: bytes("sealed").notNull(),
  },
  (table) => [
    uniqueIndex("message_id").on(table.conversation, table.id),
    index("message_place").on(table.conversation, table.generation, table.seq),
    index("message_unshown")
      .on(table.conversation)
      .where(sql`shown = 0`),
  ],
);

export const outgoing = sqliteTable(
  "outgoing",
  {
    order: integer("order").primaryKey({ autoIncrement: true }),
    conversation: integer("conversation").notNull(),
    id: bytes("id").notNull(),
    control: integer("control", { mode: "boolean" }).notNull(),
    epoch: integer("epoch"),
    turn: integer("turn"),
    entry: bytes("entry"),
    /** Keys that change with a control entry. */
    change: bytes("change"),
    generation: integer("generation"),
    seq: integer("seq"),
    leaf: bytes("leaf"),
    /** The relay's, with the certificate of who signed it, until a head is known that has the entry; sealed. */
    promise: bytes("promise"),
  },
  (table) => [
    uniqueIndex("outgoing_id").on(table.conversation, table.id),
    index("outgoing_unsent")
      .on(table.conversation, table.order)
      .where(sql`seq IS NULL`),
  ],
);

export const leaf = sqliteTable(
  "leaf",
  {
    conversation: integer("conversation").notNull(),
    generation: integer("generation").notNull(),
    seq: integer("seq").notNull(),
    id: bytes("id").notNull(),
    turn: integer("turn").notNull(),
    leaf: bytes("leaf").notNull(),
    root: bytes("root").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.conversation, table.generation, table.seq] }),
    index("leaf_id").on(table.conversation, table.id),
  ],
);

/** The last verified head of each conversation's log, with the certificate of who signed it. */
export const head = sqliteTable("head", {
  conversation: integer("conversation").primaryKey(),
  sealed: bytes("sealed").notNull(),
});

/** What proves that a relay broke its word. */
export const evidence = sqliteTable("evidence", {
  number: integer("number").primaryKey({ autoIncrement: true }),
  conversation: integer("conversation").notNull(),
  sealed: bytes("sealed").notNull(),
});
