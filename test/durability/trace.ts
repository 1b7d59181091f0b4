/**
 * What a process did to some files, from strace's record, and what a disk could hold of it at any point: all that
 * was synced, and of what wasn't any part, whole, torn at sectors, or not at all.
 */
import { basename, dirname } from "node:path";

export type FileEvent =
  | { readonly is: "create"; readonly path: string }
  | { readonly is: "write"; readonly path: string; readonly at: number; readonly bytes: Uint8Array }
  | { readonly is: "truncate"; readonly path: string; readonly length: number }
  | { readonly is: "unlink"; readonly path: string }
  /** Of a file, or of a folder and the names in it. */
  | { readonly is: "sync"; readonly path: string }
  /** What the process said on standard output. */
  | { readonly is: "said"; readonly text: string };

/** What strace must be told for `parseTrace`. */
export function straceCommand(log: string, command: readonly string[]): string[] {
  const calls = "trace=pwrite64,write,ftruncate,fsync,fdatasync,openat,unlink,unlinkat";
  return ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "70000", "-e", calls, "-o", log, ...command];
}

function unhex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll("\\x", ""));
}

const decoder = new TextDecoder();

function textOf(hex: string): string {
  return decoder.decode(unhex(hex));
}

/** Joins what strace split because another thread came between. */
function* wholeLines(log: string): Generator<string> {
  const open = new Map<string, string>();
  for (const line of log.split("\n")) {
    const pid = line.slice(0, line.indexOf(" "));
    const unfinished = line.lastIndexOf(" <unfinished ...>");
    if (unfinished !== -1) {
      open.set(pid, line.slice(0, unfinished));
      continue;
    }
    const resumed = /^\d+\s+<\.\.\. \w+ resumed>/.exec(line);
    if (resumed === null) yield line;
    else yield (open.get(pid) ?? "") + line.slice(resumed[0].length);
  }
}

const CALL = /^\d+\s+(\w+)\((.*)\)\s+= (-?\d+)/;
const DATA = /^(\d+)<([^>]*)>, "([^"]*)"(\.\.\.)?, (\d+)(?:, (\d+))?$/;

/** The events on files in `folder` and the output, in order. Calls that failed did nothing. */
export function parseTrace(log: string, folder: string): FileEvent[] {
  const events: FileEvent[] = [];
  const there = new Set<string>();
  for (const line of wholeLines(log)) {
    const [, call, args = "", result] = CALL.exec(line) ?? [];
    if (call === undefined || Number(result) < 0) continue;
    const event = eventOf(call, args, there);
    if (event === null) continue;
    if (event.is === "said" || event.path === folder || dirname(event.path) === folder) events.push(event);
  }
  return events;
}

function eventOf(call: string, args: string, there: Set<string>): FileEvent | null {
  switch (call) {
    case "openat": {
      const path = textOf(/"([^"]*)"/.exec(args)?.[1] ?? "");
      if (!args.includes("O_CREAT") || there.has(path)) return null;
      there.add(path);
      return { is: "create", path };
    }
    case "unlink":
    case "unlinkat": {
      const path = textOf(/"([^"]*)"/.exec(args)?.[1] ?? "");
      there.delete(path);
      return { is: "unlink", path };
    }
    case "fsync":
    case "fdatasync":
      return { is: "sync", path: textOf(/<([^>]*)>/.exec(args)?.[1] ?? "") };
    case "ftruncate": {
      const [, path = "", length] = /<([^>]*)>, (\d+)/.exec(args) ?? [];
      return { is: "truncate", path: textOf(path), length: Number(length) };
    }
    default:
      return writeOf(args);
  }
}

function writeOf(args: string): FileEvent | null {
  const [, fd, path = "", hex = "", , length, at] = DATA.exec(args) ?? [];
  if (fd === undefined) return null;
  const shown = unhex(hex);
  if (fd === "1") return { is: "said", text: decoder.decode(shown) };
  if (at === undefined) return null;
  // Longer than strace shows are only the zeros that make room.
  const bytes = new Uint8Array(Number(length));
  bytes.set(shown);
  return { is: "write", path: textOf(path), at: Number(at), bytes };
}

