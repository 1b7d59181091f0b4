import type { Keeper, KeptConversation, KeptInvite } from "../conversation/mod.ts";
import { type PublicKey } from "../ground/mod.ts";
import { safetyNumber } from "../identity/mod.ts";
import { fault } from "./fault.ts";
import type { Device } from "./device.ts";
import { isWaiting } from "./inbox.ts";

const NAME_CHARACTERS_MAX = 64;
/** Who wrote what this device's person wrote, to people and to scripts. */
export const OWN_NAME = "me";

/**
 * A name that people may give: one line that prints, without spaces at its ends, that nobody takes for their own;
 * throws Fault<"client/name">.
 */
export function parseName(text: string): string {
  const isPlain = text === text.trim() && text.length > 0 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text);
  if (!isPlain || text.length > NAME_CHARACTERS_MAX) {
    throw fault(
      "client/name",
      `A name is one line of 1 to ${NAME_CHARACTERS_MAX} characters without spaces around it, got ${JSON.stringify(text)}`,
    );
  }
  if (folded(text) === OWN_NAME) {
    throw fault(
      "client/name",
      `${JSON.stringify(text)} is what stands beside your own messages; choose another with --name`,
    );
  }
  return text;
}

/** What two names have in common that people would take for one another: case, and how accents are composed. */
function folded(name: string): string {
  return name.normalize("NFKC").toLowerCase();
}

/** The conversation's name that `name` could be taken for, or undefined. */
function takenBy(keeper: Keeper, name: string): string | undefined {
  const wanted = folded(name);
  return keeper.conversations().find((one) => folded(one.name) === wanted)?.name;
}

/**
 * Throws Fault<"client/name"> where a conversation or an invitation that waits and isn't over has the name, or one that
 * looks alike.
 */
export function assertFree(keeper: Keeper, { name, nowMs }: { name: string; nowMs: number }): void {
  const wanted = folded(name);
  const has = (one: KeptInvite) => one.name !== null && folded(one.name) === wanted;
  const waiting = keeper.invites().find((one) => has(one) && isWaiting(one) && one.invite.expiresMs > nowMs);
  const taken = takenBy(keeper, name) ?? waiting?.name ?? null;
  if (taken !== null) {
    throw fault("client/name", `There is a ${JSON.stringify(taken)} already; choose another with --name`);
  }
}

/** The conversation that is called `name`; throws Fault<"client/unknown"> naming those that there are. */
export function conversationNamed(keeper: Keeper, name: string): KeptConversation {
  const all = keeper.conversations();
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  if (keeper.invites().some((one) => one.name === name && isWaiting(one))) {
    throw fault(
      "client/unknown",
      `Your invitation to ${JSON.stringify(name)} waits: receive looks whether it was accepted, and then you can write`,
    );
  }
  const names = all.map((one) => one.name).join(", ");
  throw fault(
    "client/unknown",
    `There is no conversation with ${JSON.stringify(name)}${names === "" ? "; invite somebody first" : `; there are: ${names}`}`,
  );
}

/** The name that was wanted, else one made from the safety number; made unique by a number at its end. */
export function freeName(
  device: Device,
  keeper: Keeper,
  wanted: { name: string | null; peer: PublicKey },
): string {
  const groups = safetyNumber(device.crypto, device.identity, wanted.peer).split(" ");
  const base = wanted.name ?? `${groups[0]}-${groups[6]}`;
  for (let count = 1; ; count++) {
    const name = count === 1 ? base : `${base}-${count}`;
    if (takenBy(keeper, name) === undefined) return name;
  }
}
