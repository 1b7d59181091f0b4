import { type MailboxId, mailboxId, publicKey } from "../ground/mod.ts";
import type { CreationRecord, Policy } from "../wire/mod.ts";
import { joined, type Part, Reader } from "./bytes.ts";

const VERSION = 1;
export const ADDRESSES_MAX = 8;

/** Where a mailbox lies: its creation record, the id that follows from it, and how to reach its relay. */
export interface MailboxPlace {
  readonly record: CreationRecord;
  readonly mailbox: MailboxId;
  /** Multiaddrs of the relay, the preferred one first. */
  readonly addresses: readonly string[];
}

/** What a Welcome tells about a pair's mailbox: its place, and the owner key that both sides share. */
export interface PairInfo {
  readonly place: MailboxPlace;
  /** Ed25519 seed, 32 bytes. */
  readonly ownerSeed: Uint8Array;
}

function policyParts(policy: Policy): Part[] {
  return [
    { u64: policy.entriesMax },
    { u64: policy.bytesMax },
    { u64: policy.ttlMs },
    { u64: policy.retentionMs },
  ];
}

/** Layout: docs/protocol/conversation.md, Place. */
export function encodePlace(place: MailboxPlace): Uint8Array {
  const { record } = place;
  return joined([
    { u8: VERSION },
    { raw: place.mailbox },
    { raw: record.owner },
    { raw: record.relay },
    ...policyParts(record.policy),
    { raw: record.nonce },
    { u8: place.addresses.length },
    ...place.addresses.map((text) => ({ text })),
  ]);
}

/** Reads a place; whether the id follows from the record is the caller's to check. Throws Fault<"conversation/malformed">. */
export function decodePlace(bytes: Uint8Array): MailboxPlace {
  const reader = new Reader(bytes, "mailbox place");
  const version = reader.u8();
  if (version !== VERSION) throw reader.fault(`version ${VERSION} expected, got ${version}`);
  const mailbox = mailboxId(reader.raw(32));
  const owner = publicKey(reader.raw(32));
  const relay = publicKey(reader.raw(32));
  const policy: Policy = {
    entriesMax: reader.u64(),
    bytesMax: reader.u64(),
    ttlMs: reader.u64(),
    retentionMs: reader.u64(),
  };
  const record: CreationRecord = { owner, relay, policy, nonce: reader.raw(16) };
  const count = reader.u8();
  if (count > ADDRESSES_MAX) throw reader.fault(`at most ${ADDRESSES_MAX} addresses expected, got ${count}`);
  const addresses = Array.from({ length: count }, () => reader.text());
  reader.end();
  return { record, mailbox, addresses };
}

export function encodePairInfo(info: PairInfo): Uint8Array {
  return joined([{ sized: encodePlace(info.place) }, { raw: info.ownerSeed }]);
}

/** Throws Fault<"conversation/malformed">. */
export function decodePairInfo(bytes: Uint8Array): PairInfo {
  const reader = new Reader(bytes, "pair's mailbox info");
  const place = decodePlace(reader.sized());
  const ownerSeed = reader.raw(32);
  reader.end();
  return { place, ownerSeed };
}