/** A file on its way to the disk. */
interface Growing {
  bytes: Uint8Array;
  length: number;
  /** Whether its name is on the disk. */
  isNamed: boolean;
  pending: FileEvent[];
  isUnlinked: boolean;
  /** What had the name before; there as long as neither its end nor this one's name is on the disk. */
  before: Growing | null;
}

const SECTOR_BYTES = 512;

/** A number from 0 to 1, from a seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function apply(file: Growing, event: FileEvent): void {
  if (event.is === "truncate") {
    file.bytes.fill(0, Math.min(event.length, file.length), file.length);
    file.length = event.length;
    ensure(file, event.length);
  } else if (event.is === "write") {
    ensure(file, event.at + event.bytes.length);
    file.bytes.set(event.bytes, event.at);
    file.length = Math.max(file.length, event.at + event.bytes.length);
  }
}

function ensure(file: Growing, length: number): void {
  if (length <= file.bytes.length) return;
  const larger = new Uint8Array(Math.max(length, file.bytes.length * 2));
  larger.set(file.bytes);
  file.bytes = larger;
}

/** A disk under the events; `images` are what it could hold. */
export class Disk {
  readonly #files = new Map<string, Growing>();
  /** What was said until here. */
  said = "";

  take(event: FileEvent): void {
    if (event.is === "said") {
      this.said += event.text;
      return;
    }
    if (event.is === "create") {
      const before = this.#files.get(event.path) ?? null;
      if (before !== null && !before.isUnlinked) return;
      const fresh = { bytes: new Uint8Array(0), length: 0, isNamed: false, pending: [], isUnlinked: false };
      this.#files.set(event.path, { ...fresh, before });
      return;
    }
    const file = this.#files.get(event.path);
    if (event.is === "sync") this.#sync(event.path, file);
    else if (event.is === "unlink") {
      if (file !== undefined) file.isUnlinked = true;
    } else file?.pending.push(event);
  }

  #sync(path: string, file: Growing | undefined): void {
    if (file !== undefined) {
      for (const event of file.pending) apply(file, event);
      file.pending = [];
      return;
    }
    for (const [name, each] of this.#files) {
      if (dirname(name) !== path) continue;
      if (each.isUnlinked) this.#files.delete(name);
      else each.isNamed = true;
      each.before = null;
    }
  }

  /** Files by name as they could stand now. `chance` decides each doubt; 0 keeps least, 1 most. */
  image(chance: () => number): Map<string, Uint8Array> {
    const image = new Map<string, Uint8Array>();
    for (const [path, newest] of this.#files) {
      let file: Growing | null = newest;
      while (file !== null && !file.isNamed && chance() < 0.5) file = file.before;
      if (file === null || (file.isUnlinked && chance() >= 0.5)) continue;
      image.set(basename(path), contentOf(file, chance));
    }
    return image;
  }
}

function contentOf(file: Growing, chance: () => number): Uint8Array {
  const copy: Growing = { ...file, bytes: file.bytes.slice(), pending: [] };
  for (const event of file.pending) {
    const luck = chance();
    if (luck < 1 / 3) continue;
    if (luck >= 2 / 3 || event.is !== "write") apply(copy, event);
    else tear(copy, event, chance);
  }
  return copy.bytes.slice(0, copy.length);
}

function tear(file: Growing, event: FileEvent & { is: "write" }, chance: () => number): void {
  for (let at = 0; at < event.bytes.length; at += SECTOR_BYTES) {
    if (chance() < 0.5) continue;
    apply(file, { ...event, at: event.at + at, bytes: event.bytes.subarray(at, at + SECTOR_BYTES) });
  }
}
