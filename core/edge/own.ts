import type { AgreementKey, Crypto, SigningKey } from "@dchat/crypto-wasm";
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
  const payload = certifyStatic(crypto, { identity, staticKey: staticKey.publicKey });
  return ownNoise(crypto, { publicKey: identity.publicKey.slice(), staticKey, payload });
}

/** What certifies a Noise static key (32 bytes, public) as that of `identity`. */
export function certifyStatic(
  crypto: Pick<Crypto, "ed25519">,
  { identity, staticKey }: { identity: SigningKey; staticKey: Uint8Array },
): Uint8Array {
  return signPayload(crypto, identity, { staticKey, earlyMuxer: true });
}

/** A Noise identity of a static key, which it takes over, and what certifyStatic() says of it. */
export function ownNoise(
  crypto: Pick<Crypto, "noise">,
  own: { publicKey: Uint8Array; staticKey: AgreementKey; payload: Uint8Array },
): OwnNoise {
  const { staticKey } = own;
  return {
    ...own,
    crypto: crypto.noise,
    earlyMuxer: true,
    [Symbol.dispose]: () => staticKey[Symbol.dispose](),
  };
}
