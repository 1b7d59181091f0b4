/**
 * Names that people compare. Both are public: they say which key, and protect nothing by themselves; what
 * protects is that two people compare them by another way than the one being checked.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import type { PublicKey } from "../ground/mod.ts";
import { base32, concat, utf8 } from "./bytes.ts";

const FINGERPRINT_TAG = utf8("dchat/fingerprint/1\0");
const FINGERPRINT_BYTES = 15;
const SAFETY_TAG = utf8("dchat/safety-number/1\0");
/** As Signal's: makes the search for a key with a like number this much dearer. */
const SAFETY_ROUNDS = 5200;
const DIGITS_GROUP = 5;
const GROUPS_EACH = 6;

type Hashes = Pick<Crypto, "hash">;

/** 24 letters and digits (120 bits) that name an identity, fit for a folder's name. */
export function fingerprint(crypto: Hashes, identity: PublicKey): string {
  return base32(crypto.hash.sha256(FINGERPRINT_TAG, identity).subarray(0, FINGERPRINT_BYTES));
}

/** A fingerprint in groups of four, for people. */
export function fingerprintGroups(text: string): string {
  return text.match(/.{1,4}/g)?.join(" ") ?? "";
}

/**
 * Twelve groups of five digits, equal on both sides: 30 digits (about 100 bits) for each identity, the smaller
 * first. Whoever wants to stand between two people needs a key whose 30 digits are another's.
 */
export function safetyNumber(crypto: Hashes, one: PublicKey, other: PublicKey): string {
  return [digits(crypto, one), digits(crypto, other)].sort().join(" ");
}

function digits(crypto: Hashes, identity: PublicKey): string {
  let digest = concat(SAFETY_TAG, identity);
  for (let round = 0; round < SAFETY_ROUNDS; round++) digest = crypto.hash.sha512(digest, identity);
  const view = new DataView(digest.buffer, digest.byteOffset);
  return Array.from({ length: GROUPS_EACH }, (_, group) => {
    // Five bytes for each group: 2^40 over 10^5 leaves no bias worth the name.
    const value = view.getUint8(group * 5) * 2 ** 32 + view.getUint32(group * 5 + 1);
    return String(value % 10 ** DIGITS_GROUP).padStart(DIGITS_GROUP, "0");
  }).join(" ");
}
