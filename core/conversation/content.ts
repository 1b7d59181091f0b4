import { entryId, type EntryId, hash, type Hash } from "../ground/mod.ts";
import { joined, Reader } from "./bytes.ts";

const VERSION = 1;
const KIND_TEXT = 1;
const HEAD_ABSENT = 0;
const HEAD_PRESENT = 1;
/** The last moment that ECMAScript's dates know: what can't be shown as a time is none. */
export const CONTENT_TIME_MS_MAX = 8_640_000_000_000_000;

/** The log of a mailbox as a member last verified it; carried in messages, so that a split view shows. */
export interface SeenHead {
  readonly generation: number;
  readonly size: number;
  readonly root: Hash;
}

/** What a member says. */
export interface Content {
  /** The entry's id too: a member can't pass off another's entry as this one. */
  readonly id: EntryId;
  /** Unix ms by the sender's clock, at most `CONTENT_TIME_MS_MAX`. */
  readonly timeMs: number;
  readonly head: SeenHead | null;
  readonly text: string;
}

/** Layout: docs/protocol/conversation.md, Content. */
export function encodeContent(content: Content): Uint8Array {
  const { head } = content;
  return joined([
    { u8: VERSION },
    { u8: KIND_TEXT },
    { raw: content.id },
    { u64: content.timeMs },
    ...(head === null
      ? [{ u8: HEAD_ABSENT }]
      : [{ u8: HEAD_PRESENT }, { u32: head.generation }, { u64: head.size }, { raw: head.root }]),
    { raw: new TextEncoder().encode(content.text) },
  ]);
}

/** Throws Fault<"conversation/malformed"> on what it can't read, newer versions included. */
export function decodeContent(bytes: Uint8Array): Content {
  const reader = new Reader(bytes, "message content");
  const version = reader.u8();
  if (version !== VERSION) throw reader.fault(`version ${VERSION} expected, got ${version}`);
  const kind = reader.u8();
  if (kind !== KIND_TEXT) throw reader.fault(`kind ${KIND_TEXT} expected, got ${kind}`);
  const id = entryId(reader.raw(16));
  const timeMs = reader.u64();
  if (timeMs > CONTENT_TIME_MS_MAX)
    throw reader.fault(`a time of at most ${CONTENT_TIME_MS_MAX} ms expected, got ${timeMs}`);
  const flag = reader.u8();
  if (flag !== HEAD_ABSENT && flag !== HEAD_PRESENT)
    throw reader.fault(`head flag 0 or 1 expected, got ${flag}`);
  const head =
    flag === HEAD_PRESENT
      ? { generation: reader.u32(), size: reader.u64(), root: hash(reader.raw(32)) }
      : null;
  return { id, timeMs, head, text: reader.restText() };
}
