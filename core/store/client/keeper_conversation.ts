import { asc, eq, lt, and } from "drizzle-orm";
import type { Keeper, KeptConversation, Position } from "../../conversation/mod.ts";
import { hash, type Hash } from "../../ground/mod.ts";
import type { DeviceSql, KeeperContext } from "./keeper.ts";
import {
  decodeAccept,
  decodeConversation,
  decodeKeptInvite,
  encodeAccept,
  encodeConversation,
  encodeKeptInvite,
} from "./record.ts";
import { accept, conversation, epoch, invite, ratchet, value, writer } from "./schema.ts";

type Part = Pick<
  Keeper,
  | "value"
  | "putValue"
  | "conversations"
  | "conversation"
  | "addConversation"
  | "putConversation"
  | "putPosition"
  | "group"
  | "putSnapshot"
  | "putRatchets"
  | "putPending"
  | "writerSeed"
  | "putWriterSeed"
  | "dropWriterSeeds"
  | "invites"
  | "addInvite"
  | "putInvite"
  | "dropInvite"
  | "accept"
  | "putAccept"
>;

function peaksOf(bytes: Uint8Array): Hash[] {
  return Array.from({ length: bytes.length / 32 }, (_, at) => hash(bytes.slice(at * 32, at * 32 + 32)));
}

function positionColumns(position: Position) {
  return {
    generation: position.generation,
    size: position.size,
    peaks: Buffer.concat(position.peaks),
    turn: position.turn,
    epochTurn: position.epochTurn,
    acknowledged: position.acknowledged,
  };
}

/** Conversations, their MLS state, invitations. */
export function conversationKeeper(sql: DeviceSql, context: KeeperContext): Part {
  const { crypto, vault } = context;
  return {
    ...valuePart(sql, context),
    ...groupPart(sql, context),
    ...writerPart(sql, context),
    ...invitePart(sql, context),
    ...rows(),
  };

  function rows(): Pick<
    Part,
    "conversations" | "conversation" | "addConversation" | "putConversation" | "putPosition"
  > {
    const cell = (id: number) => ({ table: "conversation", key: id });
    const read = (row: typeof conversation.$inferSelect): KeptConversation => ({
      ...decodeConversation(crypto, vault.open(cell(row.id), row.sealed)),
      id: row.id,
      position: {
        generation: row.generation,
        size: row.size,
        peaks: peaksOf(row.peaks),
        turn: row.turn,
        epochTurn: row.epochTurn,
        acknowledged: row.acknowledged,
      },
    });
    return {
      conversations: () => sql.select().from(conversation).orderBy(asc(conversation.id)).all().map(read),
      conversation(id) {
        const row = sql.select().from(conversation).where(eq(conversation.id, id)).get();
        return row === undefined ? null : read(row);
      },
      addConversation({ position, ...record }) {
        // The seal is bound to the row's number, which the insert gives.
        const { id } = sql
          .insert(conversation)
          .values({ sealed: Buffer.alloc(0), ...positionColumns(position) })
          .returning({ id: conversation.id })
          .get();
        const sealed = vault.seal(cell(id), encodeConversation(crypto, record));
        sql.update(conversation).set({ sealed }).where(eq(conversation.id, id)).run();
        return id;
      },
      putConversation({ id, position, ...record }) {
        const sealed = vault.seal(cell(id), encodeConversation(crypto, record));
        sql
          .update(conversation)
          .set({ sealed, ...positionColumns(position) })
          .where(eq(conversation.id, id))
          .run();
      },
      putPosition(id, position) {
        sql.update(conversation).set(positionColumns(position)).where(eq(conversation.id, id)).run();
      },
    };
  }
}

function valuePart(sql: DeviceSql, { vault }: KeeperContext): Pick<Part, "value" | "putValue"> {
  const cell = (name: string) => ({ table: "value", key: name });
  return {
    value(name) {
      const row = sql.select().from(value).where(eq(value.name, name)).get();
      return row === undefined ? null : vault.open(cell(name), row.sealed);
    },
    putValue(name, bytes) {
      const sealed = vault.seal(cell(name), bytes);
      sql
        .insert(value)
        .values({ name, sealed })
        .onConflictDoUpdate({ target: value.name, set: { sealed } })
        .run();
    },
  };
}

