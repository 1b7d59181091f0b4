/**
 * The rules of mailboxes, as one pure function over a batch: what each command may do, what is written for it,
 * and what it is answered. A store calls it inside its transaction with the rows that `loadKeys` and
 * `packageKeys` named, so that every command sees what those before it did, in the same batch too.
 *
 * What the rules do not protect: a relay that breaks them. Promises, heads and receipts show that it did.
 */
import { limit, unreachable } from "../ground/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import { decideAppend } from "./append.ts";
import { decideAcknowledge } from "./cursor.ts";
import { Batch, findReader, type MailboxDraft, rowOf, signedBy } from "./draft.ts";
import { decideCreate, decideDelete, decideReset } from "./keys.ts";
import type { Outcome } from "./outcome.ts";
import { isPackage } from "./packages.ts";
import type { DecideOptions, Loaded, Plan } from "./port.ts";
import { decideTake } from "./take.ts";

/** The one answer to whoever isn't authorised, whatever the reason. */
const DENIED: Outcome = { is: "refused", refusal: { code: "denied" } };

/** Decides a batch in order. `loaded` is borrowed and not changed; the plan shares its bytes. */
export function decideBatch(
  loaded: Loaded,
  commands: readonly CheckedCommand[],
  options: DecideOptions,
): Plan {
  const batch = new Batch(loaded, options);
  const outcomes = commands.map((command) => decide(batch, command));
  return batch.plan(outcomes);
}

function decide(batch: Batch, command: CheckedCommand): Outcome {
  if (!command.authentic) return DENIED;
  const box = batch.mailbox(command.authority.mailbox);
  if (command.body.op === "create") {
    if (!signedBy(command, command.body.record.owner)) return DENIED;
    // Who made the mailbox and is no longer its owner hears as little of it as anybody.
    if (box !== null && !signedBy(command, box.owner)) return DENIED;
    return outOfTime(command, batch.options.nowMs) ?? decideCreate(batch, command, command.body);
  }
  if (box === null || !mayAsk(batch, command, box)) return DENIED;
  const late = outOfTime(command, batch.options.nowMs);
  if (late !== null) return late;
  if (box.deleted) return { is: "deleted" };
  if (command.authority.generation !== box.generation) return { is: "generation", row: rowOf(box) };
  return decideOp(batch, command, box);
}

/** Whether the command's key may ask for its op at all. Of a deleted mailbox only its owner hears, and only that. */
function mayAsk(batch: Batch, command: CheckedCommand, box: MailboxDraft): boolean {
  const { body, authority } = command;
  if (box.deleted) return body.op === "delete" && signedBy(command, box.owner);
  switch (body.op) {
    case "append":
      if (isPackage(body.kind)) return signedBy(command, box.owner);
      return signedBy(command, box.writer) || signedByTurn(batch, command, box);
    case "read":
    case "subscribe":
    case "receipts":
    case "acknowledge":
      return findReader(box, authority.key) !== -1;
    case "take":
      return signedBy(command, box.writer);
    case "create":
    case "reset":
    case "delete":
      return signedBy(command, box.owner);
    case "describe":
    case "proveInclusion":
    case "proveConsistency":
      return (
        signedBy(command, box.writer) || signedBy(command, box.owner) || findReader(box, authority.key) !== -1
      );
    default:
      return unreachable(body);
  }
}

/** Whether the key was the writer's of the turn that the append names: it may hear how that ended. */
function signedByTurn(batch: Batch, command: CheckedCommand, box: MailboxDraft): boolean {
  if (command.body.op !== "append") return false;
  const turn = batch.turn(box, command.body.turn);
  return turn !== null && signedBy(command, turn.writer);
}

function outOfTime(command: CheckedCommand, nowMs: number): Outcome | null {
  const { notAfterMs } = command.authority;
  const latestMs = nowMs + limit.COMMAND_LIFETIME_MS_MAX + limit.CLOCK_SKEW_MS_MAX;
  if (notAfterMs >= nowMs && notAfterMs <= latestMs) return null;
  return { is: "refused", refusal: { code: "expired", nowMs } };
}

function decideOp(batch: Batch, command: CheckedCommand, box: MailboxDraft): Outcome {
  const { body } = command;
  switch (body.op) {
    case "append":
      return decideAppend(batch, box, { body, entryHash: command.entryHash });
    case "acknowledge":
      return decideAcknowledge(box, command.authority, body.cursor);
    case "take":
      return decideTake(batch, box, body.take);
    case "create":
      return decideCreate(batch, command, body);
    case "reset":
      return decideReset(batch, box, body);
    case "delete":
      return decideDelete(box);
    case "describe":
    case "receipts":
      return { is: "allowed", row: rowOf(box) };
    case "read":
    case "subscribe":
      return decideRead(box, { key: command.authority.key, from: body.from });
    case "proveInclusion":
      return decideProve(box, body.seq < body.size ? body.size : Infinity);
    case "proveConsistency":
      return decideProve(box, body.from <= body.to ? body.to : Infinity);
    default:
      return unreachable(body);
  }
}

function outOfRange(box: MailboxDraft): Outcome {
  return { is: "refused", refusal: { code: "range", size: box.size } };
}

function decideRead(
  box: MailboxDraft,
  ask: { key: CheckedCommand["authority"]["key"]; from: number },
): Outcome {
  if (ask.from > box.size) return outOfRange(box);
  const reader = box.readers[findReader(box, ask.key)];
  // Asking from the floor on is how a reader that lapsed says that it has heard.
  if (reader?.lapsed === true && ask.from < box.floor) {
    return { is: "refused", refusal: { code: "lapsed", floor: box.floor } };
  }
  return { is: "allowed", row: rowOf(box) };
}

function decideProve(box: MailboxDraft, size: number): Outcome {
  return size > box.size ? outOfRange(box) : { is: "allowed", row: rowOf(box) };
}
