/**
 * What a relay has signed, kept as long as it can be held against it: the promise of each entry of ours until a head is
 * known that has the entry, and the last head that we have verified. Where the relay breaks its word, what of that
 * shows it to others is kept with the alarm.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import type { Keeper, KeptEvidence, Position } from "../conversation/mod.ts";
import { type Hash, hash, isFault } from "../ground/mod.ts";
import { type Evidence, evidenceFields, evidenceFlaw, parseEvidence, subjectOf } from "../mailbox/mod.ts";
import { firstRootOf, proveFrom, rootFromPath, rootOf, sameHash } from "../merkle/mod.ts";
import type { SignedHead, SignedPromise } from "../wire/mod.ts";
import { type Device, putAlarm } from "./device.ts";
import { Untrue } from "./fault.ts";
import { entryAt } from "./lapse.ts";
import { leafOf, untrue } from "./log.ts";
import { ask, current, type Line } from "./line.ts";
import { conversationNamed } from "./name.ts";

/** Pieces that a conversation keeps, the first ones: a relay can break its word as often as it likes. */
const EVIDENCE_MAX = 16;

/** `evidence`, where anybody would find it proven. */
function proven(crypto: Crypto, evidence: Evidence): Evidence | null {
  return evidenceFlaw(crypto, evidence) === null ? evidence : null;
}

/**
 * Compares a signed head with the log as far as we have it, and keeps it where it is of just that. Throws
 * Fault<"client/untrue"> where it is of the same size and another log.
 */
export function takeHead(
  crypto: Crypto,
  keeper: Keeper,
  { id, position, signed }: { id: number; position: Position; signed: SignedHead },
): void {
  const { generation, size, root } = signed.head;
  if (generation !== position.generation || size !== position.size) return;
  const known = keeper.head(id);
  if (!sameHash(root, rootOf(crypto.hash, position.peaks))) {
    const evidence = known && proven(crypto, { kind: "heads", first: known, second: signed });
    throw untrue(`its signed head at ${size} is not that of the entries it gave us`, { evidence });
  }
  if (size === 0 || (known?.head.generation === generation && known.head.size === size)) return;
  keeper.putHead(id, signed);
  keeper.dropPromises(id, size);
}

/** That `promise` is broken by `signed`, whose tree has these peaks at `size` and goes on with `leaves`. */
export function brokenBy(
  crypto: Crypto,
  promise: SignedPromise,
  tree: {
    readonly peaks: readonly Hash[];
    readonly size: number;
    readonly leaves: readonly Hash[];
    readonly signed: SignedHead | null;
  },
): Evidence | null {
  const { seq } = promise.promise;
  const leaf = tree.leaves[seq - tree.size];
  const path = proveFrom(crypto.hash, tree, seq);
  if (tree.signed === null || leaf === undefined || path === null) return null;
  return proven(crypto, { kind: "broken", first: promise, second: tree.signed, leaf, path });
}

/** That `promise` can't be true, by what the relay has signed before; null where that doesn't show it. */
export function brokenBefore(
  crypto: Crypto,
  keeper: Keeper,
  { id, promise }: { id: number; promise: SignedPromise },
): Evidence | null {
  const { generation, seq } = promise.promise;
  for (const { sent, id: entry } of keeper.sent(id)) {
    const first = sent?.seq === seq ? keeper.promise(id, entry) : null;
    const both = first && proven(crypto, { kind: "promises", first, second: promise });
    if (both !== null) return both;
  }
  const signed = keeper.head(id);
  if (signed === null || signed.head.generation !== generation || signed.head.size <= seq) return null;
  const leaves = keeper.leaves(id, { generation, size: signed.head.size });
  return brokenBy(crypto, promise, { peaks: [], size: 0, leaves, signed });
}

/**
 * What `error` is with proof, where it is about a promise and `signed` is a head of a log that broke it: the relay
 * itself is asked for the path. `error` alone where it doesn't give one.
 */
export async function withPath(line: Line, error: unknown, signed: SignedHead): Promise<unknown> {
  if (!(error instanceof Untrue) || error.evidence !== null || error.doubt === null) return error;
  const { promise, leaf } = error.doubt;
  const { readerSeed } = await current(line);
  const body = { op: "proveInclusion", seq: promise.promise.seq, size: signed.head.size } as const;
  const path = await pathFor(line, readerSeed, body);
  if (path === null) return error;
  const broken = { kind: "broken", first: promise, second: signed, leaf, path } as const;
  return new Untrue(error.message, { evidence: proven(line.device.crypto, broken) });
}

