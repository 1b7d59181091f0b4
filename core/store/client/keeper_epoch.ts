import { and, asc, desc, eq, gte, lt } from "drizzle-orm";
import type { Keeper } from "../../conversation/mod.ts";
import { entryId } from "../../ground/mod.ts";
import type { DeviceSql, KeeperContext } from "./keeper.ts";
import { epoch, former, ratchet, writer } from "./schema.ts";

type Part = Pick<
  Keeper,
  | "group"
  | "putSnapshot"
  | "putRatchets"
  | "putPending"
  | "writerSeed"
  | "putWriterSeed"
  | "dropWriterSeeds"
  | "lostFormers"
  | "putFormer"
  | "loseFormers"
  | "findFormer"
  | "dropFormer"
  | "hasFormers"
  | "dropFormers"
>;

/** MLS state: the current epoch, keys of turns, former epochs that may still be needed. */
export function epochKeeper(sql: DeviceSql, context: KeeperContext): Part {
  return { ...groupPart(sql, context), ...writerPart(sql, context), ...formerPart(sql, context) };
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
    dropWriterSeeds(id, { from, below }) {
      sql
        .delete(writer)
        .where(and(eq(writer.conversation, id), gte(writer.turn, from), lt(writer.turn, below)))
        .run();
    },
  };
}

function formerPart(
  sql: DeviceSql,
  { vault }: KeeperContext,
): Pick<
  Part,
  "lostFormers" | "putFormer" | "loseFormers" | "findFormer" | "dropFormer" | "hasFormers" | "dropFormers"
> {
  const below = (id: number, seq: number) =>
    and(eq(former.conversation, id), eq(former.lost, false), lt(former.seq, seq));
  const cell = (id: number, commit: Uint8Array) => ({ table: "former", key: [id, commit] });
  return {
    lostFormers: (id) =>
      sql
        .select()
        .from(former)
        .where(and(eq(former.conversation, id), eq(former.lost, true)))
        .orderBy(desc(former.seq))
        .all()
        .map((row) => ({
          conversation: id,
          id: entryId(Uint8Array.from(row.id)),
          seq: row.seq,
          lost: row.lost,
          group: vault.open(cell(id, row.id), row.sealed),
        })),
    putFormer({ conversation: id, id: commit, seq, lost, group }) {
      const columns = { seq, lost, sealed: vault.seal(cell(id, commit), group) };
      sql
        .insert(former)
        .values({ conversation: id, id: Buffer.from(commit), ...columns })
        .onConflictDoUpdate({ target: [former.conversation, former.id], set: columns })
        .run();
    },
    loseFormers(id, seq) {
      const beyond = and(eq(former.conversation, id), gte(former.seq, seq));
      sql.update(former).set({ lost: true }).where(beyond).run();
    },
    findFormer(id, { id: commit, seq }) {
      const one = and(eq(former.conversation, id), eq(former.id, Buffer.from(commit)));
      sql.update(former).set({ lost: false, seq }).where(one).run();
    },
    dropFormer(id, commit) {
      const one = and(eq(former.conversation, id), eq(former.id, Buffer.from(commit)));
      sql.delete(former).where(one).run();
    },
    hasFormers: (id, seq) =>
      sql.select({ seq: former.seq }).from(former).where(below(id, seq)).limit(1).get() !== undefined,
    dropFormers(id, seq) {
      sql.delete(former).where(below(id, seq)).run();
    },
  };
}
