import { Fault } from "./fault.ts";

declare const brand: unique symbol;
type Bytes<Name extends string> = Uint8Array & { readonly [brand]: Name };

/** SHA-256 of a mailbox's creation record, 32 bytes. */
export type MailboxId = Bytes<"MailboxId">;
/** Chosen at random by the writer, 16 bytes; the same id again gets the same answer. */
export type EntryId = Bytes<"EntryId">;
/** An Ed25519 public key, 32 bytes as they came: decoding and ZIP-215 are the verifier's. */
export type PublicKey = Bytes<"PublicKey">;
/** An Ed25519 signature, 64 bytes. */
export type Signature = Bytes<"Signature">;
/** A SHA-256 digest, 32 bytes. */
export type Hash = Bytes<"Hash">;
/** Random bytes that a relay sends first on each stream, 32 bytes. */
export type Nonce = Bytes<"Nonce">;

export const MAILBOX_ID_BYTES = 32;
export const ENTRY_ID_BYTES = 16;
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const HASH_BYTES = 32;
export const NONCE_BYTES = 32;

function demand(bytes: Uint8Array, name: string, length: number): void {
  if (bytes.length !== length) {
    throw new Fault("ground/length", `A ${name} has ${length} bytes, got ${bytes.length}`);
  }
}

// The assertions below are the only places where a length check becomes a brand.

/** Brands 32 bytes, borrowed, as a mailbox id; throws Fault<"ground/length">. */
export function mailboxId(bytes: Uint8Array): MailboxId {
  demand(bytes, "mailbox id", MAILBOX_ID_BYTES);
  return bytes as MailboxId;
}

/** Brands 16 bytes, borrowed, as a entry id; throws Fault<"ground/length">. */
export function entryId(bytes: Uint8Array): EntryId {
  demand(bytes, "entry id", ENTRY_ID_BYTES);
  return bytes as EntryId;
}

/** Brands 32 bytes, borrowed, as a public key; throws Fault<"ground/length">. */
export function publicKey(bytes: Uint8Array): PublicKey {
  demand(bytes, "public key", PUBLIC_KEY_BYTES);
  return bytes as PublicKey;
}

/** Brands 64 bytes, borrowed, as a signature; throws Fault<"ground/length">. */
export function signature(bytes: Uint8Array): Signature {
  demand(bytes, "signature", SIGNATURE_BYTES);
  return bytes as Signature;
}

/** Brands 32 bytes, borrowed, as a hash; throws Fault<"ground/length">. */
export function hash(bytes: Uint8Array): Hash {
  demand(bytes, "hash", HASH_BYTES);
  return bytes as Hash;
}

/** Brands 32 bytes, borrowed, as a nonce; throws Fault<"ground/length">. */
export function nonce(bytes: Uint8Array): Nonce {
  demand(bytes, "nonce", NONCE_BYTES);
  return bytes as Nonce;
}
