/** Records of a device as bytes, to be sealed. Every encoding begins with a version. */
import {
  decodePlace,
  encodeInvite,
  encodePlace,
  type Founding,
  joined,
  type KeptAccept,
  type KeptConversation,
  type KeptEvidence,
  type KeptInvite,
  type KeptMessage,
  parseInvite,
  type Part,
  Reader,
} from "../../conversation/mod.ts";
import type { Crypto } from "@dchat/crypto-wasm";
import { entryId, hash, type PublicKey, publicKey } from "../../ground/mod.ts";
import {
  decodeCertificate,
  decodeHead,
  decodePromise,
  encodeCertificate,
  encodeHead,
  encodePromise,
  type SignedHead,
  type SignedPromise,
  type TurnChange,
} from "../../wire/mod.ts";

const VERSION = 1;
/** Whether a conversation is being founded, and how far that is; NONE and BEGUN have nothing more to say. */
const FOUNDING = { NONE: 0, BEGUN: 1, MADE: 2, LAID: 3 } as const;
const STAGES = ["making", "open", "closing", "used"] as const;

function open(bytes: Uint8Array, what: string): Reader {
  const reader = new Reader(bytes, what);
  const version = reader.u8();
  if (version !== VERSION) throw reader.fault(`version ${VERSION} expected, got ${version}`);
  return reader;
}

/** What of a conversation is sealed; its position stands beside it. */
export type ConversationRecord = Omit<KeptConversation, "id" | "position">;

export function encodeConversation(crypto: Crypto, record: ConversationRecord): Uint8Array {
  return joined([
    { u8: VERSION },
    { text: record.name },
    { raw: record.peer },
    { u64: record.createdMs },
    { sized: encodePlace(record.place) },
    { raw: record.ownerSeed },
    { raw: record.readerSeed },
    ...foundingParts(crypto, record.founding),
    { u16: record.alarms.length },
    ...record.alarms.map((text) => ({ text })),
  ]);
}

export function decodeConversation(crypto: Crypto, bytes: Uint8Array): ConversationRecord {
  const reader = open(bytes, "conversation record");
  const record = {
    name: reader.text(),
    peer: publicKey(reader.raw(32)),
    createdMs: reader.u64(),
    place: decodePlace(reader.sized()),
    ownerSeed: reader.raw(32),
    readerSeed: reader.raw(32),
    founding: decodeFounding(crypto, reader),
    alarms: Array.from({ length: reader.u16() }, () => reader.text()),
  };
  reader.end();
  return record;
}

function foundingParts(crypto: Crypto, founding: Founding | null): Part[] {
  if (founding === null) return [{ u8: FOUNDING.NONE }];
  const { made, laid } = founding;
  const begun = made ? FOUNDING.MADE : FOUNDING.BEGUN;
  return [
    ...(laid === null ? [{ u8: begun }] : [{ u8: FOUNDING.LAID }, { u32: laid }]),
    { text: encodeInvite(crypto, founding.invite) },
    { raw: founding.welcomeId },
    { sized: founding.welcomeEntry },
  ];
}

function decodeFounding(crypto: Crypto, reader: Reader): Founding | null {
  const state = reader.u8();
  if (state === FOUNDING.NONE) return null;
  if (state > FOUNDING.LAID) throw reader.fault(`it has an unknown state of founding, ${state}`);
  return {
    made: state !== FOUNDING.BEGUN,
    laid: state === FOUNDING.LAID ? reader.u32() : null,
    invite: parseInvite(crypto, reader.text()),
    welcomeId: entryId(reader.raw(16)),
    welcomeEntry: reader.sized(),
  };
}

function nameParts(name: string | null): Part[] {
  return name === null ? [{ u8: 0 }] : [{ u8: 1 }, { text: name }];
}

export function encodeKeptInvite(crypto: Crypto, kept: Omit<KeptInvite, "id">): Uint8Array {
  return joined([
    { u8: VERSION },
    ...nameParts(kept.name),
    { text: encodeInvite(crypto, kept.invite) },
    { sized: encodePlace(kept.place) },
    { raw: kept.ownerSeed },
    { raw: kept.readerSeed },
    { sized: kept.ownPackage },
    { raw: kept.pairReaderSeed },
    { raw: kept.packageId },
    { sized: kept.packageEntry },
    { u8: STAGES.indexOf(kept.stage) },
  ]);
}

