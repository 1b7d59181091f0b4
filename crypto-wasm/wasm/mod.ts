/**
 * The project's own WASM module: Ed25519 by ZIP-215, X25519, ChaCha20-Poly1305, AES-GCM, and (in ../frost)
 * FROST.
 *
 * `openWasm()` is synchronous: the module is compiled once for the process (about 4 ms), an instance takes far
 * less. It needs WebAssembly and `crypto.getRandomValues` only, and runs on Bun, on Node from 20 on, in browsers, and
 * inside `bun build --compile`. Arguments are expected to have been checked by the caller (checked.ts).
 *
 * Beside libsodium's WASM in one run, copies included, `bun bench crypto` measures it; docs/bench/README.md has what came
 * of that last. X25519 on the portable build is what is hardly faster: docs/decision/crypto-backends.md says why.
 *
 * What it does not protect: engines promise nothing about the timing of WebAssembly; see rust/src/lib.rs.
 */
import type { Aead, CipherState } from "../port.ts";
import { openAead, openAesGcm, openCipherState } from "./aead.ts";
import { openEd25519, type WasmEd25519 } from "./ed25519.ts";
import type { WasmBuild } from "./fitting.ts";
import { Runtime, type RuntimeOptions } from "./runtime.ts";
import { openX25519, type WasmX25519 } from "./x25519.ts";

export { fittingBuild, type WasmBuild } from "./fitting.ts";
export { Runtime, type RuntimeOptions } from "./runtime.ts";

export interface Wasm {
  readonly build: WasmBuild;
  readonly ed25519: WasmEd25519;
  readonly x25519: WasmX25519;
  readonly chacha20Poly1305: Aead;
  readonly xchacha20Poly1305: Aead;
  readonly aes128Gcm: Aead;
  readonly aes256Gcm: Aead;
  /** Keeps a copy of `key` (32 bytes) for a connection. */
  cipherState(key: Uint8Array): CipherState;
  /** For what shares the instance: FROST. */
  readonly runtime: Runtime;
}

/** Opens the module. Keys that it makes are its own and work with no other. */
export function openWasm(options: RuntimeOptions = {}): Wasm {
  const runtime = new Runtime(options);
  return {
    build: runtime.build,
    ed25519: openEd25519(runtime),
    x25519: openX25519(runtime),
    chacha20Poly1305: openAead(runtime, 12),
    xchacha20Poly1305: openAead(runtime, 24),
    aes128Gcm: openAesGcm(runtime, 16),
    aes256Gcm: openAesGcm(runtime, 32),
    cipherState: (key) => openCipherState(runtime, key),
    runtime,
  };
}
