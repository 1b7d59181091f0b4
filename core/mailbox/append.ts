/** Appending: the same id once, the turn that runs, the quota; a control entry changes entry, turn and keys together. */
import { assert, type Hash, limit } from "../ground/mod.ts";
import { append } from "../merkle/mod.ts";
import { type CommandBody, type LeafPreimage, sameId, type TurnChange } from "../wire/mod.ts";
import { lapse } from "./cursor.ts";
import { type Batch, type MailboxDraft, touch } from "./draft.ts";
import { entryLeaf } from "./leaf.ts";
import type { Outcome } from "./outcome.ts";
import { isPackage } from "./packages.ts";
import type { EntryRow, NewEntry, ReaderRow } from "./port.ts";

type Append = Extract<CommandBody, { op: "append" }>;
type Asked = { readonly body: Append; readonly entryHash: Hash | null };

/** The id is looked up first: what was kept is answered for whatever the quota, the turn and the keys are now. */
export function decideAppend(batch: Batch, box: MailboxDraft, { body, entryHash }: Asked): Outcome {
  assert(entryHash !== null, "an append comes with its entry's hash");
  const known = batch.entry(box, body.id);
  if (known !== null) return repeat(box, known, { body, entryHash });
  if (body.turn !== box.turn) return otherTurn(batch, box, body.turn);
  if (box.size >= limit.MAILBOX_SIZE_MAX) return { is: "refused", refusal: { code: "limit" } };
  if (
    box.entriesHeld + 1 > box.policy.entriesMax ||
    box.bytesHeld + body.entry.length > box.policy.bytesMax
  ) {
    return { is: "refused", refusal: { code: "full" } };
  }
  const readers = body.change === null ? box.readers : readersAfter(box, body.change);
  const tooMany =
    readers.length > limit.MAILBOX_READERS_MAX ||
    (isPackage(body.kind) && batch.packages(box).held >= limit.PACKAGES_MAX);
  if (tooMany) return { is: "refused", refusal: { code: "limit" } };
  const entry = keep(batch, box, { body, entryHash });
  if (body.change !== null) {
    box.readers = readers;
    box.writer = body.change.writer;
    box.turn += 1;
    box.version += 1;
    batch.startTurn(box);
  }
  lapse(box);
  return { is: "appended", mailbox: box.id, entry, fresh: true };
}

function repeat(box: MailboxDraft, known: EntryRow, { body, entryHash }: Asked): Outcome {
  const same =
    known.turn === body.turn &&
    known.kind === body.kind &&
    known.slot === body.slot &&
    entryHash !== null &&
    sameId(known.entryHash, entryHash);
  if (!same) return { is: "refused", refusal: { code: "reused" } };
  return { is: "appended", mailbox: box.id, entry: known, fresh: false };
}

function otherTurn(batch: Batch, box: MailboxDraft, turn: number): Outcome {
  const next = batch.turn(box, turn + 1);
  const end = turn < box.turn && next !== null ? next.firstSeq : box.size;
  return { is: "refused", refusal: { code: "turn", turn: box.turn, seq: Math.max(0, end - 1) } };
}

/** Puts the entry into the log and counts it. */
function keep(batch: Batch, box: MailboxDraft, { body, entryHash }: Asked): NewEntry {
  assert(entryHash !== null, "an append comes with its entry's hash");
  const { nowMs, ttlMsMax, digest } = batch.options;
  // What a device that was away needs first is the control entries, in order: they live as long as anything can.
  const ttlMs = body.kind === "control" ? ttlMsMax : Math.min(box.policy.ttlMs, ttlMsMax);
  const preimage: LeafPreimage = {
    generation: box.generation,
    seq: box.size,
    id: body.id,
    turn: body.turn,
    kind: body.kind,
    timeMs: nowMs,
    expiryMs: nowMs + ttlMs,
    entryHash,
  };
  const leaf = entryLeaf(digest, preimage);
  touch(box);
  const nodes = append(digest, box, leaf);
  const entry: NewEntry = {
    ...preimage,
    mailbox: box.id,
    slot: body.slot,
    leaf,
    takenBy: null,
    entry: body.entry,
    nodes,
  };
  box.entriesHeld += 1;
  box.bytesHeld += body.entry.length;
  batch.addEntry(box, entry);
  return entry;
}

/** Readers once `change` holds: those that join start behind the control entry; those that are there stay. */
function readersAfter(box: MailboxDraft, change: TurnChange): readonly ReaderRow[] {
  const gone = new Set(change.removed.map((key) => key.toHex()));
  const readers = box.readers.filter((reader) => !gone.has(reader.key.toHex()));
  const there = new Set(readers.map((reader) => reader.key.toHex()));
  for (const key of change.added) {
    if (!there.has(key.toHex())) readers.push({ key, cursor: box.size + 1, lapsed: false });
  }
  return readers;
}
