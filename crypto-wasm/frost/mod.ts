/**
 * FROST(Ed25519, SHA-512), RFC 9591: a key that no one holds, whose signatures hold as any Ed25519 signature. Shares
 * and nonces stay inside the WASM module; messages are bytes with a version, checked against the sender that the
 * caller's channel authenticated, and what is refused throws FrostRefusal naming that sender.
 *
 * What it does not protect: whoever coordinates a signature chooses the message, so a member signs only what it has
 * looked at; a member can stop a ceremony by silence; and nothing here opens a channel.
 */
import { Runtime, type RuntimeOptions } from "../wasm/runtime.ts";
import {
  acceptDealt,
  type FrostAgreement,
  type FrostComplaint,
  deal,
  DistributedKeyGeneration,
  judgeComplaint,
} from "./generate.ts";
import { FrostGroup, FrostShare, type FrostMembership } from "./key.ts";

export type { FrostAgreement, FrostComplaint, DistributedKeyGeneration } from "./generate.ts";
export type { FrostGroup, FrostShare, FrostMembership } from "./key.ts";
export { FrostRefusal, type FrostReason } from "./refusal.ts";
export { finishRepair, type FrostRepair, repairDeltas, repairSigma } from "./repair.ts";
export { FROST_MEMBERS_MAX, FROST_SIGNED_BYTES_MAX, type FrostMessages } from "./request.ts";
export { dealReshare, finishReshare, type FrostReshare } from "./reshare.ts";
export { type SigningNonces, SigningPackage } from "./sign.ts";

export interface Frost {
  /** A trusted dealer's messages, one for each member, secret; of `secret` (a scalar, 32 bytes) or a new key. */
  deal(agreed: FrostAgreement, secret?: Uint8Array): Map<number, Uint8Array>;
  /** Checks and takes what a dealer sent. */
  accept(
    agreed: FrostAgreement,
    dealt: { readonly member: number; readonly message: Uint8Array },
  ): FrostMembership;
  /** Begins one member's part in a distributed key generation. */
  generate(agreed: FrostAgreement, member: number): DistributedKeyGeneration;
  judgeComplaint(complaint: FrostComplaint): "accused" | "accuser";
  /** From `FrostShare.exportSecret`, which the caller wipes. */
  importShare(stored: Uint8Array): FrostShare;
  /** From `FrostGroup.encoded`. */
  importGroup(encoded: Uint8Array): FrostGroup;
  /** How many shares, groups, nonces, packages and ceremonies are open. */
  readonly handles: number;
}

/** Opens FROST on an instance of the WASM module of its own; what one opened makes works with no other. */
export function openFrost(options: RuntimeOptions = {}): Frost {
  return frostOn(new Runtime(options));
}

/** FROST on an instance that others use too. */
export function frostOn(runtime: Runtime): Frost {
  return {
    deal: (agreed, secret) => deal(runtime.instance, agreed, secret),
    accept: (agreed, dealt) => acceptDealt(runtime.instance, agreed, dealt),
    generate: (agreed, member) => new DistributedKeyGeneration(runtime.instance, agreed, member),
    judgeComplaint: (complaint) => judgeComplaint(runtime.instance, complaint),
    importShare: (stored) => FrostShare.import(runtime.instance, stored),
    importGroup: (encoded) => FrostGroup.import(runtime.instance, encoded),
    get handles() {
      return runtime.instance.handles;
    },
  };
}
