import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { type NoiseIdentity, signPayload } from "../link/mod.ts";

/** The version that identify names. */
const VERSION = "0.1.0";
export const AGENT = `dchat/${VERSION}`;

/** What one side brings to its handshakes, and the Ed25519 key that certifies it. Dispose wipes the static key. */
export interface OwnNoise extends NoiseIdentity, Disposable {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** A Noise identity with a fresh static key, certified by `identity`, which it doesn't keep. */
export function noiseIdentity(
  crypto: Pick<Crypto, "ed25519" | "x25519" | "noise">,
  identity: SigningKey,
): OwnNoise {
  const staticKey = crypto.x25519.generate();
  const payload = signPayload(crypto, identity, { staticKey: staticKey.publicKey, earlyMuxer: true });
  return {
    crypto: crypto.noise,
    publicKey: identity.publicKey.slice(),
    staticKey,
    payload,
    earlyMuxer: true,
    [Symbol.dispose]: () => staticKey[Symbol.dispose](),
  };
}
