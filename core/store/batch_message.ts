/**
 * A batch on its way to the worker and its outcomes on their way back. Nearly all of both are plain appends and
 * their acknowledgements: those are written into a lane, memory that both threads see, since cloning the dozen
 * objects of each costs the sockets' thread more than signing them does. Whatever else there is goes as structured
 * clones.
 */
import { entryId, hash, mailboxId, publicKey, signature } from "../ground/mod.ts";
import type { BatchOptions, Outcome } from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import { kindNumber, kindOf } from "./kind.ts";
import type { Lane, LaneMemory } from "./lane.ts";

/** What doesn't go by the lane, by its place in the batch. */
export type Others<T> = readonly (readonly [at: number, value: T])[];

/** Commands in all, of them appends in the lane, the batch's time and its longest time to live. */
const HEAD_NUMBERS = 4;
/** Place in the batch, generation, notAfter, turn, kind, slot, authentic, length of the entry. */
const APPEND_NUMBERS = 8;
/** Mailbox, key, signature, id, hash of the entry; the entry follows. */
const APPEND_BYTES = 32 + 32 + 64 + 16 + 32;
/** Of each command: sequence number, time and expiry; a sequence number of -1 where the outcome isn't in the lane. */
const OUTCOME_NUMBERS = 3;
const LEAF_BYTES = 32;
const NUMBER_BYTES = Float64Array.BYTES_PER_ELEMENT;
const NO_STATEMENT = new Uint8Array(0);

type Append = CheckedCommand & { readonly body: Extract<CheckedCommand["body"], { op: "append" }> };

function isPlain(command: CheckedCommand): command is Append {
  return command.body.op === "append" && command.body.change === null && command.entryHash !== null;
}

/** Where the bytes of `appends` begin, after their numbers. */
function appendsFrom(appends: number): number {
  return (HEAD_NUMBERS + appends * APPEND_NUMBERS) * NUMBER_BYTES;
}

/** Where the leaves of `commands` begin, after their numbers. */
function leavesFrom(commands: number): number {
  return commands * OUTCOME_NUMBERS * NUMBER_BYTES;
}

function roomFor(batch: readonly CheckedCommand[]): { readonly appends: number; readonly bytes: number } {
  let appends = 0;
  let entries = 0;
  for (const command of batch) {
    if (!isPlain(command)) continue;
    appends += 1;
    entries += APPEND_BYTES + command.body.entry.length;
  }
  const there = appendsFrom(appends) + entries;
  const back = leavesFrom(batch.length) + batch.length * LEAF_BYTES;
  return { appends, bytes: Math.max(there, back) };
}

/**
 * Writes a batch into `lane` and returns what doesn't go by it; bytes are copied. What the signatures were over
 * stays behind: no decision looks at it.
 */
export function packBatch(
  lane: Lane,
  batch: readonly CheckedCommand[],
  options: BatchOptions,
): Others<CheckedCommand> {
  const room = roomFor(batch);
  const { numbers, bytes } = lane.of(room.bytes);
  numbers.set([batch.length, room.appends, options.nowMs, options.ttlMsMax]);
  const others: [number, CheckedCommand][] = [];
  let number = HEAD_NUMBERS;
  let byte = appendsFrom(room.appends);
  const put = (value: Uint8Array): void => {
    bytes.set(value, byte);
    byte += value.length;
  };
  for (const [at, command] of batch.entries()) {
    const { authority, body, authentic, entryHash } = command;
    if (!isPlain(command) || body.op !== "append" || entryHash === null) {
      others.push([at, { authority, body, authentic, entryHash, statement: NO_STATEMENT }]);
      continue;
    }
    numbers[number++] = at;
    numbers[number++] = authority.generation;
    numbers[number++] = authority.notAfterMs;
    numbers[number++] = body.turn;
    numbers[number++] = kindNumber(body.kind);
    numbers[number++] = body.slot;
    numbers[number++] = Number(authentic);
    numbers[number++] = body.entry.length;
    put(authority.mailbox);
    put(authority.key);
    put(authority.signature);
    put(body.id);
    put(entryHash);
    put(body.entry);
  }
  return others;
}

