/**
 * The file of a backup or an export: JSON lines, the same from both stores. A header, the records, and an end that
 * counts the lines and holds the SHA-256 of all before it. The layout is in docs/runbook/backup.md.
 *
 * What it does not protect: it is neither sealed nor signed. Bodies in it are sealed by the people who wrote them;
 * keys of mailboxes, sizes and times stand in the open, as in the database. Keep it as you keep the database.
 */
import { z } from "zod";
import { entryId, Fault, type Hash, hash, mailboxId, publicKey, signature } from "../../ground/mod.ts";
import type { StoreRecord } from "../../store/mod.ts";

export type DatabaseCode =
  | "database/foreign"
  | "database/damaged"
  | "database/in-use"
  | "database/exists"
  | "database/file"
  | "database/clock";

export const FORMAT = "dchat-database";
export const FORMAT_VERSION = 1;

/** Why a file was made: a backup starts new generations, a move goes on with those that are. */
export type DumpKind = "backup" | "export";

const hex = (bytes: number) => z.string().regex(new RegExp(`^(?:[0-9a-f]{2}){${bytes}}$`));
const whole = z.int().nonnegative();
const hashes = z.array(hex(32));

const header = z.strictObject({
  is: z.literal("header"),
  format: z.literal(FORMAT),
  version: whole,
  kind: z.enum(["backup", "export"]),
  madeMs: whole,
  /** The relay's identity, where it was known. */
  relay: hex(32).nullable(),
});

export type DumpHeader = z.output<typeof header>;

const end = z.strictObject({ is: z.literal("end"), records: whole, sha256: hex(32) });

const mailbox = z.strictObject({
  is: z.literal("mailbox"),
  id: hex(32),
  generation: whole,
  term: whole,
  owner: hex(32),
  writer: hex(32),
  policy: z.strictObject({ entriesMax: whole, bytesMax: whole, ttlMs: whole, retentionMs: whole }),
  size: whole,
  peaks: hashes,
  turn: whole,
  version: whole,
  floor: whole,
  entriesHeld: whole,
  bytesHeld: whole,
  createdMs: whole,
  deleted: z.boolean(),
  readers: z.array(z.strictObject({ key: hex(32), cursor: whole, lapsed: z.boolean() })),
  started: z.strictObject({ size: whole, root: hex(32), timeMs: whole }).nullable(),
});

const turn = z.strictObject({
  is: z.literal("turn"),
  mailbox: hex(32),
  turn: whole,
  writer: hex(32),
  firstSeq: whole,
});

const receipt = z.strictObject({
  is: z.literal("receipt"),
  mailbox: hex(32),
  generation: whole,
  reader: hex(32),
  cursor: whole,
  notAfterMs: whole,
  signature: hex(64),
});

const entry = z.strictObject({
  is: z.literal("entry"),
  mailbox: hex(32),
  seq: whole,
  id: hex(16),
  generation: whole,
  turn: whole,
  kind: z.enum(["plain", "control", "package", "lastResort"]),
  slot: whole,
  timeMs: whole,
  expiryMs: whole,
  entryHash: hex(32),
  nodes: hashes.min(1),
  takenBy: hex(16).nullable(),
  bytes: whole,
  entry: z.base64().nullable(),
});

const line = z.discriminatedUnion("is", [mailbox, turn, receipt, entry, end]);

function bytesOf(text: string): Uint8Array {
  return Uint8Array.fromHex(text);
}

function hashesOf(texts: readonly string[]): Hash[] {
  return texts.map((text) => hash(bytesOf(text)));
}

function hexes(list: readonly Uint8Array[]): string[] {
  return list.map((each) => each.toHex());
}

/** One record as a line without its line feed. Throws Fault<"database/damaged"> for damage, which has no line. */
export function encodeLine(record: StoreRecord): string {
  return JSON.stringify(lineOf(record));
}

