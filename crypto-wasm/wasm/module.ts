/** The module's builds, each compiled once for the process. */
import { wasmBytes } from "#wasm-bytes";
import type { WasmBuild } from "./fitting.ts";

const compiled = new Map<WasmBuild, WebAssembly.Module>();

/** The compiled module of a build: about 4 ms the first time, kept from then on. */
export function wasmModule(build: WasmBuild): WebAssembly.Module {
  const known = compiled.get(build);
  if (known !== undefined) return known;
  const made = new WebAssembly.Module(wasmBytes(build));
  compiled.set(build, made);
  return made;
}
