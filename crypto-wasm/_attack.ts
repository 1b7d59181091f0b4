/** For tests: what hostile and careless callers give. */
import { CryptoError } from "./error.ts";

/** Around the blocks of every primitive here: 16 of Poly1305, 64 of ChaCha20 and SHA-256, 128 of SHA-512. */
export const LENGTHS = [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025];
export const MIB = 1 << 20;

/** Deterministic bytes, different for each `seed`. */
export function bytes(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state;
  }
  return out;
}

/** `data` once for each of its bytes, with one bit of that byte flipped. */
export function* flips(data: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < data.length; i++) {
    const flipped = data.slice();
    flipped[i] = (flipped[i] ?? 0) ^ (1 << (i % 8));
    yield flipped;
  }
}

/** The message of the CryptoError that `act` throws. */
export function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof CryptoError && error.code === "argument") return error.message;
    throw error;
  }
  return "nothing was refused";
}

/** What isn't a Uint8Array of the right length, but gets past a type checker that was told so. */
export const WRONG: Uint8Array[] = JSON.parse('[null, "text", 7, {"length": 32}, [1, 2]]');