function lineOf(record: StoreRecord): unknown {
  switch (record.is) {
    case "mailbox": {
      const { row } = record;
      return {
        is: "mailbox",
        ...row,
        id: row.id.toHex(),
        owner: row.owner.toHex(),
        writer: row.writer.toHex(),
        peaks: hexes(row.peaks),
        readers: row.readers.map((reader) => ({ ...reader, key: reader.key.toHex() })),
        started: row.started === null ? null : { ...row.started, root: row.started.root.toHex() },
      };
    }
    case "turn":
      return {
        is: "turn",
        mailbox: record.mailbox.toHex(),
        turn: record.turn.turn,
        writer: record.turn.writer.toHex(),
        firstSeq: record.turn.firstSeq,
      };
    case "receipt": {
      const { receipt: kept } = record;
      return {
        is: "receipt",
        ...kept,
        mailbox: kept.mailbox.toHex(),
        reader: kept.reader.toHex(),
        signature: kept.signature.toHex(),
      };
    }
    case "entry": {
      // The leaf is the first of the nodes.
      const { leaf: _, ...kept } = record.entry;
      return {
        is: "entry",
        ...kept,
        mailbox: kept.mailbox.toHex(),
        id: kept.id.toHex(),
        entryHash: kept.entryHash.toHex(),
        nodes: hexes(kept.nodes),
        takenBy: kept.takenBy?.toHex() ?? null,
        entry: kept.entry?.toBase64() ?? null,
      };
    }
    default:
      throw new Fault<DatabaseCode>("database/damaged", record.what);
  }
}

/** What a line that isn't the header says. */
export type Line = StoreRecord | { readonly is: "end"; readonly records: number; readonly sha256: string };

/** Reads a line; throws Fault<"database/damaged"> naming it. */
export function decodeLine(text: string, number: number): Line {
  const parsed = line.safeParse(json(text, number));
  if (!parsed.success) throw wrongLine(number, parsed.error);
  return recordOf(parsed.data);
}

function recordOf(data: z.output<typeof line>): Line {
  switch (data.is) {
    case "mailbox": {
      const { is: _, ...row } = data;
      const readers = row.readers.map((reader) => ({ ...reader, key: publicKey(bytesOf(reader.key)) }));
      const started = row.started === null ? null : { ...row.started, root: hash(bytesOf(row.started.root)) };
      const keys = {
        id: mailboxId(bytesOf(row.id)),
        owner: publicKey(bytesOf(row.owner)),
        writer: publicKey(bytesOf(row.writer)),
      };
      return {
        is: "mailbox",
        row: { ...row, ...keys, peaks: hashesOf(row.peaks), readers, started },
        sound: true,
      };
    }
    case "turn": {
      const { turn: number, firstSeq, writer } = data;
      const row = { turn: number, firstSeq, writer: publicKey(bytesOf(writer)) };
      return { is: "turn", mailbox: mailboxId(bytesOf(data.mailbox)), turn: row, sound: true };
    }
    case "receipt": {
      const { is: _, ...kept } = data;
      const keys = { mailbox: mailboxId(bytesOf(kept.mailbox)), reader: publicKey(bytesOf(kept.reader)) };
      return {
        is: "receipt",
        receipt: { ...kept, ...keys, signature: signature(bytesOf(kept.signature)) },
        sound: true,
      };
    }
    case "entry": {
      const { is: _, ...kept } = data;
      const nodes = hashesOf(kept.nodes);
      return {
        is: "entry",
        entry: {
          ...kept,
          mailbox: mailboxId(bytesOf(kept.mailbox)),
          id: entryId(bytesOf(kept.id)),
          entryHash: hash(bytesOf(kept.entryHash)),
          nodes,
          leaf: nodes[0] ?? hash(new Uint8Array(32)),
          takenBy: kept.takenBy === null ? null : entryId(bytesOf(kept.takenBy)),
          entry: kept.entry === null ? null : Uint8Array.fromBase64(kept.entry),
        },
        sound: true,
      };
    }
    default:
      return data;
  }
}

function json(text: string, number: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damagedLine(number, "it isn't JSON");
  }
}

function damagedLine(number: number, why: string): Fault<DatabaseCode> {
  return new Fault("database/damaged", `Cannot use the file: line ${number} is damaged: ${why}`);
}

/** Names the first thing that is wrong in it. */
function wrongLine(number: number, { issues }: z.ZodError): Fault<DatabaseCode> {
  const [issue] = issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  return damagedLine(number, `${where}${issue?.message ?? "it says nothing known"}`);
}

/** Reads the first line; throws Fault<"database/foreign"> where the file isn't one of these, or a newer one. */
export function decodeHeader(text: string): DumpHeader {
  const foreign = (why: string): Fault<DatabaseCode> =>
    new Fault("database/foreign", `Cannot use the file: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw foreign("it isn't a dchat backup");
  }
  const known = z.looseObject({ format: z.literal(FORMAT), version: whole }).safeParse(value);
  if (!known.success) throw foreign("it isn't a dchat backup");
  if (known.data.version !== FORMAT_VERSION) {
    throw foreign(`its format is version ${known.data.version}, this dchat knows version ${FORMAT_VERSION}`);
  }
  const parsed = header.safeParse(value);
  if (!parsed.success) throw wrongLine(1, parsed.error);
  return parsed.data;
}
