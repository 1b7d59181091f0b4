import { type GroupState, type LeafNode } from "ts-mls";
import { publicKey, type PublicKey } from "../ground/mod.ts";
import { fault } from "./fault.ts";
import { type Mls, READER_KEY_EXTENSION } from "./mls.ts";

/** A device in a conversation. */
export interface Member {
  readonly leaf: number;
  readonly identity: PublicKey;
  /** By which the identity says that the device speaks for it. */
  readonly certificate: Uint8Array;
  /** The device's own key, which signs its MLS messages. */
  readonly device: PublicKey;
  /** Owns the device's cursor in the conversation's mailbox. */
  readonly reader: PublicKey;
}

/** The device behind an MLS leaf; throws Fault<"conversation/member"> where certificate or reader key don't hold. */
export function memberOfLeaf(mls: Mls, node: { leaf: LeafNode; index: number }): Member {
  const { leaf, index } = node;
  const { credential } = leaf;
  const identity =
    credential.credentialType === "basic"
      ? mls.checkMember(credential.identity, leaf.signaturePublicKey)
      : null;
  if (identity === null || credential.credentialType !== "basic") {
    throw fault("conversation/member", `The device certificate of member ${index} does not hold`);
  }
  const reader = leaf.extensions.find((extension) => extension.extensionType === READER_KEY_EXTENSION);
  if (reader?.extensionData.length !== 32) {
    throw fault("conversation/member", `Member ${index} names no reader key`);
  }
  return {
    leaf: index,
    identity,
    certificate: credential.identity.slice(),
    device: publicKey(leaf.signaturePublicKey.slice()),
    reader: publicKey(reader.extensionData.slice()),
  };
}

/** All devices of a conversation, by leaf. */
export function membersOf(mls: Mls, group: GroupState): Member[] {
  return group.ratchetTree.flatMap((node, at) =>
    node?.nodeType === "leaf" ? [memberOfLeaf(mls, { leaf: node.leaf, index: at / 2 })] : [],
  );
}
