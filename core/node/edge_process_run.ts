/** The life of an edge process: it works for the relay that started it and ends with it. */
import { fstatSync } from "node:fs";
import { openCrypto } from "@dchat/crypto-wasm";
import { runEdgeProcess } from "../edge/mod.ts";
import { parseProtocolVersion } from "../wire/mod.ts";
import { systemClock } from "./clock.ts";
import { PIPE_FD } from "./edge_processes.ts";
import { tidyLater } from "./tidy_later.ts";

export interface RunEdgeProcessOptions {
  readonly backends: "fast" | "portable";
}

/** Whether this process was started as an edge process: file 3 is a socket. */
export function hasRelay(): boolean {
  try {
    return fstatSync(PIPE_FD).isSocket();
  } catch {
    return false;
  }
}

/** Holds connections until the relay is gone or has it end. */
export async function runEdge({ backends }: RunEdgeProcessOptions): Promise<void> {
  // A terminal's Ctrl-C and a service manager's SIGTERM reach every process; the relay says when this one goes.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  await using crypto = await openCrypto({ backends, needs: [] });
  tidyLater();
  const serves = (protocol: string): boolean => parseProtocolVersion(protocol) !== null;
  await runEdgeProcess({ fd: PIPE_FD, crypto, clock: systemClock, serves });
}
