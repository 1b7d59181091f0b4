/**
 * A batch on its way to the worker and its outcomes on their way back. Nearly all of both are plain appends and
 * their acknowledgements: those go as two runs of memory that change hands, since cloning the dozen objects of each
 * costs the sockets' thread more than signing them does. Whatever else there is goes as structured clones.
 */
import { entryId, hash, mailboxId, publicKey, signature } from "../ground/mod.ts";
import type { Outcome } from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import { kindNumber, kindOf } from "./kind.ts";

/** `numbers` holds APPEND_NUMBERS for each packed append, `bytes` its fields and entry, one after the other. */
export interface PackedBatch {
  readonly count: number;
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** By their places in the batch. */
  readonly others: readonly (readonly [at: number, command: CheckedCommand])[];
}

/** By place: sequence number, time and expiry, and the leaf, of those that were packed; a sequence number of -1 for others. */
export interface PackedOutcomes {
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly leaves: Uint8Array<ArrayBuffer>;
  readonly others: readonly (readonly [at: number, outcome: Outcome])[];
}

/** Place in the batch, generation, notAfter, turn, kind, slot, authentic, length of the entry. */
const APPEND_NUMBERS = 8;
/** Mailbox, key, signature, id, hash of the entry. */
const APPEND_BYTES = 32 + 32 + 64 + 16 + 32;
const OUTCOME_NUMBERS = 3;
const LEAF_BYTES = 32;
const NO_STATEMENT = new Uint8Array(0);

type Append = CheckedCommand & { readonly body: Extract<CheckedCommand["body"], { op: "append" }> };

function isPlain(command: CheckedCommand): command is Append {
  return command.body.op === "append" && command.body.change === null && command.entryHash !== null;
}

/** Packs a batch; its bytes are copied. What the signatures were over stays behind: no decision looks at it. */
export function packBatch(batch: readonly CheckedCommand[]): PackedBatch {
  let appends = 0;
  let length = 0;
  for (const command of batch) {
    if (!isPlain(command)) continue;
    appends += 1;
    length += APPEND_BYTES + command.body.entry.length;
  }
  const numbers = new Float64Array(appends * APPEND_NUMBERS);
  const bytes = new Uint8Array(length);
  const others: [number, CheckedCommand][] = [];
  let number = 0;
  let byte = 0;
  const put = (value: Uint8Array): void => {
    bytes.set(value, byte);
    byte += value.length;
  };
  for (const [at, command] of batch.entries()) {
    if (!isPlain(command) || command.entryHash === null) {
      const { authority, body, authentic, entryHash } = command;
      others.push([at, { authority, body, authentic, entryHash, statement: NO_STATEMENT }]);
      continue;
    }
    const { authority, body, authentic, entryHash } = command;
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
  return { count: batch.length, numbers, bytes, others };
}

/** The memory of a message that changes hands with it. */
export function transfersOf(packed: PackedBatch | PackedOutcomes): ArrayBuffer[] {
  return "leaves" in packed
    ? [packed.numbers.buffer, packed.leaves.buffer]
    : [packed.numbers.buffer, packed.bytes.buffer];
}

/** The batch again; its bytes are views of `packed.bytes`. */
export function unpackBatch(packed: PackedBatch): CheckedCommand[] {
  const { numbers, bytes } = packed;
  const batch: CheckedCommand[] = Array.from({ length: packed.count });
  for (const [at, command] of packed.others) batch[at] = command;
  let byte = 0;
  const take = (length: number): Uint8Array => {
    byte += length;
    return bytes.subarray(byte - length, byte);
  };
  const number = (at: number): number => numbers[at] ?? 0;
  for (let from = 0; from < numbers.length; from += APPEND_NUMBERS) {
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
  return batch;
}

/** Packs the outcomes of `batch`: of a fresh entry only what its command doesn't say. */
export function packOutcomes(outcomes: readonly Outcome[], batch: readonly CheckedCommand[]): PackedOutcomes {
  const numbers = new Float64Array(outcomes.length * OUTCOME_NUMBERS);
  const leaves = new Uint8Array(outcomes.length * LEAF_BYTES);
  const others: [number, Outcome][] = [];
  for (const [at, outcome] of outcomes.entries()) {
    const command = batch[at];
    const from = at * OUTCOME_NUMBERS;
    if (command !== undefined && isPlain(command) && outcome.is === "appended" && outcome.fresh) {
      numbers[from] = outcome.entry.seq;
      numbers[from + 1] = outcome.entry.timeMs;
      numbers[from + 2] = outcome.entry.expiryMs;
      leaves.set(outcome.entry.leaf, at * LEAF_BYTES);
    } else {
      numbers[from] = -1;
      others.push([at, outcome]);
    }
  }
  return { numbers, leaves, others };
}

/** The outcomes again, for the batch that was packed. */
export function unpackOutcomes(packed: PackedOutcomes, batch: readonly CheckedCommand[]): Outcome[] {
  const { numbers, leaves } = packed;
  const outcomes: Outcome[] = Array.from({ length: batch.length });
  for (const [at, outcome] of packed.others) outcomes[at] = outcome;
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
