/**
 * The outer seal: XChaCha20-Poly1305 around a whole MLS message, since MLS itself shows group id, epoch and kind.
 * What comes out has exactly a size class and looks random. Layout: docs/protocol/conversation.md.
 *
 * It does not hide when, how often and in which size class somebody writes.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import { type EntryId, limit, type MailboxId } from "../ground/mod.ts";
import type { EntryKind } from "../wire/mod.ts";
import { fault } from "./fault.ts";
import { joined, Reader } from "./bytes.ts";

const VERSION = 1;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
/** Nonce, tag, version, length: what the seal adds to a message before padding. */
export const SEAL_BYTES = NONCE_BYTES + TAG_BYTES + 1 + 4;
/** The longest message that the largest entry holds. */
export const SEALED_MESSAGE_BYTES_MAX = limit.ENTRY_BYTES_MAX - SEAL_BYTES;

const KINDS = { plain: 0, control: 1, package: 2, lastResort: 3 } as const satisfies Record<
  EntryKind,
  number
>;
const domain = new TextEncoder().encode("dchat entry 1");

/** Where an entry lies: what its seal is bound to. */
export interface EntryPlace {
  readonly mailbox: MailboxId;
  readonly id: EntryId;
  readonly kind: EntryKind;
}

function associatedData(place: EntryPlace): Uint8Array {
  return joined([{ raw: domain }, { raw: place.mailbox }, { raw: place.id }, { u8: KINDS[place.kind] }]);
}

/** Seals `message` under `key` (32 bytes) into a fresh entry; throws Fault<"conversation/too-large">. */
export function sealEntry(
  crypto: Crypto,
  key: Uint8Array,
  sealed: EntryPlace & { message: Uint8Array },
): Uint8Array {
  const { message } = sealed;
  const size = limit.ENTRY_SIZE_CLASSES_BYTES.find((bytes) => message.length + SEAL_BYTES <= bytes);
  if (size === undefined) {
    throw fault(
      "conversation/too-large",
      `Sealed it has ${message.length + SEAL_BYTES} bytes, at most ${limit.ENTRY_BYTES_MAX} are possible`,
    );
  }
  const padded = new Uint8Array(size - NONCE_BYTES - TAG_BYTES);
  padded.set(joined([{ u8: VERSION }, { sized: message }]));
  const nonce = crypto.random.bytes(NONCE_BYTES);
  const box = crypto.xchacha20Poly1305.seal(key, nonce, padded, associatedData(sealed));
  crypto.wipe(padded);
  return joined([{ raw: nonce }, { raw: box }]);
}

/** What `sealEntry` sealed, or null where key, place or bytes aren't those. */
export function openSealed(
  crypto: Crypto,
  key: Uint8Array,
  sealed: EntryPlace & { entry: Uint8Array },
): Uint8Array | null {
  const { entry } = sealed;
  if (entry.length < SEAL_BYTES) return null;
  const nonce = entry.subarray(0, NONCE_BYTES);
  const padded = crypto.xchacha20Poly1305.open(
    key,
    nonce,
    entry.subarray(NONCE_BYTES),
    associatedData(sealed),
  );
  if (padded === null) return null;
  const reader = new Reader(padded, "sealed entry");
  try {
    return reader.u8() === VERSION ? reader.sized() : null;
  } catch {
    return null;
  }
}
