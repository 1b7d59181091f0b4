/** How many connections this process can hold before the kernel refuses it another open file. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { Fault } from "../ground/mod.ts";

/** What a relay opens beside connections: its store, listeners, logs, the runtime's own, and room to answer probes. */
const RESERVED_FILES = 256;

/** The soft limit of open files in the text of /proc/self/limits, or null where it says none. */
export function parseOpenFiles(limits: string): number | null {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  return soft === undefined || soft === "unlimited" ? null : Number(soft);
}

/**
 * Connections that this process has room for, or null where no limit can be read. Throws Fault<"config/value"> where
 * there is none for any.
 */
export function connectionRoom(limits: string | null = readLimits()): number | null {
  const openFiles = limits === null ? null : parseOpenFiles(limits);
  if (openFiles === null) return null;
  const room = connectionsWithin(openFiles);
  if (room > 0) return room;
  throw new Fault(
    "config/value",
    `This process may open ${openFiles} files, and a relay needs ${RESERVED_FILES} beside those of connections: ` +
      "`ulimit -n 20256` before it starts has room for 20,000",
  );
}

/** Connections that fit into `openFiles`. */
export function connectionsWithin(openFiles: number): number {
  return Math.max(0, openFiles - RESERVED_FILES);
}

/**
 * What to tell the operator where `connectionsMax` can't be reached here, or null. Reads /proc/self/limits, and
 * says nothing where there is none.
 */
export function openFilesWarning(
  connectionsMax: number,
  limits: string | null = readLimits(),
): string | null {
  const openFiles = limits === null ? null : parseOpenFiles(limits);
  if (openFiles === null || connectionsWithin(openFiles) >= connectionsMax) return null;
  const needed = connectionsMax + RESERVED_FILES;
  return (
    `relay.max_connections is ${connectionsMax}, but this process may open ${openFiles} files, which is room for ` +
    `${connectionsWithin(openFiles)} connections; it takes no more. For all of them allow ${needed} files: \`ulimit -n ${needed}\` ` +
    "before the relay starts, LimitNOFILE= in its systemd unit, or nofile under ulimits of its container; " +
    "or lower relay.max_connections"
  );
}

/** Whether this process can open so many more files now: it tries. */
export function canOpenFiles(count: number): boolean {
  const files: number[] = [];
  try {
    while (files.length < count) files.push(openSync("/dev/null", "r"));
    return true;
  } catch {
    return false;
  } finally {
    for (const file of files) closeSync(file);
  }
}

function readLimits(): string | null {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    // Not Linux: the kernel will say so itself when a file can't be opened.
    return null;
  }
}
