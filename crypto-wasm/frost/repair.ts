/** A lost share, brought back by enough other members without anyone learning anyone's share. */
import { type FrostGroup, FrostShare } from "./key.ts";
import { type FrostMessages, Request } from "./request.ts";

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

function begun(repair: FrostRepair): Request {
  return new Request()
    .session(repair.session)
    .handle("group", repair.group.handle)
    .member("lost", repair.lost)
    .members("helpers", repair.helpers);
}

/**
 * A helper's first step: a commitment for all helpers and for the loser, and a secret delta for each helper, itself
 * among them.
 */
export function repairDeltas(
  repair: FrostRepair,
  share: FrostShare,
): { readonly commitment: Uint8Array; readonly deltas: Map<number, Uint8Array> } {
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
  const answer = begun(repair)
    .member("helper", received.helper)
    .messages("commitments", received.commitments)
    .messages("deltas", received.deltas)
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
  const answer = begun(repair)
    .messages("commitments", received.commitments)
    .messages("sigmas", received.sigmas)
    .ask("frost_repair_finish", "finish a repair");
  return FrostShare.held(answer.instance, answer.u32());
}
