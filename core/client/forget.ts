/**
 * What needs no longer be kept, since everybody has it: entries of ours, to be sent again if a relay loses them, and
 * states before commits, which open what a thief of keys would like to read.
 *
 * The cursors that a relay tells are its word alone. What a member writes can't be made up: it is in the epoch that it
 * was written in, and carries the log as its sender had verified it.
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
import { type Description, type ReaderState, sameId } from "../wire/mod.ts";
import { conversationOf, type Device } from "./device.ts";
import { loadState } from "./group.ts";
import type { Intake } from "./intake.ts";

/** Entries of ours that are kept, the last ones, though the relay says that all have read them. */
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
  keeper.dropFormers(conversation.id, shownByAll(device, keeper, { at, group: intake.state.group }).followed);
}

/** Below which number every other member has shown by its own words that it has read, and followed commits. */
function shownByAll(
  device: Device,
  keeper: Keeper,
  { at, group }: { at: KeptConversation; group: Conversation["group"] },
): { members: readonly Member[]; read: number; followed: number } {
  const members = membersOf(device.mls, group);
  const others = members.filter(({ leaf }) => leaf !== group.privatePath.leafIndex);
  const seen = seenBy(keeper, at.id);
  const of = others.map(({ reader }) =>
    seen.find((one) => sameId(one.reader, reader) && one.generation === at.position.generation),
  );
  if (of.length === 0) return { members, read: 0, followed: 0 };
  return {
    members,
    read: Math.min(...of.map((one) => one?.read ?? 0)),
    followed: Math.min(...of.map((one) => one?.wrote ?? 0)),
  };
}

/**
 * The cursor that a relay says every member has passed; 0 where it leaves one out. Fewer than half of all readers
 * lapse, so where it says so of more, nothing of that counts.
 */
function toldByRelay(readers: readonly ReaderState[], members: readonly Member[]): number {
  if (members.some((member) => !readers.some(({ key }) => sameId(key, member.reader)))) return 0;
  const lapsed = readers.filter((reader) => reader.lapsed).length;
  const counted = lapsed * 2 < readers.length ? readers.filter((reader) => !reader.lapsed) : readers;
  return counted.length === 0 ? 0 : Math.min(...counted.map(({ cursor }) => cursor));
}

/** Forgets what all have, by what they have written and by the relay's word, which is believed of older entries only. */
export function forgetRead(
  device: Device,
  keeper: Keeper,
  at: { id: number; description: Description },
): void {
  const { id, description } = at;
  const conversation = conversationOf(keeper, id);
  const { group } = loadState(keeper, conversation);
  const { members, read, followed } = shownByAll(device, keeper, { at: conversation, group });
  const told = toldByRelay(description.readers, members);
  const numbers = keeper.sent(id).flatMap(({ sent }) => (sent === null ? [] : [sent.seq]));
  const older = numbers.sort((a, b) => a - b).at(-SENT_KEPT) ?? 0;
  keeper.dropSent(id, Math.max(read, Math.min(told, older)));
  keeper.dropFormers(id, Math.max(followed, told));
  const { turn } = conversation.position;
  const oldest = keeper.sent(id)[0]?.sealed?.turn ?? turn;
  keeper.dropWriterSeeds(id, { from: 0, below: Math.min(oldest, turn) });
}
