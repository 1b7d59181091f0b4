/**
 * Which build of the module an engine runs, compiled once for the process. Where the engine has wide arithmetic
 * that is the wide one; `WebAssembly.validate` of eight instructions tells.
 */
import { wasmBytes } from "#wasm-bytes";

export type WasmBuild = "wide" | "portable";

/** A module of one function, (i64, i64) -> (i64, i64), by i64.mul_wide_u. */
const WIDE_PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x01, 0x60, 0x02, 0x7e, 0x7e, 0x02, 0x7e, 0x7e,
  0x03, 0x02, 0x01, 0x00, 0x0a, 0x0a, 0x01, 0x08, 0x00, 0x20, 0x00, 0x20, 0x01, 0xfc, 0x16, 0x0b,
]);

const compiled = new Map<WasmBuild, WebAssembly.Module>();

/** The build that this engine runs fastest. */
export function fittingBuild(): WasmBuild {
  return WebAssembly.validate(WIDE_PROBE) ? "wide" : "portable";
}

/** The compiled module of a build: about 4 ms the first time, kept from then on. */
export function wasmModule(build: WasmBuild): WebAssembly.Module {
  const known = compiled.get(build);
  if (known !== undefined) return known;
  const made = new WebAssembly.Module(wasmBytes(build));
  compiled.set(build, made);
  return made;
}
