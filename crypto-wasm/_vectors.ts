/** For tests: published vectors as JSON, read without trusting their shape. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { requireOrSkip } from "../test/harness/require.ts";

/** Beside this checkout; a bundle of these tests that runs elsewhere is told. */
const SHARED = new URL(
  process.env["DCHAT_TEST_VECTORS"] ?? new URL("../../shared/vectors/", import.meta.url),
);

/** Whether the large published vectors lie beside this checkout; where they don't, it is said aloud. */
export const vectorsPresent = requireOrSkip("the published vectors in ../shared/vectors", existsSync(SHARED));

/** A JSON object whose members are asked for by name and kind. */
export class Vector {
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(value: unknown) {
    if (typeof value !== "object" || value === null)
      throw new Error(`expected an object, got ${typeof value}`);
    this.#members = Object.fromEntries(Object.entries(value));
  }

  text(name: string): string {
    const value = this.#members[name];
    if (typeof value !== "string") throw new Error(`${name} is no text`);
    return value;
  }

  bytes(name: string): Uint8Array {
    return Uint8Array.fromHex(this.text(name));
  }

  /** As `bytes`, or null where the member is null. */
  bytesOrNull(name: string): Uint8Array | null {
    return this.#members[name] === null ? null : this.bytes(name);
  }

  number(name: string): number {
    const value = this.#members[name];
    if (typeof value !== "number") throw new Error(`${name} is no number`);
    return value;
  }

  object(name: string): Vector {
    return new Vector(this.#members[name]);
  }

  list(name: string): Vector[] {
    return this.#items(name).map((item) => new Vector(item));
  }

  /** A list of lists. */
  lists(name: string): Vector[][] {
    return this.#items(name).map((item) => new Vector({ item }).list("item"));
  }

  /** A list of hexadecimal texts. */
  byteList(name: string): Uint8Array[] {
    return this.#items(name).map((item) => new Vector({ item }).bytes("item"));
  }

  #items(name: string): unknown[] {
    const value: unknown = this.#members[name];
    if (!Array.isArray(value)) throw new Error(`${name} is no list`);
    return value;
  }
}

function parse(url: URL): unknown {
  return JSON.parse(readFileSync(url, "utf8"));
}

/** The vectors' files in a folder of ../shared/vectors. */
export function sharedFiles(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, SHARED))
    .filter((name) => name.endsWith(".json"))
    .toSorted();
}

/** A file of ../shared/vectors that holds one object. */
export function sharedVector(path: string): Vector {
  return new Vector(parse(new URL(path, SHARED)));
}

/** A file of ../shared/vectors that holds a list. */
export function sharedVectors(path: string): Vector[] {
  return new Vector({ all: parse(new URL(path, SHARED)) }).list("all");
}
