/** A thread that verifies batches: one packed batch in, the positions of the bad ones out, in order. */
import { openWasm } from "../wasm/mod.ts";
import type { WasmBuild } from "../wasm/mod.ts";
import { unpackSigned } from "./pack.ts";

/** What the pool sends; `number` comes back with the answer. */
export interface PoolRequest {
  readonly number: number;
  readonly build: WasmBuild | "auto";
  readonly packed: Uint8Array;
}

export type PoolAnswer =
  | { readonly number: number; readonly bad: readonly number[] }
  | { readonly number: number; readonly failure: string };

declare const self: Worker;
let opened: ReturnType<typeof openWasm> | undefined;

function answer({ number, build, packed }: PoolRequest): PoolAnswer {
  try {
    opened ??= openWasm({ build });
    return { number, bad: opened.ed25519.verifyBatch(unpackSigned(packed)) };
  } catch (error) {
    return { number, failure: error instanceof Error ? error.message : String(error) };
  }
}

self.addEventListener("message", ({ data }: MessageEvent<PoolRequest>) => self.postMessage(answer(data), []));
