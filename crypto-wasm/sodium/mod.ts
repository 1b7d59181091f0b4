/** libsodium's WASM: what the engine lacks, and the portable half of the table. */
import type { Parts } from "../part.ts";
import type { Random } from "../port.ts";
import { sodiumAead } from "./aead.ts";
import { SodiumCipherState } from "./cipher_state.ts";
import { sodiumHash } from "./hash.ts";
import { sodiumMlKem768, sodiumXWing } from "./kem.ts";
import type { Sodium } from "./module.ts";
import { sodiumArgon2id } from "./password.ts";
import { sodiumSigning, sodiumToX25519, sodiumVerify, sodiumX25519 } from "./sign.ts";

export { openSodium } from "./module.ts";

export function sodiumParts(sodium: Sodium, random: Random): Partial<Parts> {
  return {
    ...sodiumHash(sodium),
    "ed25519.sign": sodiumSigning(sodium),
    "ed25519.verifyPeer": sodiumVerify(sodium),
    "ed25519.toX25519": sodiumToX25519(sodium),
    x25519: sodiumX25519(sodium),
    chacha20Poly1305: sodiumAead(sodium, "chacha20"),
    xchacha20Poly1305: sodiumAead(sodium, "xchacha20"),
    cipherState: (key) => new SodiumCipherState(sodium, key),
    argon2id: sodiumArgon2id(sodium),
    mlKem768: sodiumMlKem768(sodium, random),
    xWing: sodiumXWing(sodium, random),
  };
}
