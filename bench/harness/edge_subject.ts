/** The hosts that the edge's benchmarks compare: ours first, then the peers that can be built here. */
import { join } from "node:path";
import { openPeer, type Peer, PEER_VERSIONS, type PeerName } from "./peer.ts";
import type { Context } from "./result.ts";
import { openSubject, type Subject } from "./subject.ts";

export type HostName = "dchat" | PeerName;

export interface Host {
  readonly name: HostName;
  readonly subject: Subject;
  readonly address: string;
}

/** Ours, js-libp2p, and where every peer takes part those that other toolchains build. */
export function hostsFor({ everyPeer }: Pick<Context, "everyPeer">): readonly HostName[] {
  return everyPeer ? ["dchat", "js-libp2p", "go-libp2p", "rust-libp2p"] : ["dchat", "js-libp2p"];
}

/** Starts a host; null where the toolchain of a peer is missing here. */
export async function openHost(name: HostName): Promise<Host | Peer | null> {
  return name === "dchat" ? openEdgeHost([]) : openPeer(name);
}

/** Starts dchat's own edge; `args` are those of bench/peer/dchat_edge.ts. */
export async function openEdgeHost(args: readonly string[]): Promise<Host> {
  const subject = openSubject([process.execPath, join(import.meta.dir, "../peer/dchat_edge.ts"), ...args]);
  const first = await subject.next();
  if (typeof first["addr"] !== "string") throw new Error("dchat's edge printed no address");
  return { name: "dchat", subject, address: first["addr"] };
}

interface LoadOptions {
  /** How long it may take until it is ready. */
  readonly readyMs?: number;
  /** It takes no processor from the others; see openSubject(). */
  readonly background?: boolean;
}

/** A process of `bench/load`, ready for its lines. */
export async function openLoad(
  file: string,
  args: readonly string[],
  { readyMs, background = false }: LoadOptions = {},
): Promise<Subject> {
  const load = openSubject([process.execPath, join(import.meta.dir, "../load", file), ...args], {
    background,
  });
  await load.next(readyMs);
  return load;
}

/** Says `told` to a load and waits for its answer. */
export async function tell(
  load: Subject,
  told: Readonly<Record<string, unknown>>,
  timeoutMs = 300_000,
): Promise<Record<string, unknown>> {
  load.say(JSON.stringify(told));
  return load.next(timeoutMs);
}

/** The `tookMs` of a load's answer. */
export function tookMs(answer: Record<string, unknown>): Float64Array {
  const took = answer["tookMs"];
  return Float64Array.from(Array.isArray(took) ? took.map(Number) : []);
}

/** A number of a load's answer. */
export function numberOf(answer: Record<string, unknown>, name: string): number {
  return Number(answer[name]);
}

export { PEER_VERSIONS };
