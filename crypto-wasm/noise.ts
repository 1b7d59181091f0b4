import { verifyPeerOther } from "#native";
import { expectBytes, expectData, expectOneOf } from "./argument.ts";
import type { KeysAhead } from "./keys_ahead.ts";
import type { Parts } from "./part.ts";
import type { Hash, NoiseCrypto, X25519 } from "./port.ts";
import { verifySecp256k1 } from "./secp256k1.ts";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const EMPTY = new Uint8Array(0);

type NoiseParts = Pick<Parts, "hkdfSha256" | "cipherState" | "ed25519.verifyPeer">;

interface NoiseKeys {
  readonly x25519: X25519;
  readonly sha256: Hash["sha256"];
  readonly ahead: KeysAhead;
}

/** What Noise_XX_25519_ChaChaPoly_SHA256 needs, on the backends that the table chose. */
export function openNoise(parts: NoiseParts, { x25519, sha256, ahead }: NoiseKeys): NoiseCrypto {
  const verifyPeer = parts["ed25519.verifyPeer"];
  return {
    ephemeral: () => ahead.take(),
    agree: (key, publicKey) => x25519.agree(key, publicKey),
    sha256,
    hkdf2(chainingKey, ikm) {
      expectBytes("chainingKey", chainingKey, KEY_BYTES);
      expectData("ikm", ikm);
      // Noise section 4.3 is RFC 5869 with an empty info: its two outputs are the first 64 bytes.
      const both = parts.hkdfSha256({ ikm, salt: chainingKey, info: EMPTY, length: 2 * KEY_BYTES });
      return [both.subarray(0, KEY_BYTES), both.subarray(KEY_BYTES)];
    },
    cipher(key) {
      expectBytes("key", key, KEY_BYTES);
      return parts.cipherState(key);
    },
    verifyPeer(key, message, signature) {
      expectBytes("key", key);
      expectData("message", message);
      expectBytes("signature", signature);
      // A peer chooses these lengths, so that they are an answer and not a programmer's mistake.
      if (key.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
      return verifyPeer(key, message, signature);
    },
    verifyPeerOther(type, key, message, signature) {
      expectOneOf("type", type, ["rsa", "secp256k1", "ecdsa"]);
      expectBytes("key", key);
      expectBytes("message", message);
      expectBytes("signature", signature);
      if (type === "secp256k1") return verifySecp256k1(key, sha256(message), signature);
      return verifyPeerOther(type, key, message, signature);
    },
  };
}
