/** Where the two builds lie, on Node: beside this file. */
import { readFileSync } from "node:fs";

/** The bytes of one build, read anew at each call. */
export function wasmBytes(build: "wide" | "portable"): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`./${build}.wasm`, import.meta.url)));
}
