import { emptyPskIndex, processPrivateMessage } from "ts-mls";
import { decryptSenderData } from "ts-mls/privateMessage.js";
import type { EntryId } from "../ground/mod.ts";
import { type Content, decodeContent } from "./content.ts";
import { type Member, membersOf } from "./member.ts";
import { openOuter, type Step } from "./message.ts";
import { clientState, type Mls } from "./mls.ts";
import type { Conversation } from "./state.ts";

/** A plain entry, opened or not. What can't be opened changes nothing; members go on with the next. */
export type Opened =
  | (Step & { readonly is: "message"; readonly sender: Member; readonly content: Content })
  /** `own`: it says that it is from this device. */
  | (Step & { readonly is: "unreadable"; readonly why: string; readonly own: boolean });

/**
 * Opens the plain entry of another device that comes next in the log. Own entries are known by their id and don't
 * come here, since MLS can't open what it sealed itself; those that do show that this state is older than they are.
 */
export async function openPlain(
  mls: Mls,
  state: Conversation,
  plain: { id: EntryId; entry: Uint8Array },
): Promise<Opened> {
  let own = false;
  const unreadable = (why: string): Opened => ({ is: "unreadable", why, own, state, consumed: [] });
  const message = await openOuter(mls, state, { ...plain, kind: "plain" });
  if (message === null) return unreadable("it isn't sealed for this epoch");
  if (message.contentType !== "application") return unreadable(`it carries MLS ${message.contentType}`);
  try {
    const senderData = await decryptSenderData(message, state.group.keySchedule.senderDataSecret, mls.suite);
    own = senderData?.leafIndex === state.group.privatePath.leafIndex;
    const sender = membersOf(mls, state.group).find((member) => member.leaf === senderData?.leafIndex);
    if (sender === undefined) return unreadable("its sender is no member");
    const result = await processPrivateMessage(
      clientState(mls, state.group),
      message,
      emptyPskIndex,
      mls.suite,
    );
    if (result.kind !== "applicationMessage") return unreadable("it isn't an application message");
    const content = decodeContent(result.message);
    if (!mls.crypto.equal(content.id, plain.id)) return unreadable("it was written under another id");
    const { clientConfig: _, ...group } = result.newState;
    return { is: "message", sender, content, state: { ...state, group }, consumed: result.consumed };
  } catch (error) {
    return unreadable(error instanceof Error ? error.message : "it can't be opened");
  }
}
