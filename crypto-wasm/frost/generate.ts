/** How a split key comes to be: from a trusted dealer, or from all members together. */
import type { Instance } from "../wasm/instance.ts";
import { bytesOf, expectBytes, expectFields, wholeIn } from "../argument.ts";
import { CryptoError } from "../error.ts";
import { type FrostMembership, membershipOf } from "./key.ts";
import { FrostRefusal } from "./refusal.ts";
import {
  AGREED,
  expectMember,
  expectMessages,
  FROST_MEMBERS_MAX,
  FrostHandle,
  type FrostMessages,
  Request,
} from "./request.ts";

const SECRET_BYTES = 32;

/** What all members of a ceremony agree on before it. */
export interface FrostAgreement {
  /** 32 bytes for this ceremony alone: messages of another are replays. */
  readonly session: Uint8Array;
  /** At most 16, each from 1 to 65535. */
  readonly members: readonly number[];
  /** How many must sign, at least two. */
  readonly threshold: number;
}

/** Throws CryptoError unless `agreed` and what a dealer sent have the form that they should. */
export function expectDealt(agreed: unknown, dealt: unknown): void {
  expectFields("agreed", agreed, AGREED);
  expectFields("dealt", dealt, { member: expectMember, message: expectBytes });
}

/** A dealer's messages, one for each member, secret. Splits `secret` (a scalar, 32 bytes) or makes a new key. */
export function deal(
  instance: Instance,
  agreed: FrostAgreement,
  secret?: Uint8Array,
): Map<number, Uint8Array> {
  expectFields("agreed", agreed, AGREED);
  // None at all would be a new key.
  if (secret !== undefined) expectBytes("secret", secret, SECRET_BYTES);
  const request = new Request().agreed(agreed);
  if (secret !== undefined) request.bytes(secret);
  try {
    const answer = request.ask("frost_deal", "deal shares", instance);
    const messages = answer.messages();
    answer.wipe();
    return messages;
  } catch (error) {
    if (secret !== undefined && error instanceof FrostRefusal && error.reason === "malformed") {
      throw new CryptoError("argument", "secret must be a reduced scalar other than zero", { cause: error });
    }
    throw error;
  }
}

/** Checks what a dealer sent to `member` against its commitment. */
export function acceptDealt(
  instance: Instance,
  agreed: FrostAgreement,
  dealt: { readonly member: number; readonly message: Uint8Array },
): FrostMembership {
  expectDealt(agreed, dealt);
  const answer = new Request()
    .agreed(agreed)
    .member(dealt.member)
    .message(dealt.message)
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
  #handle: FrostHandle;
  #next: "share" | "finish" = "share";

  constructor(instance: Instance, agreed: FrostAgreement, member: number) {
    expectFields("agreed", agreed, AGREED);
    expectMember("member", member);
    const answer = new Request()
      .agreed(agreed)
      .member(member)
      .ask("frost_dkg_begin", "begin a key generation", instance);
    this.member = member;
    this.#handle = new FrostHandle(instance, answer.u32(), "generation");
    this.commitment = answer.blob();
  }

  /** From all others' commitments, the secret share for each. */
  share(commitments: FrostMessages): Map<number, Uint8Array> {
    expectMessages("commitments", commitments);
    this.#expect("share");
    const request = new Request().handle("generation", this.#handle).messages(commitments);
    const answer = request.ask("frost_dkg_share", "share out");
    const next = new FrostHandle(answer.instance, answer.u32(), "generation");
    this.#handle[Symbol.dispose]();
    this.#handle = next;
    this.#next = "finish";
    const messages = answer.messages();
    answer.wipe();
    return messages;
  }

  /** From all others' secret shares, this member's share and the group. */
  finish(shares: FrostMessages): FrostMembership {
    expectMessages("shares", shares);
    this.#expect("finish");
    const request = new Request().handle("generation", this.#handle).messages(shares);
    const answer = request.ask("frost_dkg_finish", "finish a key generation");
    this.#handle[Symbol.dispose]();
    return membershipOf(answer);
  }

  #expect(step: "share" | "finish"): void {
    if (step !== this.#next)
      throw new CryptoError("argument", `${step}() isn't a key generation's next step: ${this.#next}() is`);
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

const COMPLAINT = {
  session: bytesOf(32),
  threshold: wholeIn({ min: 2, max: FROST_MEMBERS_MAX }),
  accused: expectMember,
  accuser: expectMember,
  commitment: expectBytes,
  share: expectBytes,
};

/** Who is wrong: the accused, or, where the published share holds, the accuser, who can go on with it. */
export function judgeComplaint(instance: Instance, complaint: FrostComplaint): "accused" | "accuser" {
  expectFields("complaint", complaint, COMPLAINT);
  const answer = new Request()
    .bytes(complaint.session)
    .u16(complaint.threshold)
    .member(complaint.accused)
    .member(complaint.accuser)
    .blobOf(complaint.commitment)
    .message(complaint.share)
    .ask("frost_dkg_judge", "judge a complaint", instance);
  return answer.u8() === 1 ? "accuser" : "accused";
}
