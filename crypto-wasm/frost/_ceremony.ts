/** For tests: whole ceremonies among members that all behave, and what makes one of them misbehave. */
import type { DistributedKeyGeneration } from "./generate.ts";
import type { FrostGroup, FrostShare, FrostMembership } from "./key.ts";
import {
  type FrostAgreement,
  dealReshare,
  finishRepair,
  finishReshare,
  type Frost,
  FrostRefusal,
  type FrostRepair,
  repairDeltas,
  repairSigma,
  type FrostReshare,
  SigningPackage,
} from "./mod.ts";

export type Members = ReadonlyMap<number, FrostMembership>;

export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** 32 fresh bytes and the members 1 to n. */
export function agreed(n: number, threshold: number): FrostAgreement {
  return { session: randomBytes(32), members: Array.from({ length: n }, (_, i) => i + 1), threshold };
}

/** The entry of `key`, which must be there. */
export function get<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`nothing at ${String(key)}`);
  return value;
}

/** `map` without `key`. */
export function without<V>(map: ReadonlyMap<number, V>, key: number): Map<number, V> {
  return new Map([...map].filter(([other]) => other !== key));
}

/** `map` with another value at `key`. */
export function replaced<V>(map: ReadonlyMap<number, V>, key: number, value: V): Map<number, V> {
  return new Map([...map].map(([other, old]) => [other, other === key ? value : old]));
}

/** What each of `senders` sent to `to`. */
export function inbox(
  outboxes: ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>,
  to: number,
): Map<number, Uint8Array> {
  return new Map(
    [...outboxes].flatMap(([from, outbox]) => {
      const message = outbox.get(to);
      return message === undefined ? [] : [[from, message] as const];
    }),
  );
}

/** `bytes` with one bit of the byte at `at` (from the end where negative) turned. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  const place = at < 0 ? copy.length + at : at;
  copy[place] = (copy[place] ?? 0) ^ 1;
  return copy;
}

/** The refusal that `work` throws; anything else fails. */
export function refusal(work: () => unknown): FrostRefusal {
  try {
    work();
  } catch (error) {
    if (error instanceof FrostRefusal) return error;
    throw error;
  }
  throw new Error("was not refused");
}

/** Shares from a dealer, accepted by all. */
export function dealtMembers(frost: Frost, settings: FrostAgreement, secret?: Uint8Array): Members {
  const dealt = frost.deal(settings, secret);
  return new Map(
    [...dealt].map(([member, message]) => [member, frost.accept(settings, { member, message })]),
  );
}

/** A key generation after its second step: each member's part, and what it has for each other. */
export interface Sharing {
  readonly parts: ReadonlyMap<number, DistributedKeyGeneration>;
  readonly commitments: ReadonlyMap<number, Uint8Array>;
  readonly shares: ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>;
}

export function shareOut(frost: Frost, settings: FrostAgreement): Sharing {
  const parts = new Map(settings.members.map((member) => [member, frost.generate(settings, member)]));
  const commitments = new Map([...parts].map(([member, part]) => [member, part.commitment]));
  const shares = new Map(
    [...parts].map(([member, part]) => [member, part.share(without(commitments, member))]),
  );
  return { parts, commitments, shares };
}

export function generatedMembers(frost: Frost, settings: FrostAgreement): Members {
  const { parts, shares } = shareOut(frost, settings);
  return new Map([...parts].map(([member, part]) => [member, part.finish(inbox(shares, member))]));
}

/** A signing up to its second round: the package and every signer's share of the signature. */
export interface Signing {
  readonly signing: SigningPackage;
  readonly shares: ReadonlyMap<number, Uint8Array>;
}

export function signAll(
  members: readonly FrostMembership[],
  group: FrostGroup,
  message: Uint8Array,
): Signing {
  const session = randomBytes(32);
  const first = members.map(({ share }) => ({ share, ...share.commit(session) }));
  const commitments = new Map(first.map(({ share, commitments }) => [share.member, commitments]));
  const signing = SigningPackage.open({ group, session, commitments, message });
  const shares = new Map(first.map(({ share, nonces }) => [share.member, signing.sign(share, nonces)]));
  return { signing, shares };
}

/** A signature of `signers` with the group as the first of them knows it. */
export function signature(members: Members, signers: readonly number[], message: Uint8Array): Uint8Array {
  const all = signers.map((signer) => get(members, signer));
  const [first] = all;
  if (first === undefined) throw new Error("nobody signs");
  const { signing, shares } = signAll(all, first.group, message);
  using _ = signing;
  return signing.aggregate(shares);
}

/** All helpers' messages of a repair. */
export function repairMessages(repair: FrostRepair, members: Members) {
  const helpers = new Map(
    repair.helpers.map((helper) => [helper, repairDeltas(repair, get(members, helper).share)]),
  );
  const commitments = new Map([...helpers].map(([helper, { commitment }]) => [helper, commitment]));
  const deltas = new Map([...helpers].map(([helper, sent]) => [helper, sent.deltas]));
  const sigmas = new Map(
    repair.helpers.map((helper) => [
      helper,
      repairSigma(repair, { helper, commitments, deltas: inbox(deltas, helper) }),
    ]),
  );
  return { commitments, deltas, sigmas };
}

export function repaired(repair: FrostRepair, members: Members): FrostShare {
  return finishRepair(repair, repairMessages(repair, members));
}

/** All dealers' messages of a resharing. */
export function reshareMessages(reshare: FrostReshare, members: Members) {
  const dealt = new Map(
    reshare.dealers.map((dealer) => [dealer, dealReshare(reshare, get(members, dealer).share)]),
  );
  const commitments = new Map([...dealt].map(([dealer, { commitment }]) => [dealer, commitment]));
  const shares = new Map([...dealt].map(([dealer, sent]) => [dealer, sent.shares]));
  return { commitments, shares };
}

export function resharedMembers(reshare: FrostReshare, members: Members): Members {
  const { commitments, shares } = reshareMessages(reshare, members);
  return new Map(
    reshare.members.map((member) => [
      member,
      finishReshare(reshare, { member, commitments, shares: inbox(shares, member) }),
    ]),
  );
}

/** Every way to take `k` of `items`. */
export function choices<T>(items: readonly T[], k: number): T[][] {
  if (k === 0) return [[]];
  return items.flatMap((item, i) => choices(items.slice(i + 1), k - 1).map((rest) => [item, ...rest]));
}
