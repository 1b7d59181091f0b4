import { and, asc, eq, isNotNull, lt } from "drizzle-orm";
import type { Keeper } from "../../conversation/mod.ts";
import type { DeviceSql, KeeperContext } from "./keeper.ts";
import {
  decodeEvidence,
  decodeSignedHead,
  decodeSignedPromise,
  encodeEvidence,
  encodeSignedHead,
  encodeSignedPromise,
} from "./record.ts";
import { evidence, head, outgoing } from "./schema.ts";

type Part = Pick<
  Keeper,
  "head" | "putHead" | "promise" | "putPromise" | "dropPromises" | "evidence" | "addEvidence"
>;

/** What relays have signed, and what of it shows that one broke its word. */
export function signedKeeper(sql: DeviceSql, context: KeeperContext): Part {
  return { ...headPart(sql, context), ...promisePart(sql, context), ...evidencePart(sql, context) };
}

function headPart(sql: DeviceSql, { vault }: KeeperContext): Pick<Part, "head" | "putHead"> {
  const cell = (key: number) => ({ table: "head", key });
  return {
    head(conversation) {
      const row = sql.select().from(head).where(eq(head.conversation, conversation)).get();
      return row === undefined ? null : decodeSignedHead(vault.open(cell(conversation), row.sealed));
    },
    putHead(conversation, signed) {
      const sealed = vault.seal(cell(conversation), encodeSignedHead(signed));
      sql
        .insert(head)
        .values({ conversation, sealed })
        .onConflictDoUpdate({ target: head.conversation, set: { sealed } })
        .run();
    },
  };
}

function promisePart(
  sql: DeviceSql,
  { vault }: KeeperContext,
): Pick<Part, "promise" | "putPromise" | "dropPromises"> {
  const cell = (conversation: number, id: Uint8Array) => ({
    table: "outgoing",
    column: "promise",
    key: [conversation, id],
  });
  const at = (conversation: number, id: Uint8Array) =>
    and(eq(outgoing.conversation, conversation), eq(outgoing.id, Buffer.from(id)));
  return {
    promise(conversation, id) {
      const row = sql.select({ promise: outgoing.promise }).from(outgoing).where(at(conversation, id)).get();
      const sealed = row?.promise ?? null;
      return sealed === null ? null : decodeSignedPromise(vault.open(cell(conversation, id), sealed));
    },
    putPromise(conversation, id, promise) {
      const sealed = vault.seal(cell(conversation, id), encodeSignedPromise(promise));
      sql.update(outgoing).set({ promise: sealed }).where(at(conversation, id)).run();
    },
    dropPromises(conversation, seq) {
      sql
        .update(outgoing)
        .set({ promise: null })
        .where(
          and(eq(outgoing.conversation, conversation), lt(outgoing.seq, seq), isNotNull(outgoing.promise)),
        )
        .run();
    },
  };
}

function evidencePart(sql: DeviceSql, { vault }: KeeperContext): Pick<Part, "evidence" | "addEvidence"> {
  const cell = (key: number) => ({ table: "evidence", key });
  return {
    evidence: (conversation) =>
      sql
        .select()
        .from(evidence)
        .where(eq(evidence.conversation, conversation))
        .orderBy(asc(evidence.number))
        .all()
        .map(({ number, sealed }) => ({
          ...decodeEvidence(vault.open(cell(number), sealed)),
          number,
          conversation,
        })),
    addEvidence({ conversation, ...record }) {
      // The seal is bound to the row's number, which the insert gives.
      const { number } = sql
        .insert(evidence)
        .values({ conversation, sealed: Buffer.alloc(0) })
        .returning({ number: evidence.number })
        .get();
      const sealed = vault.seal(cell(number), encodeEvidence(record));
      sql.update(evidence).set({ sealed }).where(eq(evidence.number, number)).run();
    },
  };
}
