import { Fault } from "../ground/mod.ts";

/**
 * too-large: it doesn't fit into an entry · malformed: bytes that aren't what they should be · member: a device
 * whose certificate or reader key doesn't hold · package, welcome, invite: what one of these says doesn't hold.
 */
export type ConversationCode =
  | "conversation/too-large"
  | "conversation/malformed"
  | "conversation/member"
  | "conversation/package"
  | "conversation/welcome"
  | "conversation/invite";

/** A Fault of this folder; messages never hold text or keys. */
export function fault<Code extends ConversationCode>(
  code: Code,
  message: string,
  cause?: unknown,
): Fault<Code> {
  return new Fault(code, message, cause === undefined ? undefined : { cause });
}
