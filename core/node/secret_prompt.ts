/** Asks for a secret on the terminal without showing it. */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import { Fault } from "../ground/mod.ts";

const ENTER = [0x0d, 0x0a];
const BACKSPACE = [0x08, 0x7f];
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;

const LENGTH_MAX = 4096;
/** How long a typed key may wait to be seen. A read that blocks would keep signals from being heard. */
const LOOK_EVERY_MS = 20;
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

interface Quiet {
  readonly tty: number;
  readonly terminal: ReadStream;
  /** The signal that came meanwhile: nothing more is asked then. */
  stopped: string | null;
}

/** The terminal while its echo is off, and how many keep it so. One process has one terminal. */
let quiet: Quiet | null = null;
let holders = 0;

/**
 * Keeps the echo off from the first prompt on until disposed, so that what is typed ahead of a later prompt isn't
 * shown. May be nested, and disposed twice. Meanwhile Ctrl-C is a character and signals wait for the next prompt:
 * hold it for prompts and what stands between them only.
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
 * Writes `prompt` to /dev/tty and reads a line from it with echo off; null where there is no terminal. Works with
 * stdin, stdout and stderr redirected. Throws Fault<"secret/cancelled"> on Ctrl-C, Ctrl-D, and a signal that ends
 * programs, which is held back from the first prompt on while the terminal is quiet, so that the echo comes back.
 */
export async function promptTty(prompt: string): Promise<Uint8Array | null> {
  using _ = quietTerminal();
  quiet ??= openQuiet();
  if (quiet === null) return null;
  const { tty } = quiet;
  writeSync(tty, prompt);
  const line = await readLine(quiet);
  writeSync(tty, "\n");
  return line;
}

function openQuiet(): Quiet | null {
  let tty: number;
  try {
    tty = openSync("/dev/tty", constants.O_RDWR | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const terminal = new ReadStream(tty);
    for (const signal of SIGNALS) process.on(signal, stop);
    process.on("exit", restore);
    terminal.setRawMode(true);
    return { tty, terminal, stopped: null };
  } catch (error) {
    listenNoMore();
    closeSync(tty);
    throw error;
  }
}

function stop(signal: string): void {
  if (quiet !== null) quiet.stopped = signal;
}

function restore(): void {
  if (quiet === null) return;
  const { tty, terminal } = quiet;
  quiet = null;
  terminal.setRawMode(false);
  listenNoMore();
  closeSync(tty);
}

function listenNoMore(): void {
  for (const signal of SIGNALS) process.off(signal, stop);
  process.off("exit", restore);
}

async function readLine(from: Quiet): Promise<Uint8Array> {
  const line = new Uint8Array(LENGTH_MAX);
  let length = 0;
  try {
    for (;;) {
      const key = await readKey(from);
      if (ENTER.includes(key)) return line.slice(0, length);
      if (key === CTRL_C || (key === CTRL_D && length === 0)) throw cancelled("Stopped");
      if (key === CTRL_U) length = 0;
      else if (BACKSPACE.includes(key)) length = beforeLast(line, length);
      else if (length < LENGTH_MAX && key >= 0x20) line[length++] = key;
    }
  } finally {
    line.fill(0);
  }
}

/** The next byte that is typed. One at a time: what is typed ahead stays the terminal's. */
async function readKey(from: Quiet): Promise<number> {
  const byte = new Uint8Array(1);
  for (;;) {
    if (from.stopped !== null) throw cancelled(`Stopped by ${from.stopped}`);
    try {
      if (readSync(from.tty, byte, 0, 1, null) === 0) throw cancelled("The terminal was closed");
      return byte[0] ?? 0;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "EIO") throw cancelled("The terminal was closed");
      if (code !== "EAGAIN") throw error;
    } finally {
      byte.fill(0);
    }
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

/** Where the last character of UTF-8 begins. */
function beforeLast(line: Uint8Array, length: number): number {
  let at = length - 1;
  while (at > 0 && ((line[at] ?? 0) & 0xc0) === 0x80) at--;
  return Math.max(0, at);
}

function cancelled(why: string): Fault {
  return new Fault("secret/cancelled", `${why} at the prompt; nothing was changed`);
}
