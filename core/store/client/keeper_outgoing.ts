import { and, asc, count, desc, eq, gte, isNotNull, isNull, lt, lte, sql as raw } from "drizzle-orm";
import type { Keeper, KeptLeaf, KeptMessage, KeptOutgoing } from "../../conversation/mod.ts";
import { entryId, hash, type Hash } from "../../ground/mod.ts";
import type { DeviceSql, KeeperContext } from "./keeper.ts";
import { decodeChange, decodeMessage, encodeChange, encodeMessage } from "./record.ts";
import { leaf, message, outgoing } from "./schema.ts";

type Part = Pick<
  Keeper,
  | "putMessage"
  | "message"
  | "dropMessage"
  | "messages"
  | "countMessages"
  | "unshown"
  | "markShown"
  | "unsent"
  | "sent"
  | "outgoing"
  | "addOutgoing"
  | "putOutgoing"
  | "dropOutgoing"
  | "dropSent"
  | "addLeaf"
  | "addGap"
  | "leaf"
  | "leafById"
  | "leaves"
>;

/** Messages, what goes out, and the verified log. */
export function outgoingKeeper(sql: DeviceSql, context: KeeperContext): Part {
  return {
    ...messagePart(sql, context),
    ...messageLists(sql, context),
    ...outgoingPart(sql, context),
    ...leafPart(sql),
    ...leafRuns(sql),
  };
}

const cellOf = (conversation: number, id: Uint8Array) => ({ table: "message", key: [conversation, id] });

function readMessage(vault: KeeperContext["vault"], row: typeof message.$inferSelect): KeptMessage {
  return {
    ...decodeMessage(vault.open(cellOf(row.conversation, row.id), row.sealed)),
    conversation: row.conversation,
    id: entryId(Uint8Array.from(row.id)),
    generation: row.generation,
    seq: row.seq,
    mine: row.mine,
    shown: row.shown,
  };
}

function messagePart(
  sql: DeviceSql,
  { vault }: KeeperContext,
): Pick<Part, "putMessage" | "message" | "dropMessage" | "markShown"> {
  const at = (conversation: number, id: Uint8Array) =>
    and(eq(message.conversation, conversation), eq(message.id, Buffer.from(id)));
  return {
    putMessage(kept) {
      const { conversation, generation, seq, mine, shown } = kept;
      const sealed = vault.seal(cellOf(conversation, kept.id), encodeMessage(kept));
      const place = { generation, seq, shown };
      sql
        .insert(message)
        .values({ conversation, id: Buffer.from(kept.id), mine, sealed, ...place })
        .onConflictDoUpdate({ target: [message.conversation, message.id], set: place })
        .run();
    },
    message(conversation, id) {
      const row = sql.select().from(message).where(at(conversation, id)).get();
      return row === undefined ? null : readMessage(vault, row);
    },
    dropMessage(conversation, id) {
      sql.delete(message).where(at(conversation, id)).run();
    },
    markShown(messages) {
      for (const one of messages) {
        sql.update(message).set({ shown: true }).where(at(one.conversation, one.id)).run();
      }
    },
  };
}

function messageLists(
  sql: DeviceSql,
  { vault }: KeeperContext,
): Pick<Part, "messages" | "countMessages" | "unshown"> {
  /** Those that wait come last, in the order in which they were written. */
  const inOrder = [
    raw`${message.seq} IS NULL`,
    asc(message.generation),
    asc(message.seq),
    asc(message.number),
  ];
  return {
    messages: (conversation) =>
      sql
        .select()
        .from(message)
        .where(eq(message.conversation, conversation))
        .orderBy(...inOrder)
        .all()
        .map((row) => readMessage(vault, row)),
    countMessages(conversation) {
      const rows = sql
        .select({ all: count() })
        .from(message)
        .where(eq(message.conversation, conversation))
        .all();
      return rows[0]?.all ?? 0;
    },
    unshown: () =>
      sql
        .select()
        .from(message)
        .where(eq(message.shown, false))
        .orderBy(asc(message.conversation), ...inOrder)
        .all()
        .map((row) => readMessage(vault, row)),
  };
}