function groupPart(
  sql: DeviceSql,
  { vault }: KeeperContext,
): Pick<Part, "group" | "putSnapshot" | "putRatchets" | "putPending"> {
  const cells = {
    epoch: (key: number) => ({ table: "epoch", key }),
    pending: (key: number) => ({ table: "epoch", column: "pending", key }),
    ratchet: (id: number, node: number) => ({ table: "ratchet", key: [id, node] }),
  };
  const putRatchets: Part["putRatchets"] = (id, ratchets) => {
    for (const { node, bytes } of ratchets) {
      const sealed = vault.seal(cells.ratchet(id, node), bytes);
      sql
        .insert(ratchet)
        .values({ conversation: id, node, sealed })
        .onConflictDoUpdate({ target: [ratchet.conversation, ratchet.node], set: { sealed } })
        .run();
    }
  };
  return {
    group(id) {
      const row = sql.select().from(epoch).where(eq(epoch.conversation, id)).get();
      if (row === undefined) return null;
      const rows = sql
        .select()
        .from(ratchet)
        .where(eq(ratchet.conversation, id))
        .orderBy(asc(ratchet.node))
        .all();
      return {
        snapshot: vault.open(cells.epoch(id), row.sealed),
        ratchets: rows.map(({ node, sealed }) => ({
          node,
          bytes: vault.open(cells.ratchet(id, node), sealed),
        })),
        pending: row.pending === null ? null : vault.open(cells.pending(id), row.pending),
      };
    },
    putSnapshot(id, { snapshot, ratchets }) {
      const sealed = vault.seal(cells.epoch(id), snapshot);
      sql
        .insert(epoch)
        .values({ conversation: id, sealed })
        .onConflictDoUpdate({ target: epoch.conversation, set: { sealed } })
        .run();
      sql.delete(ratchet).where(eq(ratchet.conversation, id)).run();
      putRatchets(id, ratchets);
    },
    putRatchets,
    putPending(id, pending) {
      const sealed = pending === null ? null : vault.seal(cells.pending(id), pending);
      sql.update(epoch).set({ pending: sealed }).where(eq(epoch.conversation, id)).run();
    },
  };
}

function writerPart(
  sql: DeviceSql,
  { vault }: KeeperContext,
): Pick<Part, "writerSeed" | "putWriterSeed" | "dropWriterSeeds"> {
  const cell = (id: number, turn: number) => ({ table: "writer", key: [id, turn] });
  return {
    writerSeed(id, turn) {
      const at = and(eq(writer.conversation, id), eq(writer.turn, turn));
      const row = sql.select().from(writer).where(at).get();
      return row === undefined ? null : vault.open(cell(id, turn), row.sealed);
    },
    putWriterSeed(id, turn, seed) {
      const sealed = vault.seal(cell(id, turn), seed);
      sql
        .insert(writer)
        .values({ conversation: id, turn, sealed })
        .onConflictDoUpdate({ target: [writer.conversation, writer.turn], set: { sealed } })
        .run();
    },
    dropWriterSeeds(id, turn) {
      sql
        .delete(writer)
        .where(and(eq(writer.conversation, id), lt(writer.turn, turn)))
        .run();
    },
  };
}

function invitePart(
  sql: DeviceSql,
  { crypto, vault }: KeeperContext,
): Pick<Part, "invites" | "addInvite" | "putInvite" | "dropInvite" | "accept" | "putAccept"> {
  const cell = (key: number) => ({ table: "invite", key });
  const acceptCell = (inbox: Uint8Array) => ({ table: "accept", key: inbox });
  return {
    invites: () =>
      sql
        .select()
        .from(invite)
        .orderBy(asc(invite.id))
        .all()
        .map((row) => ({ ...decodeKeptInvite(crypto, vault.open(cell(row.id), row.sealed)), id: row.id })),
    addInvite(kept) {
      const { id } = sql
        .insert(invite)
        .values({ sealed: Buffer.alloc(0) })
        .returning({ id: invite.id })
        .get();
      sql
        .update(invite)
        .set({ sealed: vault.seal(cell(id), encodeKeptInvite(crypto, kept)) })
        .where(eq(invite.id, id))
        .run();
      return id;
    },
    putInvite({ id, ...kept }) {
      sql
        .update(invite)
        .set({ sealed: vault.seal(cell(id), encodeKeptInvite(crypto, kept)) })
        .where(eq(invite.id, id))
        .run();
    },
    dropInvite(id) {
      sql.delete(invite).where(eq(invite.id, id)).run();
    },
    accept(inbox) {
      const row = sql
        .select()
        .from(accept)
        .where(eq(accept.inbox, Buffer.from(inbox)))
        .get();
      return row === undefined ? null : { ...decodeAccept(vault.open(acceptCell(inbox), row.sealed)), inbox };
    },
    putAccept(kept) {
      const sealed = vault.seal(acceptCell(kept.inbox), encodeAccept(kept));
      sql
        .insert(accept)
        .values({ inbox: Buffer.from(kept.inbox), sealed })
        .onConflictDoUpdate({ target: accept.inbox, set: { sealed } })
        .run();
    },
  };
}
