/** Writing what must not get lost on its way: the call returns when the system has all of it. */
import { writeSync } from "node:fs";
import { Fault, fileReason } from "@dchat/core/ground/mod.ts";

/** output: what a command prints can't be written. */
export type OutputCode = "cli/output";

/** How long a reader that has fallen behind is waited for, each time. */
const FULL_PIPE_MS = 5;

/** Writes to `descriptor`; throws Fault<"cli/output">, or the error with code EPIPE where its reader has gone. */
export function writeThrough(descriptor: number, text: string | Uint8Array): void {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EAGAIN") Bun.sleepSync(FULL_PIPE_MS);
      else if (code === "EPIPE") throw error;
      else throw outputFault(error);
    }
  }
}

/** What to tell of an output that can't be written to. */
export function outputFault(error: unknown): Fault<OutputCode> {
  return new Fault("cli/output", `Cannot write to standard output: ${fileReason(error)}`, { cause: error });
}

/** What to tell where the reader of `what` has gone, and what came by then is of no use. */
export function readerGone(what: string, error: unknown): Fault<OutputCode> {
  return new Fault(
    "cli/output",
    `Cannot write ${what}: whoever reads it has gone before its end, and what came by then is incomplete`,
    { cause: error },
  );
}

/** Whether a reader of our output has gone, which is no mistake of anybody's. */
export function isReaderGone(error: unknown): boolean {
  return codeOf(error) === "EPIPE";
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