function outgoingPart(
  sql: DeviceSql,
  { vault }: KeeperContext,
): Pick<Part, "unsent" | "sent" | "outgoing" | "addOutgoing" | "putOutgoing" | "dropOutgoing" | "dropSent"> {
  const cell = (conversation: number, id: Uint8Array) => ({
    table: "outgoing",
    column: "change",
    key: [conversation, id],
  });
  const read = (row: typeof outgoing.$inferSelect): KeptOutgoing => ({
    order: row.order,
    conversation: row.conversation,
    id: entryId(Uint8Array.from(row.id)),
    kind: row.control ? "control" : "plain",
    sealed:
      row.epoch === null || row.turn === null || row.entry === null
        ? null
        : { epoch: row.epoch, turn: row.turn, entry: Uint8Array.from(row.entry) },
    change: row.change === null ? null : decodeChange(vault.open(cell(row.conversation, row.id), row.change)),
    sent:
      row.seq === null || row.generation === null || row.leaf === null
        ? null
        : { generation: row.generation, seq: row.seq, leaf: hash(Uint8Array.from(row.leaf)) },
  });
  const columns = (kept: Omit<KeptOutgoing, "order">) => ({
    conversation: kept.conversation,
    id: Buffer.from(kept.id),
    control: kept.kind === "control",
    epoch: kept.sealed?.epoch ?? null,
    turn: kept.sealed?.turn ?? null,
    entry: kept.sealed === null ? null : Buffer.from(kept.sealed.entry),
    change:
      kept.change === null ? null : vault.seal(cell(kept.conversation, kept.id), encodeChange(kept.change)),
    generation: kept.sent?.generation ?? null,
    seq: kept.sent?.seq ?? null,
    leaf: kept.sent === null ? null : Buffer.from(kept.sent.leaf),
    // Kept by itself; what is to be sent again has none.
    ...(kept.sent === null ? { promise: null } : {}),
  });
  const list = (where: ReturnType<typeof and>) =>
    sql.select().from(outgoing).where(where).orderBy(asc(outgoing.order)).all().map(read);
  return {
    unsent: (id) => list(and(eq(outgoing.conversation, id), isNull(outgoing.seq))),
    sent: (id) => list(and(eq(outgoing.conversation, id), isNotNull(outgoing.seq))),
    outgoing: (conversation, id) =>
      list(and(eq(outgoing.conversation, conversation), eq(outgoing.id, Buffer.from(id))))[0] ?? null,
    addOutgoing(kept) {
      sql.insert(outgoing).values(columns(kept)).run();
    },
    putOutgoing(kept) {
      sql.update(outgoing).set(columns(kept)).where(eq(outgoing.order, kept.order)).run();
    },
    dropOutgoing(order) {
      sql.delete(outgoing).where(eq(outgoing.order, order)).run();
    },
    dropSent(conversation, seq) {
      sql
        .delete(outgoing)
        .where(and(eq(outgoing.conversation, conversation), lt(outgoing.seq, seq)))
        .run();
    },
  };
}

/** A row that hides what former generations had at its number. */
function isGap(row: typeof leaf.$inferSelect): boolean {
  return row.leaf.length === 0;
}

function leafPart(sql: DeviceSql): Pick<Part, "addLeaf" | "leaf" | "leafById"> {
  const read = (row: typeof leaf.$inferSelect): KeptLeaf => ({
    conversation: row.conversation,
    generation: row.generation,
    seq: row.seq,
    id: entryId(Uint8Array.from(row.id)),
    turn: row.turn,
    leaf: hash(Uint8Array.from(row.leaf)),
    root: hash(Uint8Array.from(row.root)),
  });
  return {
    addLeaf(kept) {
      const { conversation, generation, seq, turn } = kept;
      sql
        .insert(leaf)
        .values({
          conversation,
          generation,
          seq,
          turn,
          id: Buffer.from(kept.id),
          leaf: Buffer.from(kept.leaf),
          root: Buffer.from(kept.root),
        })
        .run();
    },
    leaf(conversation, { generation, seq }) {
      const at = and(
        eq(leaf.conversation, conversation),
        lte(leaf.generation, generation),
        eq(leaf.seq, seq),
      );
      const row = sql.select().from(leaf).where(at).orderBy(desc(leaf.generation)).limit(1).get();
      return row === undefined || isGap(row) ? null : read(row);
    },
    leafById(conversation, id) {
      const at = and(eq(leaf.conversation, conversation), eq(leaf.id, Buffer.from(id)));
      const row = sql.select().from(leaf).where(at).orderBy(desc(leaf.generation)).limit(1).get();
      return row === undefined ? null : read(row);
    },
  };
}

function leafRuns(sql: DeviceSql): Pick<Part, "addGap" | "leaves"> {
  return {
    addGap(conversation, { generation, from, to }) {
      const former = sql
        .selectDistinct({ seq: leaf.seq })
        .from(leaf)
        .where(and(eq(leaf.conversation, conversation), gte(leaf.seq, from), lt(leaf.seq, to)))
        .all();
      const none = Buffer.alloc(0);
      for (const { seq } of former) {
        const unknown = { id: none, turn: 0, leaf: none, root: none };
        sql
          .insert(leaf)
          .values({ conversation, generation, seq, ...unknown })
          .run();
      }
    },
    leaves(conversation, { generation, size }) {
      const at = and(
        eq(leaf.conversation, conversation),
        lte(leaf.generation, generation),
        lt(leaf.seq, size),
      );
      const rows = sql.select().from(leaf).where(at).orderBy(asc(leaf.seq), asc(leaf.generation)).all();
      const hashes: (Hash | null)[] = [];
      for (const row of rows) {
        if (row.seq > hashes.length) break;
        // Where generations overlap, the last one's leaf stands.
        hashes[row.seq] = isGap(row) ? null : hash(Uint8Array.from(row.leaf));
      }
      const end = hashes.indexOf(null);
      return hashes.slice(0, end === -1 ? hashes.length : end).filter((each) => each !== null);
    },
  };
}
