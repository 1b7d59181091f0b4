/** How many connections this process can hold before the kernel refuses it another open file. */
import { readFileSync } from "node:fs";

/** What a relay opens beside connections: its store, listeners, logs, the runtime's own, and room to answer probes. */
const RESERVED_FILES = 256;

/** The soft limit of open files in the text of /proc/self/limits, or null where it says none. */
export function parseOpenFiles(limits: string): number | null {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  return soft === undefined || soft === "unlimited" ? null : Number(soft);
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
    `${connectionsWithin(openFiles)} connections. For all of them allow ${needed} files: \`ulimit -n ${needed}\` ` +
    "before the relay starts, LimitNOFILE= in its systemd unit, or nofile under ulimits of its container; " +
    "or lower relay.max_connections"
  );
}

function readLimits(): string | null {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    // Not Linux: the kernel will say so itself when a file can't be opened.
    return null;
  }
}
