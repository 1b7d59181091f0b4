/** A lost share, brought back by enough other members without anyone learning anyone's share. */
import { bytesOf, expectFields } from "../argument.ts";
import { type FrostGroup, FrostShare } from "./key.ts";
import {
  expectHeld,
  expectMember,
  expectMembers,
  expectMessages,
  type FrostMessages,
  Request,
} from "./request.ts";

/** What all who take part in a repair agree on before it. */
export interface FrostRepair {
  /** 32 bytes for this repair alone. */
  readonly session: Uint8Array;
  readonly group: FrostGroup;
  /** Whose share is lost. */
  readonly lost: number;
  /** At least the threshold of other members. */
  readonly helpers: readonly number[];
}

const REPAIR = {
  session: bytesOf(32),
  group: expectHeld,
  lost: expectMember,
  helpers: expectMembers,
};

function begun(repair: FrostRepair): Request {
  expectFields("repair", repair, REPAIR);
  return new Request()
    .bytes(repair.session)
    .handle("group", repair.group.handle)
    .member(repair.lost)
    .members(repair.helpers);
}

/**
 * A helper's first step: a commitment for all helpers and for the loser, and a secret delta for each helper, itself
 * among them.
 */
export function repairDeltas(
  repair: FrostRepair,
  share: FrostShare,
): { readonly commitment: Uint8Array; readonly deltas: Map<number, Uint8Array> } {
  expectHeld("share", share);
  const answer = begun(repair).handle("share", share.handle).ask("frost_repair_deltas", "help with a repair");
  const commitment = answer.blob();
  const deltas = answer.messages();
  answer.wipe();
  return { commitment, deltas };
}

/** A helper's second step, from all helpers' commitments and their deltas for it: the secret sigma for the loser. */
export function repairSigma(
  repair: FrostRepair,
  received: { readonly helper: number; readonly commitments: FrostMessages; readonly deltas: FrostMessages },
): Uint8Array {
  expectFields("received", received, {
    helper: expectMember,
    commitments: expectMessages,
    deltas: expectMessages,
  });
  const answer = begun(repair)
    .member(received.helper)
    .messages(received.commitments)
    .messages(received.deltas)
    .ask("frost_repair_sigma", "help with a repair");
  const sigma = answer.rest();
  answer.wipe();
  return sigma;
}

/** The loser's step, from all helpers' commitments and sigmas: its share as it was. */
export function finishRepair(
  repair: FrostRepair,
  received: { readonly commitments: FrostMessages; readonly sigmas: FrostMessages },
): FrostShare {
  expectFields("received", received, { commitments: expectMessages, sigmas: expectMessages });
  const answer = begun(repair)
    .messages(received.commitments)
    .messages(received.sigmas)
    .ask("frost_repair_finish", "finish a repair");
  return FrostShare.held(answer.instance, answer.u32());
}