export function decodeKeptInvite(crypto: Crypto, bytes: Uint8Array): Omit<KeptInvite, "id"> {
  const reader = open(bytes, "invitation record");
  const kept = {
    name: reader.u8() === 0 ? null : reader.text(),
    invite: parseInvite(crypto, reader.text()),
    place: decodePlace(reader.sized()),
    ownerSeed: reader.raw(32),
    readerSeed: reader.raw(32),
    ownPackage: reader.sized(),
    pairReaderSeed: reader.raw(32),
    packageId: entryId(reader.raw(16)),
    packageEntry: reader.sized(),
  };
  const stage = STAGES[reader.u8()];
  if (stage === undefined) throw reader.fault("it has an unknown stage");
  reader.end();
  return { ...kept, stage };
}

export function encodeAccept(kept: KeptAccept): Uint8Array {
  return joined([{ u8: VERSION }, { raw: kept.take }, ...nameParts(kept.name)]);
}

export function decodeAccept(bytes: Uint8Array): Omit<KeptAccept, "inbox"> {
  const reader = open(bytes, "acceptance record");
  const kept = { take: entryId(reader.raw(16)), name: reader.u8() === 0 ? null : reader.text() };
  reader.end();
  return kept;
}

/** What of a message is sealed. */
export type MessageRecord = Pick<KeptMessage, "timeMs" | "text" | "head">;

export function encodeMessage({ timeMs, text, head }: MessageRecord): Uint8Array {
  const headParts: Part[] =
    head === null
      ? [{ u8: 0 }]
      : [{ u8: 1 }, { u32: head.generation }, { u64: head.size }, { raw: head.root }];
  return joined([{ u8: VERSION }, { u64: timeMs }, ...headParts, { text }]);
}

export function decodeMessage(bytes: Uint8Array): MessageRecord {
  const reader = open(bytes, "message record");
  const timeMs = reader.u64();
  const head =
    reader.u8() === 0 ? null : { generation: reader.u32(), size: reader.u64(), root: hash(reader.raw(32)) };
  const text = reader.text();
  reader.end();
  return { timeMs, head, text };
}

function keyParts(keys: readonly PublicKey[]): Part[] {
  return [{ u16: keys.length }, ...keys.map((raw) => ({ raw }))];
}

export function encodeChange(change: TurnChange): Uint8Array {
  return joined([
    { u8: VERSION },
    { raw: change.writer },
    ...keyParts(change.added),
    ...keyParts(change.removed),
  ]);
}

export function decodeChange(bytes: Uint8Array): TurnChange {
  const reader = open(bytes, "turn change record");
  const keys = () => Array.from({ length: reader.u16() }, () => publicKey(reader.raw(32)));
  const change = { writer: publicKey(reader.raw(32)), added: keys(), removed: keys() };
  reader.end();
  return change;
}

export function encodeSignedHead({ certificate, head }: SignedHead): Uint8Array {
  return joined([{ u8: VERSION }, { sized: encodeCertificate(certificate) }, { sized: encodeHead(head) }]);
}

export function decodeSignedHead(bytes: Uint8Array): SignedHead {
  const reader = open(bytes, "head record");
  const signed = { certificate: decodeCertificate(reader.sized()), head: decodeHead(reader.sized()) };
  reader.end();
  return signed;
}

export function encodeSignedPromise({ certificate, promise }: SignedPromise): Uint8Array {
  return joined([
    { u8: VERSION },
    { sized: encodeCertificate(certificate) },
    { sized: encodePromise(promise) },
  ]);
}

export function decodeSignedPromise(bytes: Uint8Array): SignedPromise {
  const reader = open(bytes, "promise record");
  const signed = { certificate: decodeCertificate(reader.sized()), promise: decodePromise(reader.sized()) };
  reader.end();
  return signed;
}

/** What of evidence is sealed. */
export type EvidenceRecord = Pick<KeptEvidence, "foundMs" | "document">;

export function encodeEvidence({ foundMs, document }: EvidenceRecord): Uint8Array {
  return joined([{ u8: VERSION }, { u64: foundMs }, { text: document }]);
}

export function decodeEvidence(bytes: Uint8Array): EvidenceRecord {
  const reader = open(bytes, "evidence record");
  const kept = { foundMs: reader.u64(), document: reader.text() };
  reader.end();
  return kept;
}
