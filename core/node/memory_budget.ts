/** Whether the memory budget that is configured has room for anybody. */
import { Fault } from "../ground/mod.ts";

const MIB = 1024 ** 2;
/** What is told to be left for devices: two thousand or so. */
const ROOM_MIB = 64;

/** What is said where a process holds `heldBytes` with nobody there, and may hold `bytesMax`; null where that fits. */
export function budgetTooSmall(bytesMax: number, heldBytes: number): string | null {
  if (bytesMax === 0 || heldBytes < bytesMax) return null;
  return (
    `relay.max_memory is ${Math.floor(bytesMax / MIB)}MiB, but this process holds ${Math.ceil(heldBytes / MIB)} MiB ` +
    `without new work, and would refuse all of it: set it to ${Math.ceil(heldBytes / MIB) + ROOM_MIB}MiB or more, ` +
    'which is 30 KiB or so for each connection, or to "0" for no budget'
  );
}

/** Throws Fault<"config/value"> where a relay that holds no connections yet is over its budget. Collects garbage first. */
export function requireBudget(bytesMax: number): void {
  if (bytesMax === 0) return;
  Bun.gc(true);
  Bun.shrink();
  const reason = budgetTooSmall(bytesMax, process.memoryUsage.rss());
  if (reason !== null) throw new Fault("config/value", reason);
}
