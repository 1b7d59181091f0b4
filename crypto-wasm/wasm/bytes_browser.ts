/**
 * Where the two builds lie, in a browser: beside this file, or beside the bundle that it became part of. They are
 * fetched before whatever imports this runs, so that everything after it is synchronous as elsewhere; the wide one only
 * by an engine that can run it. A worker's script that imports this misses messages that come before they are here.
 */
import { CryptoError } from "../error.ts";
import { fittingBuild, type WasmBuild } from "./fitting.ts";

async function fetched(at: URL): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(at);
  if (!response.ok) throw new CryptoError("backend", `Cannot fetch ${at.href}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

// Whole in each call, since that is what bundlers look for.
const [portable, wide] = await Promise.all([
  fetched(new URL("./portable.wasm", import.meta.url)),
  fittingBuild() === "wide" ? fetched(new URL("./wide.wasm", import.meta.url)) : null,
]);

/** The bytes of one build, the same at each call; the wide one only where the engine can run it. */
export function wasmBytes(build: WasmBuild): Uint8Array<ArrayBuffer> {
  if (build === "portable") return portable;
  if (wide === null) throw new CryptoError("backend", "This browser has no wide arithmetic");
  return wide;
}
