/** Numbers and tags of the protocol; docs/protocol/mailbox.md says the same and a test holds them equal. */
import { Fault } from "../ground/mod.ts";
import type { EntryKind, Op, StreamControl } from "./command.ts";
import type { Refusal, Reply } from "./reply.ts";

export const PROTOCOL_VERSION = 1;
export const PROTOCOL_VERSIONS = [PROTOCOL_VERSION] as const;
const PROTOCOL_PREFIX = "/dchat/mailbox/";
/** The libp2p protocol id, as multistream-select agrees on it. */
export const PROTOCOL_ID = `${PROTOCOL_PREFIX}${PROTOCOL_VERSION}`;

/** A mailbox starts with this generation, but where an owner makes it again after a loss. */
export const GENERATION_FIRST = 1;

/** Which version of the mailbox protocol `protocol` asks for, or null where it's another protocol. */
export function parseProtocolVersion(protocol: string): number | null {
  if (!protocol.startsWith(PROTOCOL_PREFIX)) return null;
  const digits = protocol.slice(PROTOCOL_PREFIX.length);
  return /^[1-9][0-9]{0,4}$/.test(digits) ? Number(digits) : null;
}

/** Frame kinds of commands; the signed statement names the command by the same number. */
export const COMMAND_KIND = {
  create: 0x01,
  describe: 0x02,
  append: 0x03,
  read: 0x04,
  subscribe: 0x05,
  acknowledge: 0x06,
  take: 0x07,
  reset: 0x08,
  delete: 0x09,
  proveInclusion: 0x0a,
  proveConsistency: 0x0b,
  receipts: 0x0c,
} as const satisfies Record<Op, number>;

/** Frame kinds of what clients send unsigned. */
export const CONTROL_KIND = {
  credit: 0x40,
  unsubscribe: 0x41,
} as const satisfies Record<StreamControl["op"], number>;

/** Frame kinds of what relays send. */
export const REPLY_KIND = {
  hello: 0x80,
  refused: 0x81,
  created: 0x82,
  described: 0x83,
  appended: 0x84,
  entry: 0x85,
  done: 0x86,
  live: 0x87,
  ended: 0x88,
  acknowledged: 0x89,
  reset: 0x8a,
  deleted: 0x8b,
  proof: 0x8c,
  goaway: 0x8d,
  receipts: 0x8e,
} as const satisfies Record<Reply["is"], number>;

export const ENTRY_KIND = {
  plain: 0,
  control: 1,
  package: 2,
  lastResort: 3,
} as const satisfies Record<EntryKind, number>;

export const REFUSAL_CODE = {
  denied: 1,
  malformed: 2,
  turn: 3,
  version: 4,
  full: 5,
  expired: 6,
  generation: 7,
  lapsed: 8,
  range: 9,
  reused: 10,
  gone: 11,
  empty: 12,
  busy: 13,
  unavailable: 14,
  limit: 15,
  draining: 16,
  unsupported: 17,
} as const satisfies Record<Refusal["code"], number>;

export const TAG_BYTES = 16;

function tag(text: string): Uint8Array {
  const bytes = new Uint8Array(TAG_BYTES);
  bytes.set(new TextEncoder().encode(text));
  return bytes;
}

/** Domain separation: whatever is signed or hashed starts with one of these, zero-padded, and no two are alike. */
export const TAG = {
  command: tag("dchat/mailbox/1"),
  creation: tag("dchat/creation/1"),
  leaf: tag("dchat/leaf/1"),
  promise: tag("dchat/promise/1"),
  batch: tag("dchat/batch/1"),
  head: tag("dchat/head/1"),
  start: tag("dchat/start/1"),
  node: tag("dchat/node/1"),
} as const;

/** Bytes that aren't what the protocol says. The peer is at fault: refuse the frame or reset the stream. */
export function malformed(what: string): Fault<"wire/malformed"> {
  return new Fault("wire/malformed", `Cannot decode a frame of ${PROTOCOL_ID}: ${what}`);
}

/** The key of `table` whose number is `value`; throws Fault<"wire/malformed"> where there is none. */
export function inverse<Name extends string>(table: Record<Name, number>): (value: number) => Name {
  const names = new Map<number, Name>();
  for (const name in table) names.set(table[name], name);
  return (value) => {
    const name = names.get(value);
    if (name === undefined) throw malformed(`no such number: ${value}`);
    return name;
  };
}
