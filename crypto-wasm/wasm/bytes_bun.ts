/**
 * Where the two builds lie, on Bun. A path imported as a file is what `bun build --compile` embeds; a URL beside
 * `import.meta.url` is not. Node refuses this kind of import, so it has bytes_node.ts; package.json's "imports"
 * chooses by the runtime's own condition.
 */
import { readFileSync } from "node:fs";
import portable from "./portable.wasm" with { type: "file" };
import wide from "./wide.wasm" with { type: "file" };

/** The bytes of one build, read anew at each call. */
export function wasmBytes(build: "wide" | "portable"): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(build === "wide" ? wide : portable));
}
