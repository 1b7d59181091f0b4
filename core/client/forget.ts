/**
 * What needs no longer be kept, since everybody has it: entries of ours, to be sent again if a relay loses them, and
 * states before commits, which open what a thief of keys would like to read.
 *
 * The cursors that a relay tells are its word alone, and nothing goes by them. What a member writes can't be made up: it
 * is in the epoch that it was written in, and carries the log as its sender had verified it. Nor can its receipts.
 */
import {
  type Conversation,
  joined,
  type Keeper,
  type KeptConversation,
  type Member,
  membersOf,
  Reader,
} from "../conversation/mod.ts";
import { type PublicKey, publicKey } from "../ground/mod.ts";
import { type Description, sameId } from "../wire/mod.ts";
import { conversationOf, type Device } from "./device.ts";
import { loadState } from "./group.ts";
import type { Intake } from "./intake.ts";
import type { Line } from "./line.ts";
import { reachOf, signedByReaders } from "./receipts.ts";

/**
 * Entries of ours that are kept, the last ones, though all have signed that they have read so far: a receipt is of the
 * log that its reader was shown, and what it writes shows which one that was.
 */
const SENT_KEPT = 64;
const VERSION = 1;

/** What one member's own words have shown, in the mailbox's generation that ran. */
interface Seen {
  readonly reader: PublicKey;
  readonly generation: number;
  /** It has verified and kept all entries below. */
  readonly read: number;
  /** It wrote this entry in the epoch that we were in there, so it has followed all commits before it. */
  readonly wrote: number;
}

function nameOf(id: number): string {
  return `seen ${id}`;
}

function seenBy(keeper: Keeper, id: number): Seen[] {
  const bytes = keeper.value(nameOf(id));
  if (bytes === null) return [];
  const reader = new Reader(bytes, "record of what members have read");
  const version = reader.u8();
  if (version !== VERSION) throw reader.fault(`version ${VERSION} expected, got ${version}`);
  const all: Seen[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    const key = publicKey(reader.raw(32));
    all.push({ reader: key, generation: reader.u32(), read: reader.u64(), wrote: reader.u64() });
  }
  reader.end();
  return all;
}

function putSeen(keeper: Keeper, id: number, all: readonly Seen[]): void {
  const parts = all.flatMap(({ reader, generation, read, wrote }) => [
    { raw: reader },
    { u32: generation },
    { u64: read },
    { u64: wrote },
  ]);
  keeper.putValue(nameOf(id), joined([{ u8: VERSION }, { u16: all.length }, ...parts]));
}

/**
 * Notes what a message of the epoch that runs shows of its sender, `seq` being its number and `read` what it had
 * verified, and forgets states before commits that every other member is seen to have followed.
 */
export function noteSeen(intake: Intake, sender: Member, shown: { seq: number; read: number }): void {
  const { device, keeper, conversation, position } = intake;
  const { generation } = position;
  const all = seenBy(keeper, conversation.id);
  const before = all.find((one) => sameId(one.reader, sender.reader) && one.generation === generation);
  const now: Seen = {
    reader: sender.reader,
    generation,
    read: Math.max(before?.read ?? 0, shown.read),
    wrote: Math.max(before?.wrote ?? 0, shown.seq),
  };
  putSeen(keeper, conversation.id, [...all.filter((one) => !sameId(one.reader, sender.reader)), now]);
  const at = { ...conversation, position };
  const { followed } = readByAll(device, keeper, { at, group: intake.state.group, cursors: NO_CURSORS });
  keeper.dropFormers(conversation.id, followed);
}

/** Below which numbers each of the other members has read, by more than what it has written: by its reader key. */
type Cursors = ReadonlyMap<string, number>;

const NO_CURSORS: Cursors = new Map();

interface Mailbox {
  readonly at: KeptConversation;
  readonly group: Conversation["group"];
}

function othersIn(device: Device, group: Conversation["group"]): readonly Member[] {
  return membersOf(device.mls, group).filter(({ leaf }) => leaf !== group.privatePath.leafIndex);
}

/**
 * Below which number every other member has read, and followed commits: by what it has shown in its own words, and by
 * `cursors` where those are further.
 */
function readByAll(
  device: Device,
  keeper: Keeper,
  { at, group, cursors }: Mailbox & { cursors: Cursors },
): { read: number; followed: number } {
  const seen = seenBy(keeper, at.id);
  const all = othersIn(device, group).map(({ reader }) => {
    const words = seen.find((one) => sameId(one.reader, reader) && one.generation === at.position.generation);
    const cursor = cursors.get(reader.toHex()) ?? 0;
    return { read: Math.max(words?.read ?? 0, cursor), followed: Math.max(words?.wrote ?? 0, cursor) };
  });
  if (all.length === 0) return { read: 0, followed: 0 };
  return {
    read: Math.min(...all.map(({ read }) => read)),
    followed: Math.min(...all.map(({ followed }) => followed)),
  };
}

/** Up to where what was sent goes, and states before commits, if the other members have read below `cursors`. */
function goes(
  device: Device,
  keeper: Keeper,
  mailbox: Mailbox & { cursors: Cursors },
): { sent: number; formers: number } {
  const { read, followed } = readByAll(device, keeper, mailbox);
  const shown = readByAll(device, keeper, { ...mailbox, cursors: NO_CURSORS });
  const numbers = keeper.sent(mailbox.at.id).flatMap(({ sent }) => (sent === null ? [] : [sent.seq]));
  const older = numbers.sort((a, b) => a - b).at(-SENT_KEPT) ?? 0;
  const sent = Math.max(shown.read, Math.min(read, older));
  // What this device hasn't read itself is still to be compared with what the relay promised.
  return { sent: Math.min(sent, mailbox.at.position.size), formers: followed };
}

/** Forgets what all have, by what they have written and by `cursors`. */
function forgetBelow(device: Device, keeper: Keeper, id: number, cursors: Cursors): Mailbox {
  const at = conversationOf(keeper, id);
  const { group } = loadState(keeper, at);
  const { sent, formers } = goes(device, keeper, { at, group, cursors });
  keeper.dropSent(id, sent);
  keeper.dropFormers(id, formers);
  const { turn } = at.position;
  const oldest = keeper.sent(id)[0]?.sealed?.turn ?? turn;
  keeper.dropWriterSeeds(id, { from: 0, below: Math.min(oldest, turn) });
  return { at, group };
}

/**
 * Forgets what all have, by what they have written and by their receipts. Those are asked for only where something goes
 * by them if the cursors that the relay tells are true: of older entries, and states before commits.
 */
export async function forgetRead(line: Line, { head, readers }: Description): Promise<void> {
  const { device, id } = line;
  const told: Cursors = new Map(readers.map(({ key, cursor }) => [key.toHex(), cursor]));
  const asked = await device.store.transact((keeper) => {
    const { at, group } = forgetBelow(device, keeper, id, NO_CURSORS);
    if (at.position.generation !== head.generation) return [];
    const { sent, formers } = goes(device, keeper, { at, group, cursors: told });
    const isMore =
      keeper.sent(id).some((own) => own.sent !== null && own.sent.seq < sent) ||
      keeper.hasFormers(id, formers);
    return isMore ? othersIn(device, group).map(({ reader }) => reader) : [];
  });
  if (asked.length === 0) return;
  const receipts = await signedByReaders(line, asked);
  if (receipts.length === 0) return;
  await device.store.transact((keeper) => {
    const at = conversationOf(keeper, id);
    const cursors = new Map(receipts.map((one) => [one.reader.toHex(), reachOf(keeper, at, one)]));
    forgetBelow(device, keeper, id, cursors);
  });
}
