/**
 * What a command that may read gets to see: descriptions, entries, packages, proofs. Everything comes from
 * committed rows, at the size that the mailbox had in the command's place in its batch.
 */
import { limit } from "../../ground/mod.ts";
import type { MailboxRow, MailboxStore } from "../../mailbox/mod.ts";
import { makeProof, planConsistency, planInclusion, type ProofPlan, type Digest } from "../../merkle/mod.ts";
import type { Command, CommandBody, Reply } from "../../wire/mod.ts";
import type { MailboxStream } from "./stream.ts";
import type { Voice } from "./voice.ts";

export interface QueryContext {
  readonly store: MailboxStore;
  readonly voice: Voice;
  readonly digest: Digest;
}

/** A question that its batch allowed. */
export interface Question {
  readonly stream: Pick<MailboxStream, "reply" | "entry" | "refuse">;
  readonly request: number;
  readonly command: Command;
  readonly row: MailboxRow;
}

/** Answers on the stream; what the store throws travels up. */
export async function answer(question: Question, context: QueryContext): Promise<void> {
  const { stream, request, command, row } = question;
  const { body } = command;
  switch (body.op) {
    case "describe":
      return stream.reply(request, describe(row, context.voice));
    case "read":
      return read(question, body, context);
    case "receipts":
      return receipts(question, body, context);
    case "proveInclusion":
      if (body.seq >= body.size || body.size > row.size) return outOfRange(question);
      return prove(question, planInclusion(body.seq, body.size), context);
    case "proveConsistency":
      if (body.from > body.to || body.to > row.size) return outOfRange(question);
      return prove(question, planConsistency(body.from, body.to), context);
    default:
      throw new TypeError(`${body.op} asks no question`);
  }
}

function outOfRange({ stream, request, row }: Question): void {
  stream.refuse(request, { code: "range", size: row.size });
}

function describe(row: MailboxRow, voice: Voice): Reply {
  const { turn, version, policy, floor, entriesHeld, bytesHeld, readers, peaks } = row;
  const head = voice.head(row);
  const started = voice.started(row);
  return {
    is: "described",
    head,
    turn,
    version,
    policy,
    floor,
    entriesHeld,
    bytesHeld,
    readers,
    started,
    peaks,
  };
}

async function read(
  { stream, request, row }: Question,
  body: Extract<CommandBody, { op: "read" }>,
  { store, voice }: QueryContext,
): Promise<void> {
  const entries = await store.read(row.id, {
    from: body.from,
    bytesMax: Math.min(body.bytesMax, limit.READ_BYTES_MAX),
    entriesMax: limit.DELIVERY_TURN_ENTRIES_MAX,
  });
  let next = body.from;
  for (const entry of entries) {
    // What was committed after this command's batch is for the next read: the head below covers row.size.
    if (entry.seq >= row.size) break;
    stream.entry(request, entry);
    next = entry.seq + 1;
  }
  stream.reply(request, { is: "done", next, head: voice.head(row) });
}

/** A page of the readers that the mailbox has, those that have acknowledged nothing left out. */
async function receipts(
  { stream, request, row }: Question,
  body: Extract<CommandBody, { op: "receipts" }>,
  { store }: QueryContext,
): Promise<void> {
  const first = body.from.toHex();
  const readers = row.readers
    .map(({ key }) => ({ key, hex: key.toHex() }))
    .filter(({ hex }) => hex >= first)
    .sort((a, b) => (a.hex < b.hex ? -1 : 1));
  const page = readers.slice(0, limit.RECEIPTS_MAX).map(({ key }) => key);
  const found = await store.receipts(row.id, page);
  const byReader = new Map(found.map((receipt) => [receipt.reader.toHex(), receipt]));
  stream.reply(request, {
    is: "receipts",
    receipts: page.flatMap((key) => byReader.get(key.toHex()) ?? []),
    next: readers[limit.RECEIPTS_MAX]?.key ?? null,
  });
}

/** Packages read at once: as much as a READ gives, if they are of the largest size. */
const PACKAGES_AT_ONCE = limit.READ_BYTES_MAX / limit.ENTRY_BYTES_MAX;

/**
 * Hands out the packages that a TAKE got, in the order in which they lie in the log: a piece with each call, which
 * resolves to true while there is more. Nothing is read for a stream before it has room for it.
 */
export function handingOut(
  question: Question & { readonly seqs: readonly number[] },
  { store, voice }: QueryContext,
): () => Promise<boolean> {
  const { stream, request, row, seqs } = question;
  let at = 0;
  return async () => {
    const found = await Promise.all(
      seqs
        .slice(at, at + PACKAGES_AT_ONCE)
        .map((seq) => store.read(row.id, { from: seq, bytesMax: 1, entriesMax: 1 })),
    );
    for (const entry of found.flat()) stream.entry(request, entry);
    at += PACKAGES_AT_ONCE;
    if (at < seqs.length) return true;
    stream.reply(request, { is: "done", next: row.size, head: voice.head(row) });
    return false;
  };
}

async function prove(
  { stream, request, row }: Question,
  plan: ProofPlan,
  { store, voice, digest }: QueryContext,
): Promise<void> {
  const hashes = plan.wanted.length === 0 ? [] : await store.nodes(row.id, plan.wanted);
  stream.reply(request, { is: "proof", head: voice.head(row), path: makeProof(digest, plan, hashes) });
}
