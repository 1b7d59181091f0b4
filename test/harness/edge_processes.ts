/** Which process of a relay holds which connection, as the kernel says it (Linux). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type EdgeConnection, identify } from "../../core/edge/mod.ts";
import { decodeMultiaddr } from "../../core/link/mod.ts";

const ESTABLISHED = "01";
/** The kernel spreads connections by a hash of their ports, so some more than wanted are needed, and no more. */
const OPENS_MAX = 200;

/** Processes that `pid` started and that run. */
export function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => statOf(each)?.parent === pid);
}

/** Whether it runs; one that is dead and not yet reaped doesn't. */
export function runs(pid: number): boolean {
  const state = statOf(pid)?.state;
  return state !== undefined && state !== "Z";
}

function statOf(pid: number): { state: string; parent: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return null;
  }
}

/** By the peer's port, the process among `pids` that holds a connection on local `port`. */
export function holders(pids: readonly number[], port: number): ReadonlyMap<number, number> {
  const byInode = new Map<string, number>();
  for (const pid of pids) for (const inode of socketsOf(pid)) byInode.set(inode, pid);
  const found = new Map<number, number>();
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, local = "", remote = "", state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const pid = byInode.get(inode);
    if (state !== ESTABLISHED || portOf(local) !== port || pid === undefined) continue;
    found.set(portOf(remote), pid);
  }
  return found;
}

function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      // Closed while the folder was read.
      return [];
    }
  });
}

function portOf(address: string): number {
  return Number.parseInt(address.split(":")[1] ?? "", 16);
}

/** The port that `connection` comes from, as the relay sees it. */
export async function ownPort(connection: EdgeConnection): Promise<number> {
  const { observedAddress } = await identify(connection);
  const observed = observedAddress === null ? null : decodeMultiaddr(observedAddress);
  const port = /\/tcp\/(\d+)/.exec(observed ?? "")?.[1];
  if (port === undefined) throw new Error(`the relay names no address of ours: ${observed}`);
  return Number(port);
}

/** Connections in each of `pids`, opened one after another by `open` until each has at least `least`. */
export async function spread<T extends { readonly connection: EdgeConnection }>(
  { pids, port, least }: { pids: readonly number[]; port: number; least: number },
  open: () => Promise<T>,
): Promise<ReadonlyMap<number, T[]>> {
  const held = new Map<number, T[]>(pids.map((pid) => [pid, []]));
  for (let opened = 0; opened < OPENS_MAX; opened += 1) {
    if ([...held.values()].every((each) => each.length >= least)) return held;
    const one = await open();
    const pid = holders(pids, port).get(await ownPort(one.connection));
    held.get(pid ?? -1)?.push(one);
  }
  throw new Error(
    `after ${OPENS_MAX} connections some process of ${pids.join(", ")} has fewer than ${least}`,
  );
}
