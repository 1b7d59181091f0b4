import { nativeParts } from "#native";
import type { BackendName, Parts } from "./part.ts";
import { openRandom } from "./random.ts";
import { openSodium, sodiumParts } from "./sodium/mod.ts";
import { fittingBuild, openWasm, type WasmBuild } from "./wasm/mod.ts";

/** What replaces the system's randomness, where anything does. */
type RandomSource = ((length: number) => Uint8Array) | undefined;

/**
 * The module keeps the system's randomness: batches are sound only by it, and what they answer doesn't depend on it,
 * so that a simulation has nothing to replay there and a constant in a test can't make bad signatures good.
 */
function wasmParts(build: WasmBuild): Partial<Parts> {
  const wasm = openWasm({ build });
  const { ed25519, x25519, chacha20Poly1305, xchacha20Poly1305, aes128Gcm, aes256Gcm } = wasm;
  return {
    "ed25519.sign": ed25519,
    "ed25519.verify": ed25519,
    "ed25519.verifyPeer": (key, message, signature) => ed25519.verify(key, message, signature),
    "ed25519.toX25519": (publicKey) => ed25519.toX25519(publicKey),
    x25519,
    chacha20Poly1305,
    xchacha20Poly1305,
    aes128Gcm,
    aes256Gcm,
    cipherState: (key) => wasm.cipherState(key),
  };
}

const OPENERS: Record<BackendName, (random: RandomSource) => Promise<Partial<Parts>>> = {
  native: async () => nativeParts(),
  // An engine without wide arithmetic runs the portable build in its place.
  wide: async () => wasmParts(fittingBuild()),
  portable: async () => wasmParts("portable"),
  sodium: async (random) => sodiumParts(await openSodium(), openRandom(random)),
  hashwasm: async () => {
    const { openBlake3 } = await import("./blake3.ts");
    return { blake3: await openBlake3() };
  },
};

export const BACKENDS = [
  "native",
  "wide",
  "portable",
  "sodium",
  "hashwasm",
] as const satisfies readonly BackendName[];

/** Opens a backend: loads its WASM where it has one, and returns every part that it can do. */
export function openBackend(name: BackendName, random?: RandomSource): Promise<Partial<Parts>> {
  return OPENERS[name](random);
}
