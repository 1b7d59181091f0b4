/** Looks for secrets in bytes: files, text, and the whole memory of another process. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** Something that must not be found, or must, under a name to report it by. */
export interface Needle {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Form {
  readonly name: string;
  readonly bytes: Buffer;
}

/** A secret as it may stand somewhere: raw, hex in both cases, base64 and base64url. */
function forms({ name, bytes }: Needle): Form[] {
  const raw = Buffer.from(bytes);
  const hex = raw.toString("hex");
  const base64 = raw.toString("base64").replace(/=+$/, "");
  const texts = [hex, hex.toUpperCase(), base64, raw.toString("base64url")];
  return [
    { name, bytes: raw },
    ...texts.map((text) => ({ name: `${name}, encoded`, bytes: Buffer.from(text) })),
  ];
}

/** Names of the needles that `haystack` has, in any form. */
export function find(haystack: Uint8Array, needles: readonly Needle[]): string[] {
  const buffer = Buffer.from(haystack.buffer, haystack.byteOffset, haystack.byteLength);
  const found = needles.flatMap(forms).filter((form) => buffer.includes(form.bytes));
  return [...new Set(found.map((form) => form.name))];
}

const PAGE_BYTES = 4096;
const PRESENT = 0x80;
const CHUNK_PAGES = 4096;
const PAGEMAP_ENTRY_BYTES = 8;

/** Runs of pages of writable memory that process `pid` has in use, as [start, end) addresses. */
function* resident(pid: number): Generator<readonly [start: number, end: number]> {
  const pagemap = openSync(`/proc/${pid}/pagemap`, "r");
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "latin1").split("\n")) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === undefined || to === undefined) continue;
      const end = Number.parseInt(to, 16);
      for (let at = Number.parseInt(from, 16); at < end; at += CHUNK_PAGES * PAGE_BYTES) {
        const pages = Math.min(CHUNK_PAGES, (end - at) / PAGE_BYTES);
        const entries = Buffer.alloc(pages * PAGEMAP_ENTRY_BYTES);
        readSync(pagemap, entries, 0, entries.length, (at / PAGE_BYTES) * PAGEMAP_ENTRY_BYTES);
        let run = -1;
        for (let page = 0; page <= pages; page += 1) {
          const used = page < pages && ((entries[page * PAGEMAP_ENTRY_BYTES + 7] ?? 0) & PRESENT) !== 0;
          if (used && run === -1) run = page;
          if (!used && run !== -1) {
            yield [at + run * PAGE_BYTES, at + page * PAGE_BYTES];
            run = -1;
          }
        }
      }
    }
  } finally {
    closeSync(pagemap);
  }
}

/** Whether this process may read that one's memory. */
export function mayReadMemory(pid: number): boolean {
  try {
    closeSync(openSync(`/proc/${pid}/mem`, "r"));
    closeSync(openSync(`/proc/${pid}/pagemap`, "r"));
    return true;
  } catch {
    return false;
  }
}

/** All writable memory that process `pid` has in use, joined; what lies across two runs of pages isn't found. */
export function memoryOf(pid: number): Buffer {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const parts: Buffer[] = [];
  try {
    for (const [start, end] of resident(pid)) {
      const part = Buffer.alloc(end - start);
      try {
        readSync(memory, part, 0, part.length, start);
        parts.push(part);
      } catch {
        // Gone since the map was read, or the kernel's own.
      }
    }
  } finally {
    closeSync(memory);
  }
  return Buffer.concat(parts);
}
