/** One mailbox with its people, and its commands: what tests of single rules stand on. */
import { digest } from "./digest.ts";
import { MemoryMailboxes } from "./mailbox_memory.ts";
import { entryId, hash, type PublicKey, publicKey, signature } from "../../core/ground/mod.ts";
import {
  type CheckedCommand,
  type CommandBody,
  type CreationRecord,
  mailboxIdOf,
} from "../../core/wire/mod.ts";
import type { Outcome } from "../../core/mailbox/mod.ts";

export const NOW_MS = 1_800_000_000_000;
export const DAY_MS = 24 * 60 * 60 * 1000;
export const TTL_MS_MAX = 90 * DAY_MS;
export const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
export const key = (value: number): PublicKey => publicKey(filled(32, value));
export const [OWNER, WRITER, WRITER_2, ANN, BOB, NOBODY] = [key(1), key(2), key(3), key(4), key(5), key(6)];
export const RECORD: CreationRecord = {
  owner: OWNER,
  relay: key(9),
  policy: { entriesMax: 100, bytesMax: 1024 * 1024, ttlMs: 30 * DAY_MS, retentionMs: 0 },
  nonce: filled(16, 1),
};
export const DENIED: Outcome = { is: "refused", refusal: { code: "denied" } };

/** A mailbox whose record, writer and readers are as above, and its commands. */
export function room(policy: Partial<CreationRecord["policy"]> = {}) {
  const record = { ...RECORD, policy: { ...RECORD.policy, ...policy } };
  const id = mailboxIdOf(record, digest);
  const store = new MemoryMailboxes();
  const command = (who: PublicKey, body: CommandBody, more: Partial<CheckedCommand["authority"]> = {}) => {
    const entryHash = body.op === "append" ? hash(digest.sha256(body.entry)) : null;
    const authority = {
      mailbox: id,
      generation: 1,
      notAfterMs: NOW_MS + 1000,
      key: who,
      signature: signature(filled(64, who[0] ?? 0)),
      ...more,
    };
    return { authority, body, statement: filled(0, 0), entryHash, authentic: true } satisfies CheckedCommand;
  };
  const run = (...commands: CheckedCommand[]) =>
    store.commit(commands, { nowMs: NOW_MS, ttlMsMax: TTL_MS_MAX, digest }).outcomes;
  const one = (who: PublicKey, body: CommandBody, more?: Partial<CheckedCommand["authority"]>) =>
    run(command(who, body, more))[0];
  const create: CommandBody = { op: "create", record, writer: WRITER, readers: [ANN, BOB] };
  const row = () => {
    const found = store.rows.get(id.toHex());
    if (found === undefined) throw new Error("no such mailbox");
    return found;
  };
  return { id, store, command, run, one, create, row };
}

export function append(id: number, more: Partial<Extract<CommandBody, { op: "append" }>> = {}): CommandBody {
  return {
    op: "append",
    id: entryId(filled(16, id)),
    turn: 0,
    kind: "plain",
    slot: 0,
    change: null,
    entry: filled(1024, id),
    ...more,
  };
}

export const control = (
  id: number,
  writer: PublicKey,
  more: Partial<Extract<CommandBody, { op: "append" }>> = {},
) => append(id, { kind: "control", change: { writer, added: [], removed: [] }, ...more });

export const code = (outcome: Outcome | undefined): string =>
  outcome?.is === "refused" ? outcome.refusal.code : (outcome?.is ?? "nothing");
export const seqOf = (outcome: Outcome | undefined): number =>
  outcome?.is === "appended" ? outcome.entry.seq : -1;
