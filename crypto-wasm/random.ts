import { expectBytes, expectWhole } from "./argument.ts";
import type { Random } from "./port.ts";

/** What one call of WebCrypto gives. */
const CHUNK_BYTES = 65_536;
const RANDOM_BYTES_MAX = 1 << 30;

function systemBytes(length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += CHUNK_BYTES) {
    crypto.getRandomValues(out.subarray(at, Math.min(length, at + CHUNK_BYTES)));
  }
  return out;
}

/** The system's randomness, or `source` in its place for simulation and vectors. */
export function openRandom(source?: (length: number) => Uint8Array): Random {
  return {
    bytes(length) {
      expectWhole("length", length, { min: 0, max: RANDOM_BYTES_MAX });
      if (source === undefined) return systemBytes(length);
      const bytes = source(length);
      expectBytes("random", bytes, length);
      return bytes;
    },
  };
}
