/**
 * What the relay answers to an append: a promise, which has to be of the entry that went out. Its leaf holds a time
 * that only the log tells, so what isn't compared here is when the log shows the entry (intake.ts).
 */
import type { Keeper, KeptConversation, KeptOutgoing } from "../conversation/mod.ts";
import { sameHash } from "../merkle/mod.ts";
import type { AppendPromise, SignedPromise } from "../wire/mod.ts";
import { conversationOf, type Device } from "./device.ts";
import { brokenBefore } from "./evidence.ts";
import type { Line } from "./line.ts";
import { untrue } from "./log.ts";

/**
 * Notes where the relay promised to keep `own`; false where that is further on than the log is known, as it is when
 * others have written, or this device itself before its database was set back. Throws Fault<"client/untrue"> where the
 * promise is of something else.
 */
export function noteSent(
  { device, session }: Line,
  own: KeptOutgoing,
  answer: { readonly promise: AppendPromise; readonly asked: number },
): Promise<boolean> {
  const { promise, asked } = answer;
  const signed = { certificate: session.certificate, promise };
  return device.store.transact((keeper) => {
    const now = keeper.outgoing(own.conversation, own.id);
    // Another process may have read it in the log meanwhile.
    if (now === null || now.sent !== null) return true;
    const conversation = conversationOf(keeper, own.conversation);
    // Or gone over to a generation that lacks it: then it goes out once more.
    if (conversation.position.generation !== asked) return true;
    checkPromise(device, keeper, conversation, { own, signed });
    const { generation, seq, leaf } = promise;
    const ends = keeper.sent(own.conversation).map(({ sent }) => (sent === null ? 0 : sent.seq + 1));
    keeper.putOutgoing({ ...now, sent: { generation, seq, leaf } });
    keeper.putPromise(own.conversation, own.id, signed);
    const message = keeper.message(own.conversation, own.id);
    if (message !== null) keeper.putMessage({ ...message, generation, seq });
    return seq <= Math.max(conversation.position.size, ...ends);
  });
}

/** An entry that was kept before a restore keeps its generation, so a promise may be of an earlier one. */
function checkPromise(
  { crypto }: Device,
  keeper: Keeper,
  { id, name, position }: KeptConversation,
  { own, signed }: { own: KeptOutgoing; signed: SignedPromise },
): void {
  const { promise } = signed;
  const { generation, seq } = promise;
  const caught = (what: string) =>
    untrue(what, { evidence: brokenBefore(crypto, keeper, { id, promise: signed }) });
  if (generation > position.generation) {
    throw untrue(
      `it promised an entry in generation ${generation} of ${name}, which is in ${position.generation}`,
    );
  }
  if (keeper.sent(id).some(({ sent }) => sent?.seq === seq)) {
    throw caught(`it promised number ${seq} of ${name} for two entries of ours`);
  }
  if (seq >= position.size) return;
  const there = keeper.leaf(id, { generation: position.generation, seq });
  // Null where this device never saw what stands there.
  if (there === null) return;
  if (!sameHash(there.leaf, promise.leaf) || !own.id.every((byte, at) => byte === there.id[at])) {
    throw caught(`it promised number ${seq} of ${name} to us, where another entry stands`);
  }
}
