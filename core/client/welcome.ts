/** What whoever accepted an invitation answers it with, as far as the inviter believes it. */
import {
  decodeOwnPackage,
  decodePairInfo,
  joinPair,
  type KeptInvite,
  membersOf,
  type PairInfo,
} from "../conversation/mod.ts";
import { isFault } from "../ground/mod.ts";
import { mailboxIdOf } from "../wire/mod.ts";
import { type Device, publicOf } from "./device.ts";
import { isCertifiedNow } from "./member.ts";

/** A pair to join. */
type Welcome = Omit<Awaited<ReturnType<typeof joinPair>>, "info"> & { readonly info: PairInfo };

/**
 * The pair that the message in an invitation's inbox welcomes us to, or null: anybody who has the invitation can lay
 * anything there, and what doesn't hold in all parts is passed over.
 */
export async function openWelcome(
  device: Device,
  kept: KeptInvite,
  message: Uint8Array,
): Promise<Welcome | null> {
  const { mls, crypto } = device;
  const own = decodeOwnPackage(kept.ownPackage);
  const joined = await joinPair(mls, { welcome: message, own }).catch(() => null);
  if (joined === null || !isCertifiedNow(device, joined.peer)) return null;
  const { group, peer } = joined;
  const ours = membersOf(mls, group).find((one) => one.leaf === group.privatePath.leafIndex);
  if (ours === undefined || !crypto.equal(ours.reader, publicOf(crypto, kept.pairReaderSeed))) return null;
  const info = pairInfo(device, kept, joined.info);
  return info === null ? null : { group, peer, info };
}

/**
 * What a Welcome tells of the mailbox, where it is of one piece and at the invitation's relay. The addresses are those
 * of the invitation: this device dials none that a stranger chose.
 */
function pairInfo({ crypto }: Device, { invite }: KeptInvite, bytes: Uint8Array): PairInfo | null {
  const info = decodedInfo(bytes);
  if (info === null) return null;
  const { record, mailbox } = info.place;
  const holds =
    crypto.equal(record.relay, invite.relay) &&
    crypto.equal(mailboxIdOf(record, crypto.hash), mailbox) &&
    crypto.equal(publicOf(crypto, info.ownerSeed), record.owner);
  return holds ? { ...info, place: { ...info.place, addresses: invite.addresses } } : null;
}

function decodedInfo(bytes: Uint8Array): PairInfo | null {
  try {
    return decodePairInfo(bytes);
  } catch (error) {
    if (isFault(error, "conversation/malformed")) return null;
    throw error;
  }
}