/** The batch again, and the options that came with it; its bytes are the caller's own. */
export function unpackBatch(
  { numbers, bytes }: LaneMemory,
  others: Others<CheckedCommand>,
): { readonly batch: CheckedCommand[]; readonly options: BatchOptions } {
  const number = (at: number): number => numbers[at] ?? 0;
  const batch: CheckedCommand[] = Array.from({ length: number(0) });
  const options = { nowMs: number(2), ttlMsMax: number(3) };
  for (const [at, command] of others) batch[at] = command;
  const appends = number(1);
  const last = HEAD_NUMBERS + appends * APPEND_NUMBERS;
  let length = appends * APPEND_BYTES;
  for (let from = HEAD_NUMBERS; from < last; from += APPEND_NUMBERS) length += number(from + 7);
  const own = bytes.slice(appendsFrom(appends), appendsFrom(appends) + length);
  let byte = 0;
  const take = (count: number): Uint8Array => {
    byte += count;
    return own.subarray(byte - count, byte);
  };
  for (let from = HEAD_NUMBERS; from < last; from += APPEND_NUMBERS) {
    const mailbox = mailboxId(take(32));
    const key = publicKey(take(32));
    const signed = signature(take(64));
    const id = entryId(take(16));
    const entryHash = hash(take(32));
    batch[number(from)] = {
      authority: {
        mailbox,
        generation: number(from + 1),
        notAfterMs: number(from + 2),
        key,
        signature: signed,
      },
      body: {
        op: "append",
        id,
        turn: number(from + 3),
        kind: kindOf(number(from + 4)) ?? "plain",
        slot: number(from + 5),
        change: null,
        entry: take(number(from + 7)),
      },
      statement: NO_STATEMENT,
      authentic: number(from + 6) === 1,
      entryHash,
    };
  }
  return { batch, options };
}

/**
 * Writes the outcomes of `batch` over it, of a fresh entry only what its command doesn't say, and returns what
 * doesn't go by the lane.
 */
export function packOutcomes(
  { numbers, bytes }: LaneMemory,
  outcomes: readonly Outcome[],
  batch: readonly CheckedCommand[],
): Others<Outcome> {
  const others: [number, Outcome][] = [];
  const leaves = leavesFrom(batch.length);
  for (const [at, outcome] of outcomes.entries()) {
    const command = batch[at];
    const from = at * OUTCOME_NUMBERS;
    if (command !== undefined && isPlain(command) && outcome.is === "appended" && outcome.fresh) {
      numbers[from] = outcome.entry.seq;
      numbers[from + 1] = outcome.entry.timeMs;
      numbers[from + 2] = outcome.entry.expiryMs;
      bytes.set(outcome.entry.leaf, leaves + at * LEAF_BYTES);
    } else {
      numbers[from] = -1;
      others.push([at, outcome]);
    }
  }
  return others;
}

/** The outcomes again, for the batch that was packed; their bytes are the caller's own. */
export function unpackOutcomes(
  { numbers, bytes }: LaneMemory,
  batch: readonly CheckedCommand[],
  others: Others<Outcome>,
): Outcome[] {
  const outcomes: Outcome[] = Array.from({ length: batch.length });
  const from = leavesFrom(batch.length);
  const leaves = bytes.slice(from, from + batch.length * LEAF_BYTES);
  for (const [at, outcome] of others) outcomes[at] = outcome;
  for (const [at, command] of batch.entries()) {
    const seq = numbers[at * OUTCOME_NUMBERS] ?? -1;
    if (seq < 0 || !isPlain(command) || command.entryHash === null) continue;
    const { authority, body, entryHash } = command;
    outcomes[at] = {
      is: "appended",
      mailbox: authority.mailbox,
      entry: {
        seq,
        id: body.id,
        generation: authority.generation,
        turn: body.turn,
        kind: body.kind,
        slot: body.slot,
        timeMs: numbers[at * OUTCOME_NUMBERS + 1] ?? 0,
        expiryMs: numbers[at * OUTCOME_NUMBERS + 2] ?? 0,
        entryHash,
        leaf: hash(leaves.subarray(at * LEAF_BYTES, (at + 1) * LEAF_BYTES)),
        takenBy: null,
      },
      fresh: true,
    };
  }
  return outcomes;
}
