/** Fixed values that the protocol's test vectors are made of. */
import { entryId, hash, nonce, type PublicKey, publicKey } from "../../core/ground/mod.ts";
import type { LeafPreimage } from "../../core/wire/mod.ts";

export const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
export const key = (value: number): PublicKey => publicKey(filled(32, value));
export const RELAY = key(0x52);
export const NONCE = nonce(filled(32, 0x4e));
export const NOW_MS = 1_800_000_000_000;
export const DAY_MS = 86_400_000;
export const POLICY = { entriesMax: 10_000, bytesMax: 67_108_864, ttlMs: 30 * DAY_MS, retentionMs: 0 };

export function preimage(seq: number): LeafPreimage {
  return {
    generation: 2,
    seq,
    id: entryId(filled(16, 0x10 + seq)),
    turn: 7,
    kind: seq === 1 ? "control" : "plain",
    timeMs: NOW_MS,
    expiryMs: NOW_MS + 30 * DAY_MS,
    entryHash: hash(filled(32, 0xe0 + seq)),
  };
}
