/** What owners do: create, reset keys and policy, delete. */
import { limit, type PublicKey } from "../ground/mod.ts";
import { emptyRoot } from "../merkle/mod.ts";
import { type CommandBody, type Command, GENERATION_FIRST, type Policy, sameId } from "../wire/mod.ts";
import { type Batch, type MailboxDraft, rowOf, touch } from "./draft.ts";
import type { Outcome } from "./outcome.ts";
import type { ReaderRow } from "./port.ts";

type Create = Extract<CommandBody, { op: "create" }>;
type Reset = Extract<CommandBody, { op: "reset" }>;

const LIMIT: Outcome = { is: "refused", refusal: { code: "limit" } };

/** Whether a relay whose own maximum is `ttlMsMax` takes this policy. */
function isPolicyAllowed(policy: Policy, ttlMsMax: number): boolean {
  return (
    policy.entriesMax >= 1 &&
    policy.entriesMax <= limit.MAILBOX_ENTRIES_MAX &&
    policy.bytesMax >= limit.ENTRY_BYTES_MAX &&
    policy.bytesMax <= limit.MAILBOX_BYTES_MAX &&
    policy.ttlMs >= limit.ENTRY_TTL_MS_MIN &&
    policy.ttlMs <= ttlMsMax &&
    policy.retentionMs <= policy.ttlMs
  );
}

/** Makes a mailbox, or answers as the first time. The id is the record's hash, so it can't be another's. */
export function decideCreate(batch: Batch, command: Command, body: Create): Outcome {
  const { nowMs, ttlMsMax, digest } = batch.options;
  const { mailbox, generation } = command.authority;
  const there = batch.mailbox(mailbox);
  if (there !== null) {
    if (there.deleted) return { is: "refused", refusal: { code: "gone" } };
    return { is: "created", row: rowOf(there) };
  }
  if (!isPolicyAllowed(body.record.policy, ttlMsMax) || generation > limit.GENERATION_CREATED_MAX)
    return LIMIT;
  const box = batch.create({
    id: mailbox,
    generation,
    term: 1,
    owner: body.record.owner,
    writer: body.writer,
    policy: body.record.policy,
    size: 0,
    peaks: [],
    turn: 0,
    version: 1,
    floor: 0,
    entriesHeld: 0,
    bytesHeld: 0,
    createdMs: nowMs,
    deleted: false,
    readers: body.readers.map((key) => ({ key, cursor: 0, lapsed: false })),
    started: generation === GENERATION_FIRST ? null : { size: 0, root: emptyRoot(digest), timeMs: nowMs },
  });
  return { is: "created", row: rowOf(box) };
}

/** Sets owner, writer, readers and policy anew, if nobody else did since `version`, and starts a turn. */
export function decideReset(batch: Batch, box: MailboxDraft, body: Reset): Outcome {
  if (body.version !== box.version) {
    return { is: "refused", refusal: { code: "version", version: box.version } };
  }
  if (!isPolicyAllowed(body.policy, batch.options.ttlMsMax)) return LIMIT;
  touch(box);
  box.owner = body.owner;
  box.writer = body.writer;
  box.policy = body.policy;
  box.readers = readersAfter(box, body.readers);
  box.turn += 1;
  box.version += 1;
  batch.startTurn(box);
  return { is: "reset", row: rowOf(box) };
}

function readersAfter(box: MailboxDraft, keys: readonly PublicKey[]): ReaderRow[] {
  return keys.map(
    (key) =>
      box.readers.find((reader) => sameId(reader.key, key)) ?? { key, cursor: box.size, lapsed: false },
  );
}

/** Empties the mailbox for ever. Its row stays: the id is never used again. */
export function decideDelete(box: MailboxDraft): Outcome {
  touch(box);
  box.deleted = true;
  box.readers = [];
  box.peaks = [];
  box.floor = box.size;
  box.entriesHeld = 0;
  box.bytesHeld = 0;
  return { is: "deleted" };
}
