/** The rules of mailboxes: pure decisions, the port of what they need, and checks of what relays say. */
export { type ClockTrust, jumpedMs, readClock } from "./clock_trust.ts";
export { decideBatch } from "./decide.ts";
export { type Evidence, evidenceFlaw, type EvidenceSubject, subjectOf, timesOf } from "./evidence.ts";
export { evidenceFields, type MailboxCode, parseEvidence } from "./evidence_document.ts";
export { nextGeneration } from "./generation.ts";
export { entryLeaf } from "./leaf.ts";
export { type Asked, isAsked, type LoadKeys, loadKeys, packageKeys, type PackageKeys } from "./load.ts";
export type * from "./outcome.ts";
export type * from "./port.ts";
export { mayGo, passedBy, type SweepView } from "./sweep.ts";
export {
  headsConflict,
  isPromiseOf,
  promiseLeaf,
  promiseRoot,
  type Verifier,
  verifyCertificate,
  verifyGeneration,
  verifyHead,
  verifyPromise,
  verifyReceipt,
} from "./verify.ts";
