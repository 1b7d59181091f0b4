import { Fault } from "../ground/mod.ts";
import type { Evidence } from "../mailbox/mod.ts";
import type { Hash } from "../ground/mod.ts";
import type { Refusal, SignedPromise } from "../wire/mod.ts";

/**
 * unknown: no such conversation · name: a name that can't be had · invite: an invitation that isn't good any more ·
 * untrue: a relay was caught at a contradiction · damaged: the database lacks something · keys: others change the
 * keys faster than we write · refused: the relay won't, and nothing here can mend it · astray: the
 * device can't follow a change of keys · ended: the mailbox
 * was deleted · away: it is going, and will
 * be back.
 */
export type ClientCode =
  | "client/unknown"
  | "client/name"
  | "client/invite"
  | "client/untrue"
  | "client/damaged"
  | "client/keys"
  | "client/refused"
  | "client/astray"
  | "client/ended"
  | "client/away";

/** A Fault of this folder; messages never hold text or keys. */
export function fault<Code extends ClientCode>(code: Code, message: string): Fault<Code> {
  return new Fault(code, message);
}

/** What it takes to show to others what the relay was caught at. */
export interface UntrueProof {
  readonly evidence?: Evidence | null;
  /** A promise, and the leaf that stands in its place: evidence, once a head has it. */
  readonly doubt?: { readonly promise: SignedPromise; readonly leaf: Hash } | null;
}

/** A relay was caught at a contradiction. */
export class Untrue extends Fault<"client/untrue"> {
  readonly evidence: Evidence | null;
  readonly doubt: NonNullable<UntrueProof["doubt"]> | null;

  constructor(message: string, { evidence = null, doubt = null }: UntrueProof = {}) {
    super("client/untrue", message);
    this.evidence = evidence;
    this.doubt = doubt;
  }
}

const WHY: Partial<Record<Refusal["code"], string>> = {
  denied: "the relay doesn't know the mailbox, or its keys have changed",
  full: "the mailbox is full until its readers have read",
  expired: "this machine's clock is too far from the relay's",
  lapsed: "what was there went before it was read",
  draining: "the relay is stopping",
  busy: "the relay can't take it now",
  unavailable: "the relay can't keep anything now",
};

/** Refusals that pass by themselves: what they stopped is left for later. */
const PASSING: ReadonlySet<Refusal["code"]> = new Set(["draining", "busy", "unavailable"]);

/** What a refusal means to whoever waits, where nothing here can mend it. */
export function refusedFault(what: string, refusal: Refusal): Fault<"client/refused" | "client/away"> {
  const why = WHY[refusal.code] ?? `the relay says ${refusal.code}`;
  return fault(PASSING.has(refusal.code) ? "client/away" : "client/refused", `Cannot ${what}: ${why}`);
}
