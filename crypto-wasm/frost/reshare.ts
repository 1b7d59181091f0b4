/**
 * The same key in new shares: for the same members and threshold (a refresh), for others, or with another threshold.
 * A refreshed share and an old one don't sign together. Old shares stay good with one another until they are wiped:
 * new members first compare `group.encoded`, then all wipe.
 */
import { expectFields } from "../argument.ts";
import { type FrostGroup, type FrostShare, type FrostMembership, membershipOf } from "./key.ts";
import {
  AGREED,
  expectHeld,
  expectMember,
  expectMembers,
  expectMessages,
  type FrostMessages,
  Request,
} from "./request.ts";

/** What all who take part agree on before it. */
export interface FrostReshare {
  /** 32 bytes for this resharing alone. */
  readonly session: Uint8Array;
  /** The group as it is. */
  readonly group: FrostGroup;
  /** Who of it deals: at least its threshold. */
  readonly dealers: readonly number[];
  /** Who holds shares from then on; old members may be among them. */
  readonly members: readonly number[];
  /** How many must sign from then on. */
  readonly threshold: number;
}

const RESHARE = { ...AGREED, group: expectHeld, dealers: expectMembers };

/** Throws CryptoError unless a resharing and what a new member received have the form that they should. */
export function expectReceived(reshare: unknown, received: unknown): void {
  expectFields("reshare", reshare, RESHARE);
  expectFields("received", received, {
    member: expectMember,
    commitments: expectMessages,
    shares: expectMessages,
  });
}

function begun(reshare: FrostReshare): Request {
  return new Request()
    .bytes(reshare.session)
    .handle("group", reshare.group.handle)
    .members(reshare.dealers)
    .members(reshare.members)
    .u16(reshare.threshold);
}

/** A dealer's step: a commitment for all new members, and a secret share for each. */
export function dealReshare(
  reshare: FrostReshare,
  share: FrostShare,
): { readonly commitment: Uint8Array; readonly shares: Map<number, Uint8Array> } {
  expectFields("reshare", reshare, RESHARE);
  expectHeld("share", share);
  const answer = begun(reshare).handle("share", share.handle).ask("frost_reshare_deal", "deal new shares");
  const commitment = answer.blob();
  const shares = answer.messages();
  answer.wipe();
  return { commitment, shares };
}

/** A new member's step, from all dealers' commitments and their shares for it. */
export function finishReshare(
  reshare: FrostReshare,
  received: { readonly member: number; readonly commitments: FrostMessages; readonly shares: FrostMessages },
): FrostMembership {
  expectReceived(reshare, received);
  const answer = begun(reshare)
    .member(received.member)
    .messages(received.commitments)
    .messages(received.shares)
    .ask("frost_reshare_finish", "take a new share");
  return membershipOf(answer);
}
