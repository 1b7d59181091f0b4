/**
 * Invitations: a `dchat:` URI that is good once and for seven days. Whoever holds it can take the KeyPackages that
 * wait in an inbox mailbox and answer with a Welcome. Layout: docs/protocol/invite.md.
 *
 * An invitation authenticates nobody: whoever gets hold of it first becomes the contact. It belongs on a channel
 * that both trust, and the safety number shows afterwards whether it was.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import {
  type Fault,
  type Hash,
  hash,
  type MailboxId,
  mailboxId,
  type PublicKey,
  publicKey,
} from "../ground/mod.ts";
import { fault } from "./fault.ts";
import { joined, Reader } from "./bytes.ts";
import { ADDRESSES_MAX } from "./place.ts";

export const INVITE_LIFE_MS = 7 * 24 * 60 * 60 * 1000;
export const INVITE_SECRET_BYTES = 16;
const SCHEME = "dchat:";
const VERSION = 1;
const CHECKSUM_BYTES = 4;
/** Longer than any invitation with eight addresses: what is beyond isn't read at all. */
const URI_CHARACTERS_MAX = 4096;

/** What an invitation says. */
export interface Invite {
  readonly expiresMs: number;
  readonly relay: PublicKey;
  readonly addresses: readonly string[];
  readonly inbox: MailboxId;
  readonly secret: Uint8Array;
  /** Hash of all KeyPackages that wait (`bundleHash`). */
  readonly bundle: Hash;
}

/** Keys that follow from an invitation's secret: both sides have them. */
export interface InviteKeys {
  /** Seed of the inbox's writer key, which signs the TAKE and the Welcome's APPEND. */
  readonly writerSeed: Uint8Array;
  /** Seals what lies in the inbox. */
  readonly sealKey: Uint8Array;
}

export function inviteKeys(crypto: Crypto, secret: Uint8Array): InviteKeys {
  const derive = (label: string) =>
    crypto.hash.hkdfSha256({
      ikm: secret,
      salt: new Uint8Array(),
      info: new TextEncoder().encode(label),
      length: 32,
    });
  return { writerSeed: derive("dchat inbox writer 1"), sealKey: derive("dchat inbox seal 1") };
}

/** Hash of the KeyPackages of an invitation, in the order of their slots. */
export function bundleHash(crypto: Crypto, packages: readonly Uint8Array[]): Hash {
  const domain = new TextEncoder().encode("dchat bundle 1");
  return hash(crypto.hash.sha256(domain, ...packages.map((bytes) => crypto.hash.sha256(bytes))));
}

function checksum(crypto: Crypto, payload: Uint8Array): Uint8Array {
  return crypto.hash.sha256(new TextEncoder().encode(SCHEME), payload).slice(0, CHECKSUM_BYTES);
}

/** The URI that is given to the other side. Seconds are what it keeps of the expiry. */
export function encodeInvite(crypto: Crypto, invite: Invite): string {
  const payload = joined([
    { u8: VERSION },
    { u32: Math.floor(invite.expiresMs / 1000) },
    { raw: invite.inbox },
    { raw: invite.secret },
    { raw: invite.bundle },
    { raw: invite.relay },
    { u8: invite.addresses.length },
    ...invite.addresses.flatMap((address) => {
      const bytes = new TextEncoder().encode(address);
      return [{ u8: bytes.length }, { raw: bytes }];
    }),
  ]);
  const whole = joined([{ raw: payload }, { raw: checksum(crypto, payload) }]);
  return `${SCHEME}${whole.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

function refuse(why: string): Fault<"conversation/invite"> {
  return fault("conversation/invite", `Cannot read the invitation: ${why}`);
}

function payloadOf(text: string): Uint8Array {
  const uri = text.trim();
  if (uri.slice(0, SCHEME.length).toLowerCase() !== SCHEME) {
    throw refuse(`it must start with ${SCHEME}, got ${JSON.stringify(uri.slice(0, 12))}`);
  }
  if (uri.length > URI_CHARACTERS_MAX) {
    throw refuse(`at most ${URI_CHARACTERS_MAX} characters were expected, got ${uri.length}`);
  }
  try {
    return Uint8Array.fromBase64(uri.slice(SCHEME.length), { alphabet: "base64url" });
  } catch {
    throw refuse("it has characters that don't belong there; copy it again as a whole");
  }
}

/** What `text` invites to; throws Fault<"conversation/invite"> saying what is wrong with it. Expiry is the caller's to judge. */
export function parseInvite(crypto: Crypto, text: string): Invite {
  const whole = payloadOf(text);
  const payload = whole.subarray(0, Math.max(0, whole.length - CHECKSUM_BYTES));
  const version = whole[0];
  if (version !== undefined && version !== VERSION && whole.length > CHECKSUM_BYTES) {
    throw refuse(`it has version ${version}, this program reads version ${VERSION}`);
  }
  if (payload.length === 0 || !crypto.equal(whole.subarray(payload.length), checksum(crypto, payload))) {
    throw refuse("its checksum doesn't hold; copy it again as a whole");
  }
  const reader = new Reader(payload.subarray(1), "invitation");
  const expiresMs = reader.u32() * 1000;
  const inbox = mailboxId(reader.raw(32));
  const secret = reader.raw(INVITE_SECRET_BYTES);
  const bundle = hash(reader.raw(32));
  const relay = publicKey(reader.raw(32));
  const count = reader.u8();
  if (count === 0 || count > ADDRESSES_MAX)
    throw refuse(`1 to ${ADDRESSES_MAX} addresses expected, got ${count}`);
  const addresses = Array.from({ length: count }, () => parseAddress(reader.raw(reader.u8())));
  reader.end();
  return { expiresMs, relay, addresses, inbox, secret, bundle };
}

/** A multiaddr's shape; the dialler says whether it can reach it. */
function parseAddress(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  if (!/^(\/[A-Za-z0-9.:_-]+)+$/.test(text)) throw refuse(`${JSON.stringify(text)} is no multiaddr`);
  return text;
}
