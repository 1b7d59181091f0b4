import { createApplicationMessage, decodeMlsMessage, encodeMlsMessage, type PrivateMessage } from "ts-mls";
import { type EntryId, isFault } from "../ground/mod.ts";
import { fault } from "./fault.ts";
import { type Content, encodeContent } from "./content.ts";
import { outerKey } from "./epoch.ts";
import { clientState, type Mls } from "./mls.ts";
import { whole } from "./package.ts";
import { openSealed, sealEntry } from "./seal.ts";
import type { Conversation } from "./state.ts";

/** What every step returns: the state after it, and secrets that are to be wiped once that state is kept. */
export interface Step {
  readonly state: Conversation;
  readonly consumed: readonly Uint8Array[];
}

/** Seals the bytes of an MLS message for the group's epoch as it stands. */
export async function sealOuter(
  mls: Mls,
  state: Conversation,
  sealed: { id: EntryId; kind: "plain" | "control"; message: Uint8Array },
): Promise<Uint8Array> {
  const key = await outerKey(mls, state.group);
  try {
    return sealEntry(mls.crypto, key, { ...sealed, mailbox: state.mailbox });
  } finally {
    mls.crypto.wipe(key);
  }
}

/** The private MLS message of this epoch inside `entry`, or null where there is none. */
export async function openOuter(
  mls: Mls,
  state: Conversation,
  sealed: { id: EntryId; kind: "plain" | "control"; entry: Uint8Array },
): Promise<PrivateMessage | null> {
  const key = await outerKey(mls, state.group);
  const bytes = openSealed(mls.crypto, key, { ...sealed, mailbox: state.mailbox });
  mls.crypto.wipe(key);
  const message = bytes === null ? null : whole(decodeMlsMessage, bytes);
  if (message?.wireformat !== "mls_private_message") return null;
  return message.privateMessage.epoch === state.group.groupContext.epoch ? message.privateMessage : null;
}

/**
 * Seals what this device says into an entry for the current turn, without its head where the text leaves no room
 * for it. Throws Fault<"conversation/too-large"> naming the size that would still go.
 */
export async function sealContent(
  mls: Mls,
  state: Conversation,
  content: Content,
): Promise<Step & { readonly entry: Uint8Array }> {
  const bytes = encodeContent(content);
  const sent = await createApplicationMessage(clientState(mls, state.group), bytes, mls.suite);
  const { clientConfig: _, ...group } = sent.newState;
  const message = encodeMlsMessage({
    version: "mls10",
    wireformat: "mls_private_message",
    privateMessage: sent.privateMessage,
  });
  const next: Conversation = { ...state, group };
  try {
    const entry = await sealOuter(mls, state, { id: content.id, kind: "plain", message });
    return { state: next, entry, consumed: sent.consumed };
  } catch (error) {
    if (!isFault(error, "conversation/too-large")) throw error;
    // What went once goes again in a later epoch, when there is a head to carry.
    if (content.head !== null) return sealContent(mls, state, { ...content, head: null });
    const textBytes = new TextEncoder().encode(content.text).length;
    throw fault(
      "conversation/too-large",
      `Cannot send a text of ${textBytes} bytes: ${error.message}`,
      error,
    );
  }
}
