/** Devices for tests of conversations: real MLS, real seals, real certificates. */
import { openCrypto } from "@dchat/crypto-wasm";
import { defaultCryptoProvider } from "ts-mls";
import {
  type Conversation,
  type DeviceKeys,
  encodePackage,
  encodePairInfo,
  foundPair,
  joinPair,
  makePackage,
  type MailboxPlace,
  type Mls,
  openMls,
} from "../../core/conversation/mod.ts";
import { entryId, type EntryId, mailboxId, publicKey, type PublicKey } from "../../core/ground/mod.ts";
import { memberCheck } from "../../core/client/mod.ts";
import { issueCertificate } from "../../core/identity/mod.ts";
import { parsePackage } from "../../core/conversation/package.ts";

export const crypto = await openCrypto({ needs: [] });

export const mls: Mls = await openMls({
  crypto,
  provider: defaultCryptoProvider,
  checkMember: memberCheck(crypto),
});

export interface Party extends DeviceKeys {
  readonly identity: PublicKey;
}

export function randomId(): EntryId {
  return entryId(crypto.random.bytes(16));
}

export function randomKey(): { seed: Uint8Array; publicKey: PublicKey } {
  const key = crypto.ed25519.generate();
  return { seed: key.exportSeed(), publicKey: publicKey(key.publicKey) };
}

/** A device of a fresh identity, or of `identity`. */
export function makeParty(identity = crypto.ed25519.generate()): Party {
  const device = randomKey();
  const issuedMs = Date.now();
  const options = { device: device.publicKey, issuedMs, notAfterMs: issuedMs + 86_400_000 };
  const certificate = issueCertificate(crypto, identity, options);
  return { ...device, identity: publicKey(identity.publicKey), certificate };
}

export function makePlace(): MailboxPlace {
  return {
    mailbox: mailboxId(crypto.random.bytes(32)),
    record: {
      owner: randomKey().publicKey,
      relay: randomKey().publicKey,
      policy: { entriesMax: 10_000, bytesMax: 1 << 26, ttlMs: 2_592_000_000, retentionMs: 0 },
      nonce: crypto.random.bytes(16),
    },
    addresses: ["/ip4/127.0.0.1/tcp/7070"],
  };
}

/** A pair that `founder` has founded and `joiner` has joined, both at turn 0. */
export async function makePair(founder = makeParty(), joiner = makeParty()) {
  const place = makePlace();
  const nowMs = Date.now();
  const own = await makePackage(mls, {
    device: joiner,
    reader: randomKey().publicKey,
    nowMs,
    notAfterMs: nowMs + 3_600_000,
  });
  const { keyPackage } = parsePackage(mls, encodePackage(own.publicPackage));
  const info = encodePairInfo({ place, ownerSeed: crypto.random.bytes(32) });
  const reader = randomKey().publicKey;
  const founded = await foundPair(mls, { device: founder, reader, peer: keyPackage, info, nowMs });
  const joined = await joinPair(mls, { welcome: founded.welcome, own });
  const start = { mailbox: place.mailbox, turn: 0, pending: null };
  const a: Conversation = { ...start, group: founded.group };
  const b: Conversation = { ...start, group: joined.group };
  return {
    a,
    b,
    info: joined.info,
    founder,
    joiner,
    place,
    peer: joined.peer,
    welcome: founded.welcome,
    own,
  };
}
