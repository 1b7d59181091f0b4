import { asc, eq } from "drizzle-orm";
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
import { accept, conversation, invite, value } from "./schema.ts";

type Part = Pick<
  Keeper,
  | "value"
  | "putValue"
  | "conversations"
  | "conversation"
  | "addConversation"
  | "putConversation"
  | "putPosition"
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
    acknowledged: position.acknowledged,
  };
}

/** Conversations, values, invitations. */
export function conversationKeeper(sql: DeviceSql, context: KeeperContext): Part {
  const { crypto, vault } = context;
  return { ...valuePart(sql, context), ...invitePart(sql, context), ...rows() };

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