/**
 * That the log of `signed` doesn't begin with that of the head which the relay signed before, by what the relay itself
 * answers; null where there is no such head, or it doesn't answer so.
 */
export async function rewritten(line: Line, signed: SignedHead): Promise<Evidence | null> {
  const { device, id } = line;
  const { crypto } = device;
  const known = await device.store.transact((keeper) => keeper.head(id));
  if (known === null || known.head.generation !== signed.head.generation) return null;
  const { readerSeed } = await current(line);
  const [first, { size, root }] = [known.head.size, signed.head];
  if (!(first < size)) return null;
  const path = await pathFor(line, readerSeed, { op: "proveConsistency", from: first, to: size });
  if (path === null) return null;
  const begins =
    firstRootOf(crypto.hash, { first, size, root, proof: path }) ??
    (await firstRootFrom(line, { first, size }));
  if (begins === null) return null;
  return proven(crypto, { kind: "rewritten", first: known, second: signed, root: begins, path });
}

/** Where the first entries make a perfect tree, no proof of consistency has its root, but its last entry's path leads there. */
async function firstRootFrom(
  line: Line,
  { first, size }: { first: number; size: number },
): Promise<Hash | null> {
  const { crypto } = line.device;
  const { readerSeed } = await current(line);
  const path = await pathFor(line, readerSeed, { op: "proveInclusion", seq: first - 1, size });
  const last = await entryAt(line, first - 1).catch(nullUnlessAborted);
  if (path === null || last === null) return null;
  const steps = path.slice(0, Math.log2(first));
  return rootFromPath(crypto.hash, {
    index: first - 1,
    size: first,
    leaf: leafOf(crypto, last),
    path: steps,
  });
}

async function pathFor(
  line: Line,
  seed: Uint8Array,
  body: Extract<Parameters<typeof ask>[2], { op: "proveInclusion" | "proveConsistency" }>,
): Promise<Hash[] | null> {
  const result = await ask(line, seed, body).catch(nullUnlessAborted);
  return result?.is === "proof" ? result.path.map((step) => hash(step)) : null;
}

/** Who was caught may break off as well: what it was caught at is told all the same. */
function nullUnlessAborted(error: unknown): null {
  if (isFault(error)) return null;
  throw error;
}

/** Notes with the conversation that its relay was caught, where `error` says so, and what shows it to others. */
export async function noteUntrue(device: Device, id: number, error: unknown): Promise<void> {
  if (!isFault(error, "client/untrue") && !isFault(error, "session/untrue")) return;
  await device.store.transact((keeper) => {
    putAlarm(keeper, id, error.message);
    if (error instanceof Untrue && error.evidence !== null) putEvidence(device, keeper, id, error.evidence);
  });
}

/** Once for each number that it is about. */
function putEvidence(device: Device, keeper: Keeper, id: number, evidence: Evidence): void {
  const kept = keeper.evidence(id);
  if (kept.length >= EVIDENCE_MAX || kept.some((one) => isAlike(parseEvidence(one.document), evidence)))
    return;
  const document = JSON.stringify(evidenceFields(evidence));
  keeper.addEvidence({ conversation: id, foundMs: device.clock.now(), document });
}

function isAlike(one: Evidence, other: Evidence): boolean {
  const [a, b] = [subjectOf(one), subjectOf(other)];
  return one.kind === other.kind && a.generation === b.generation && a.number === b.number;
}

/** Evidence with the name of its conversation. */
export interface NamedEvidence extends Pick<KeptEvidence, "foundMs" | "document"> {
  readonly name: string;
}

/** What is kept of the conversation `name`, or of one after another. Throws Fault<"client/unknown">. */
export function evidenceIn(keeper: Keeper, name?: string): readonly NamedEvidence[] {
  const those = name === undefined ? keeper.conversations() : [conversationNamed(keeper, name)];
  return those.flatMap((one) =>
    keeper.evidence(one.id).map(({ foundMs, document }) => ({ name: one.name, foundMs, document })),
  );
}
