/**
 * Conversations as pure steps: pairs and their devices on MLS, the outer seal, invitations. Each step takes a state
 * and returns the next one with what is to be sent and what is to be wiped; who keeps and sends is core/client.
 */
export { joined, type Part, Reader } from "./bytes.ts";
export { type ControlStep, openControl, pendingChange, proposeUpdate, writerKey } from "./commit.ts";
export { type Content, CONTENT_TIME_MS_MAX, decodeContent, encodeContent, type SeenHead } from "./content.ts";
export { outerKey, writerSeed } from "./epoch.ts";
export type { ConversationCode } from "./fault.ts";
export { type InboxEntry, openFromInbox, openTaken, sealForInbox } from "./inbox.ts";
export {
  bundleHash,
  encodeInvite,
  INVITE_LIFE_MS,
  INVITE_SECRET_BYTES,
  type Invite,
  inviteKeys,
  parseInvite,
} from "./invite.ts";
export type * from "./kept.ts";
export { type Member, membersOf } from "./member.ts";
export { sealContent, type Step } from "./message.ts";
export { type MemberCheck, type Mls, openMls } from "./mls.ts";
export { openPlain, type Opened } from "./open.ts";
export {
  decodeOwnPackage,
  type DeviceKeys,
  encodeOwnPackage,
  encodePackage,
  makePackage,
  type OwnPackage,
} from "./package.ts";
export { foundPair, joinPair } from "./pair.ts";
export {
  ADDRESSES_MAX,
  decodePairInfo,
  decodePlace,
  encodePairInfo,
  encodePlace,
  type MailboxPlace,
  type PairInfo,
} from "./place.ts";
export {
  changedRatchets,
  type Conversation,
  decodeGroup,
  decodePending,
  decodeWholeGroup,
  encodeGroup,
  encodePending,
  encodeSnapshot,
  type PendingCommit,
  type Ratchet,
} from "./state.ts";
