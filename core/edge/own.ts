import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { type NoiseIdentity, signPayload } from "../link/mod.ts";

/** The version that identify names. */
const VERSION = "0.1.0";
export const AGENT = `dchat/${VERSION}`;

/** A Noise identity with a fresh static key, certified by `identity`, which it doesn't keep. */
export function noiseIdentity(
  crypto: Pick<Crypto, "ed25519" | "x25519" | "noise">,
  identity: SigningKey,
): NoiseIdentity & Disposable {
  const staticKey = crypto.x25519.generate();
  const payload = signPayload(crypto, identity, { staticKey: staticKey.publicKey, earlyMuxer: true });
  return {
    crypto: crypto.noise,
    staticKey,
    payload,
    earlyMuxer: true,
    [Symbol.dispose]: () => staticKey[Symbol.dispose](),
  };
}
