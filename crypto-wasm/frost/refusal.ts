import { CryptoError } from "../error.ts";

/** Why, by the number that rust/src/frost/fault.rs gives it. */
const REASONS = [
  "",
  "malformed",
  "replayed",
  "misdirected",
  "missing",
  "not-member",
  "bad-proof",
  "bad-share",
  "bad-signature",
  "bad-numbers",
  "other-group",
  "other-nonces",
] as const;

/**
 * `malformed` no message of the kind that is due · `replayed` of another ceremony or signing · `misdirected` names
 * another sender or recipient · `missing` not there · `not-member` of nobody who takes part, or twice ·
 * `bad-proof` of possession · `bad-share` that its sender's commitment contradicts · `bad-signature` share of a
 * signature · `bad-numbers` that no group can have or that weren't agreed · `other-group` or from before a refresh ·
 * `other-nonces` than those that the package commits to.
 */
export type FrostReason = Exclude<(typeof REASONS)[number], "">;

/** A message or step that FROST refuses, and the members whose messages are to blame (0 is a dealer). */
export class FrostRefusal extends CryptoError {
  /** What was refused, as its message says it. */
  readonly doing: string;
  readonly reason: FrostReason;
  /** Ascending; empty where nobody's message is to blame. */
  readonly culprits: readonly number[];

  constructor(doing: string, reason: FrostReason, culprits: readonly number[]) {
    const whose = culprits.length === 0 ? "" : `, because of ${culprits.join(", ")}`;
    super("protocol", `Cannot ${doing}: ${reason}${whose}`);
    this.doing = doing;
    this.reason = reason;
    this.culprits = culprits;
  }
}

/** The refusal that an answer of the module describes: reason, count, members of 16 bits. */
export function parseRefusal(doing: string, answer: Uint8Array): FrostRefusal {
  const reason = REASONS[answer[0] ?? 0];
  if (reason === undefined || reason === "") {
    throw new CryptoError("backend", `The WASM module refused to ${doing} for no known reason`);
  }
  const culprits: number[] = [];
  for (let i = 0; i < (answer[1] ?? 0); i++) {
    culprits.push((answer[2 + 2 * i] ?? 0) | ((answer[3 + 2 * i] ?? 0) << 8));
  }
  return new FrostRefusal(doing, reason, culprits);
}
