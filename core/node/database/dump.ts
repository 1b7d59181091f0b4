/** Writing and reading the file of a backup, a line at a time: what it holds may be larger than memory. */
import { Fault } from "../../ground/mod.ts";
import type { StoreRecord } from "../../store/mod.ts";
import {
  type DatabaseCode,
  decodeHeader,
  decodeLine,
  type DumpHeader,
  encodeLine,
  FORMAT,
  FORMAT_VERSION,
} from "./file.ts";

/** A mailbox with as many readers as there may be takes some 250 KiB. */
const LINE_BYTES_MAX = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

/** Takes bytes, borrowed until it resolves. */
export type Sink = (bytes: Uint8Array) => Promise<void>;

/** Writes header, records and end to `sink`; returns how many records. */
export async function writeDump(
  about: Omit<DumpHeader, "is" | "format" | "version">,
  records: AsyncIterable<StoreRecord>,
  sink: Sink,
): Promise<number> {
  const hasher = new Bun.CryptoHasher("sha256");
  let waiting: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.from(waiting.join(""));
    [waiting, length] = [[], 0];
    hasher.update(bytes);
    await sink(bytes);
  };
  const put = async (text: string): Promise<void> => {
    waiting.push(text, "\n");
    length += text.length + 1;
    if (length >= CHUNK_BYTES) await flush();
  };
  let count = 0;
  await put(JSON.stringify({ is: "header", format: FORMAT, version: FORMAT_VERSION, ...about }));
  for await (const record of records) {
    await put(encodeLine(record));
    count += 1;
  }
  await flush();
  const sha256 = hasher.digest("hex");
  await sink(Buffer.from(`${JSON.stringify({ is: "end", records: count, sha256 })}\n`));
  return count;
}

/** Lines without their line feeds; a last one without one counts as cut. */
async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10)) {
      yield bytes.subarray(0, at);
      bytes = bytes.subarray(at + 1);
    }
    if (bytes.length > LINE_BYTES_MAX)
      throw new Fault<DatabaseCode>("database/foreign", "Cannot use the file: it isn't a dchat backup");
    rest = bytes.slice();
  }
  if (rest.length > 0) throw cut();
}

function cut(): Fault<DatabaseCode> {
  return new Fault("database/damaged", "Cannot use the file: it is cut short; it has no end line");
}

export interface Dump {
  readonly header: DumpHeader;
  /** Once. Throws Fault<"database/damaged">, at the last where the whole isn't what was written. */
  readonly records: AsyncGenerator<StoreRecord>;
}

/** Reads the header and offers the records; throws Fault<"database/foreign" | "database/damaged">. */
export async function readDump(chunks: AsyncIterable<Uint8Array>): Promise<Dump> {
  const all = lines(chunks);
  const first = await all.next();
  if (first.done === true) throw cut();
  const header = decodeHeader(textOf(first.value));
  return { header, records: recordsOf(all, first.value) };
}

const decoder = new TextDecoder();

function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

async function* recordsOf(all: AsyncGenerator<Uint8Array>, first: Uint8Array): AsyncGenerator<StoreRecord> {
  const hasher = new Bun.CryptoHasher("sha256");
  hasher.update(first).update("\n");
  let number = 1;
  for await (const bytes of all) {
    number += 1;
    const line = decodeLine(textOf(bytes), number);
    if (line.is !== "end") {
      hasher.update(bytes).update("\n");
      yield line;
      continue;
    }
    const whole = line.records === number - 2 && line.sha256 === hasher.digest("hex");
    if (!whole) {
      throw new Fault<DatabaseCode>(
        "database/damaged",
        "Cannot use the file: what it holds isn't what was written; its checksum doesn't fit",
      );
    }
    const { done } = await all.next();
    if (done !== true) {
      throw new Fault<DatabaseCode>("database/damaged", "Cannot use the file: something follows its end");
    }
    return;
  }
  throw cut();
}
