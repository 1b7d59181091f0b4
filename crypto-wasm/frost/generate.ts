/** How a split key comes to be: from a trusted dealer, or from all members together. */
import type { Instance } from "../wasm/instance.ts";
import { Handle } from "../wasm/runtime.ts";
import { type FrostMembership, membershipOf } from "./key.ts";
import { expectMessage, type FrostMessages, Request } from "./request.ts";

/** What all members of a ceremony agree on before it. */
export interface FrostAgreement {
  /** 32 bytes for this ceremony alone: messages of another are replays. */
  readonly session: Uint8Array;
  /** At most 16, each from 1 to 65535. */
  readonly members: readonly number[];
  /** How many must sign, at least two. */
  readonly threshold: number;
}

function begun(agreed: FrostAgreement): Request {
  return new Request().session(agreed.session).members("members", agreed.members).threshold(agreed.threshold);
}

/** A dealer's messages, one for each member, secret. Splits `secret` (a scalar, 32 bytes) or makes a new key. */
export function deal(
  instance: Instance,
  agreed: FrostAgreement,
  secret?: Uint8Array,
): Map<number, Uint8Array> {
  const request = begun(agreed);
  if (secret !== undefined) request.bytes(expectMessage("secret", secret));
  const answer = request.ask("frost_deal", "deal shares", instance);
  const messages = answer.messages();
  answer.wipe();
  return messages;
}

/** Checks what a dealer sent to `member` against its commitment. */
export function acceptDealt(
  instance: Instance,
  agreed: FrostAgreement,
  dealt: { readonly member: number; readonly message: Uint8Array },
): FrostMembership {
  const answer = begun(agreed)
    .member("member", dealt.member)
    .bytes(expectMessage("message", dealt.message))
    .ask("frost_accept", "accept a share", instance);
  return membershipOf(answer);
}

/**
 * One member's part in a distributed key generation: broadcast `commitment`, give `share` what the others broadcast,
 * send each what it returns over confidential channels, give `finish` what they sent. Where a step is refused it can
 * be tried again with what the culprit sends anew. All then compare `group.encoded`.
 *
 * A complaint: whoever got a bad share says so to all, the accused publishes that share (it is worth nothing to
 * others), and everyone asks `judgeComplaint`. It isn't stored: after a crash the ceremony starts anew.
 */
export class DistributedKeyGeneration implements Disposable {
  readonly member: number;
  /** To broadcast: commitment and proof of possession. */
  readonly commitment: Uint8Array;
  #handle: Handle;

  constructor(instance: Instance, agreed: FrostAgreement, member: number) {
    const answer = begun(agreed)
      .member("member", member)
      .ask("frost_dkg_begin", "begin a key generation", instance);
    this.member = member;
    this.#handle = new Handle(instance, answer.u32());
    this.commitment = answer.blob();
  }

  /** From all others' commitments, the secret share for each. */
  share(commitments: FrostMessages): Map<number, Uint8Array> {
    const request = new Request().handle("generation", this.#handle).messages("commitments", commitments);
    const answer = request.ask("frost_dkg_share", "share out");
    const next = new Handle(answer.instance, answer.u32());
    this.#handle[Symbol.dispose]();
    this.#handle = next;
    const messages = answer.messages();
    answer.wipe();
    return messages;
  }

  /** From all others' secret shares, this member's share and the group. */
  finish(shares: FrostMessages): FrostMembership {
    const request = new Request().handle("generation", this.#handle).messages("shares", shares);
    const answer = request.ask("frost_dkg_finish", "finish a key generation");
    this.#handle[Symbol.dispose]();
    return membershipOf(answer);
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }
}

export interface FrostComplaint {
  readonly session: Uint8Array;
  readonly threshold: number;
  /** Who is said to have sent a bad share. */
  readonly accused: number;
  readonly accuser: number;
  /** What the accused broadcast. */
  readonly commitment: Uint8Array;
  /** The share for the accuser, as the accused publishes it. */
  readonly share: Uint8Array;
}

/** Who is wrong: the accused, or, where the published share holds, the accuser, who can go on with it. */
export function judgeComplaint(instance: Instance, complaint: FrostComplaint): "accused" | "accuser" {
  const answer = new Request()
    .session(complaint.session)
    .threshold(complaint.threshold)
    .member("accused", complaint.accused)
    .member("accuser", complaint.accuser)
    .blob(expectMessage("commitment", complaint.commitment))
    .bytes(expectMessage("share", complaint.share))
    .ask("frost_dkg_judge", "judge a complaint", instance);
  return answer.u8() === 1 ? "accuser" : "accused";
}
