/** Evidence as a JSON document, docs/protocol/evidence.md: exactly its keys, bytes in lower-case hex. */
import { Fault, hash, type Hash, isFault } from "../ground/mod.ts";
import {
  decodeCertificate,
  decodeHead,
  decodePromise,
  encodeCertificate,
  encodeHead,
  encodePromise,
  PATH_HASHES_MAX,
  type SignedHead,
  type SignedPromise,
} from "../wire/mod.ts";
import type { Evidence } from "./evidence.ts";

const FORMAT = "dchat-evidence";
const VERSION = 1;

/** evidence: a text that isn't a document of evidence. */
export type MailboxCode = "mailbox/evidence";

/** Far above the longest document. */
const TEXT_LENGTH_MAX = 64 * 1024;

type Fields = Readonly<Record<string, unknown>>;

function headFields({ certificate, head }: SignedHead) {
  return { certificate: encodeCertificate(certificate).toHex(), head: encodeHead(head).toHex() };
}

function promiseFields({ certificate, promise }: SignedPromise) {
  return { certificate: encodeCertificate(certificate).toHex(), promise: encodePromise(promise).toHex() };
}

function pathFields(path: readonly Hash[]): string[] {
  return path.map((step) => step.toHex());
}

/** The document as a value, for whoever writes it. */
export function evidenceFields(evidence: Evidence): Fields {
  const { kind } = evidence;
  const head = { format: FORMAT, version: VERSION, kind };
  switch (kind) {
    case "promises":
      return { ...head, first: promiseFields(evidence.first), second: promiseFields(evidence.second) };
    case "heads":
      return { ...head, first: headFields(evidence.first), second: headFields(evidence.second) };
    case "broken": {
      const [first, second] = [promiseFields(evidence.first), headFields(evidence.second)];
      return { ...head, first, second, leaf: evidence.leaf.toHex(), path: pathFields(evidence.path) };
    }
    default: {
      const [first, second] = [headFields(evidence.first), headFields(evidence.second)];
      return { ...head, first, second, root: evidence.root.toHex(), path: pathFields(evidence.path) };
    }
  }
}

function malformed(why: string): Fault<MailboxCode> {
  return new Fault("mailbox/evidence", `The evidence can't be read: ${why}`);
}

/** Reads a document; says nothing of whether it proves anything. Throws Fault<"mailbox/evidence">. */
export function parseEvidence(text: string): Evidence {
  if (text.length > TEXT_LENGTH_MAX) throw malformed(`it has more than ${TEXT_LENGTH_MAX} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("it isn't JSON, or it was cut off");
  }
  const { format, version, kind, ...rest } = fieldsOf(value, "it");
  if (format !== FORMAT) throw malformed(`its format isn't ${FORMAT}`);
  if (version !== VERSION) throw malformed(`version ${VERSION} expected, got ${JSON.stringify(version)}`);
  switch (kind) {
    case "promises": {
      const { first, second } = only(rest, ["first", "second"]);
      return { kind, first: promiseOf(first), second: promiseOf(second) };
    }
    case "heads": {
      const { first, second } = only(rest, ["first", "second"]);
      return { kind, first: headOf(first), second: headOf(second) };
    }
    case "broken": {
      const { first, second, leaf, path } = only(rest, ["first", "second", "leaf", "path"]);
      return {
        kind,
        first: promiseOf(first),
        second: headOf(second),
        leaf: hashOf(leaf, "leaf"),
        path: pathOf(path),
      };
    }
    case "rewritten": {
      const { first, second, root, path } = only(rest, ["first", "second", "root", "path"]);
      return {
        kind,
        first: headOf(first),
        second: headOf(second),
        root: hashOf(root, "root"),
        path: pathOf(path),
      };
    }
    default:
      throw malformed("its kind is unknown");
  }
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${what} isn't an object`);
  }
  return { ...value };
}

/** `fields`, which has these keys and no others. */
function only(fields: Fields, keys: readonly string[]): Fields {
  const other = Object.keys(fields).find((key) => !keys.includes(key));
  if (other !== undefined)
    throw malformed(`it has a key that doesn't belong there, ${JSON.stringify(other)}`);
  const missing = keys.find((key) => !(key in fields));
  if (missing !== undefined) throw malformed(`${missing} is missing`);
  return fields;
}

/** One way to write each value, so that no two documents say the same. */
function bytesOf(value: unknown, what: string): Uint8Array {
  if (typeof value !== "string" || !/^(?:[0-9a-f]{2})*$/.test(value)) {
    throw malformed(`${what} isn't lower-case hex`);
  }
  return Uint8Array.fromHex(value);
}

function hashOf(value: unknown, what: string): Hash {
  const bytes = bytesOf(value, what);
  if (bytes.length !== 32) throw malformed(`${what} has ${bytes.length} bytes, expected 32`);
  return hash(bytes);
}

function pathOf(value: unknown): Hash[] {
  if (!Array.isArray(value)) throw malformed("path isn't a list");
  if (value.length > PATH_HASHES_MAX) throw malformed(`path has more than ${PATH_HASHES_MAX} hashes`);
  return value.map((step) => hashOf(step, "a step of path"));
}

function headOf(value: unknown): SignedHead {
  const { certificate, head } = only(fieldsOf(value, "a statement"), ["certificate", "head"]);
  return { certificate: decoded(certificate, decodeCertificate), head: decoded(head, decodeHead) };
}

function promiseOf(value: unknown): SignedPromise {
  const { certificate, promise } = only(fieldsOf(value, "a statement"), ["certificate", "promise"]);
  return { certificate: decoded(certificate, decodeCertificate), promise: decoded(promise, decodePromise) };
}

function decoded<T>(value: unknown, decode: (bytes: Uint8Array) => T): T {
  const bytes = bytesOf(value, "a statement");
  try {
    return decode(bytes);
  } catch (error) {
    if (isFault(error)) throw malformed(`a statement has another layout: ${error.message}`);
    throw error;
  }
}
