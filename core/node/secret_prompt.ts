/** Asks for a secret on the terminal without showing it. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import { Fault } from "../ground/mod.ts";

const ENTER = [0x0d, 0x0a];
const BACKSPACE = [0x08, 0x7f];
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;

const LENGTH_MAX = 4096;

interface Quiet {
  readonly tty: number;
  readonly terminal: ReadStream;
}

/** The terminal while its echo is off, and how many keep it so. One process has one terminal. */
let quiet: Quiet | null = null;
let holders = 0;

/**
 * Keeps the echo off from the first prompt on until disposed, so that what is typed ahead of a later prompt isn't
 * shown. May be nested, and disposed twice. Meanwhile Ctrl-C is a character too: hold it for prompts and what stands between them only.
 */
export function quietTerminal(): Disposable {
  holders++;
  let holds = true;
  return {
    [Symbol.dispose]() {
      if (!holds) return;
      holds = false;
      if (--holders === 0) restore();
    },
  };
}

/**
 * Writes `prompt` to /dev/tty and reads a line from it with echo off; null where there is no terminal.
 * Works with stdin and stdout redirected. Blocks the loop: nothing else runs at a prompt, also no handler of
 * signals, so SIGTERM ends the process here, and the runtime restores the terminals among 0, 1 and 2. Throws
 * Fault<"secret/cancelled"> on Ctrl-C and Ctrl-D.
 */
export function promptTty(prompt: string): Uint8Array | null {
  using _ = quietTerminal();
  quiet ??= openQuiet();
  if (quiet === null) return null;
  const { tty } = quiet;
  try {
    writeSync(tty, prompt);
    return readLine(tty);
  } finally {
    writeSync(tty, "\n");
  }
}

function openQuiet(): Quiet | null {
  let tty: number;
  try {
    tty = openSync("/dev/tty", "r+");
  } catch {
    return null;
  }
  try {
    const terminal = new ReadStream(tty);
    terminal.setRawMode(true);
    process.on("exit", restore);
    return { tty, terminal };
  } catch (error) {
    closeSync(tty);
    throw error;
  }
}

function restore(): void {
  if (quiet === null) return;
  const { tty, terminal } = quiet;
  quiet = null;
  process.off("exit", restore);
  terminal.setRawMode(false);
  closeSync(tty);
}

function readLine(tty: number): Uint8Array {
  const line = new Uint8Array(LENGTH_MAX);
  const byte = new Uint8Array(1);
  let length = 0;
  try {
    for (;;) {
      if (readSync(tty, byte, 0, 1, null) === 0) throw cancelled();
      const key = byte[0] ?? 0;
      if (ENTER.includes(key)) return line.slice(0, length);
      if (key === CTRL_C || (key === CTRL_D && length === 0)) throw cancelled();
      if (key === CTRL_U) length = 0;
      else if (BACKSPACE.includes(key)) length = beforeLast(line, length);
      else if (length < LENGTH_MAX && key >= 0x20) line[length++] = key;
    }
  } finally {
    line.fill(0);
    byte.fill(0);
  }
}

/** Where the last character of UTF-8 begins. */
function beforeLast(line: Uint8Array, length: number): number {
  let at = length - 1;
  while (at > 0 && ((line[at] ?? 0) & 0xc0) === 0x80) at--;
  return Math.max(0, at);
}

function cancelled(): Fault {
  return new Fault("secret/cancelled", "Stopped at the prompt; nothing was changed");
}
