/** What lies in an invitation's inbox: KeyPackages and the Welcome, both sealed under the invitation's secret. */
import type { KeyPackage } from "ts-mls";
import { type EntryId, type MailboxId } from "../ground/mod.ts";
import { fault } from "./fault.ts";
import { bundleHash, type Invite, inviteKeys } from "./invite.ts";
import type { Member } from "./member.ts";
import type { Mls } from "./mls.ts";
import { parsePackage } from "./package.ts";
import { openSealed, sealEntry } from "./seal.ts";

/** An entry of an inbox: `package` before it is taken, `plain` for the Welcome. */
export interface InboxEntry {
  readonly inbox: MailboxId;
  readonly id: EntryId;
  readonly kind: "package" | "plain";
}

/** Seals `message` for an inbox under the invitation's secret. */
export function sealForInbox(
  mls: Mls,
  secret: Uint8Array,
  sealed: InboxEntry & { message: Uint8Array },
): Uint8Array {
  const { sealKey } = inviteKeys(mls.crypto, secret);
  return sealEntry(mls.crypto, sealKey, { ...sealed, mailbox: sealed.inbox });
}

/** What was sealed for an inbox, or null. */
export function openFromInbox(
  mls: Mls,
  secret: Uint8Array,
  sealed: InboxEntry & { entry: Uint8Array },
): Uint8Array | null {
  const { sealKey } = inviteKeys(mls.crypto, secret);
  return openSealed(mls.crypto, sealKey, { ...sealed, mailbox: sealed.inbox });
}

/**
 * The KeyPackages that a TAKE handed out, checked against the invitation; throws Fault<"conversation/invite"> where
 * they aren't those that the inviter laid there.
 */
export function openTaken(
  mls: Mls,
  invite: Invite,
  taken: readonly { readonly id: EntryId; readonly entry: Uint8Array }[],
): readonly { readonly keyPackage: KeyPackage; readonly member: Member }[] {
  const packages = taken.map(({ id, entry }) => {
    const bytes = openFromInbox(mls, invite.secret, { inbox: invite.inbox, id, kind: "package", entry });
    if (bytes === null)
      throw fault("conversation/invite", "What waits in the invitation's inbox can't be opened");
    return bytes;
  });
  if (!mls.crypto.equal(bundleHash(mls.crypto, packages), invite.bundle)) {
    throw fault("conversation/invite", "What waits in the inbox isn't what the invitation was made for");
  }
  return packages.map((bytes) => parsePackage(mls, bytes));
}
