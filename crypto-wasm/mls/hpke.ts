import type { Hpke } from "ts-mls";
import { expectBytes, expectFields, wholeIn } from "../argument.ts";
import { CryptoError } from "../error.ts";
import { HKDF_BLOCKS_MAX } from "../hkdf.ts";
import type { Aead } from "../port.ts";
import type { HpkeKem } from "./kem.ts";
import { ownPrivateKey, ownPublicKey } from "./key.ts";
import { wipe } from "../wipe.ts";
import { concat, type Hmac, LabeledKdf, uint16 } from "./labeled.ts";

export interface HpkeSuite {
  readonly kem: HpkeKem;
  readonly kdfId: number;
  readonly hmac: Hmac;
  readonly hashBytes: number;
  readonly aeadId: number;
  readonly aead: Aead;
}

const EMPTY = new Uint8Array(0);
const MODE_BASE = Uint8Array.of(0x00);

/** The key schedule of one suite (RFC 9180 section 5.1). Each call wipes the shared secret that it is given. */
class Schedule {
  readonly #suite: HpkeSuite;
  readonly #kdf: LabeledKdf;
  readonly #pskIdHash: Uint8Array;

  constructor(suite: HpkeSuite) {
    const ids = concat(uint16(suite.kem.id), uint16(suite.kdfId), uint16(suite.aeadId));
    this.#suite = suite;
    this.#kdf = new LabeledKdf(suite.hmac, concat(new TextEncoder().encode("HPKE"), ids));
    this.#pskIdHash = this.#kdf.extract(EMPTY, "psk_id_hash", EMPTY);
  }

  #secret(shared: Uint8Array, info: Uint8Array): { secret: Uint8Array; context: Uint8Array } {
    const context = concat(MODE_BASE, this.#pskIdHash, this.#kdf.extract(EMPTY, "info_hash", info));
    const secret = this.#kdf.extract(shared, "secret", EMPTY);
    shared.fill(0);
    return { secret, context };
  }

  keyAndNonce(shared: Uint8Array, info: Uint8Array): { key: Uint8Array; nonce: Uint8Array } {
    const { aead } = this.#suite;
    const { secret, context } = this.#secret(shared, info);
    const key = this.#kdf.expand(secret, "key", { info: context, length: aead.keyBytes });
    const nonce = this.#kdf.expand(secret, "base_nonce", { info: context, length: aead.nonceBytes });
    secret.fill(0);
    return { key, nonce };
  }

  exported(
    shared: Uint8Array,
    info: Uint8Array,
    exporter: { context: Uint8Array; length: number },
  ): Uint8Array {
    const { secret, context } = this.#secret(shared, info);
    const prk = this.#kdf.expand(secret, "exp", { info: context, length: this.#suite.hashBytes });
    const out = this.#kdf.expand(prk, "sec", { info: exporter.context, length: exporter.length });
    secret.fill(0);
    prk.fill(0);
    return out;
  }
}

function opened(plaintext: Uint8Array | null): Uint8Array {
  if (plaintext === null) throw new CryptoError("protocol", "the MLS ciphertext isn't authentic");
  return plaintext;
}

/** HPKE in base mode (RFC 9180 section 5.1), the only one that MLS uses, shaped as ts-mls asks. */
export function openHpke(suite: HpkeSuite): Hpke {
  const { kem, aead } = suite;
  const schedule = new Schedule(suite);
  const exporter = {
    context: expectBytes,
    length: wholeIn({ min: 0, max: HKDF_BLOCKS_MAX * suite.hashBytes }),
    info: expectBytes,
  };
  const expectExporter = (given: object): void => expectFields("exporter", given, exporter);
  return {
    keyLength: aead.keyBytes,
    nonceLength: aead.nonceBytes,
    async seal(publicKey, plaintext, info, aad = EMPTY) {
      expectBytes("info", info);
      const { enc, shared } = kem.encapsulate(ownPublicKey(kem.name, publicKey));
      const { key, nonce } = schedule.keyAndNonce(shared, info);
      try {
        return { ct: aead.seal(key, nonce, plaintext, aad), enc };
      } finally {
        wipe(key, nonce);
      }
    },
    async open(privateKey, kemOutput, ciphertext, info, aad = EMPTY) {
      expectBytes("info", info);
      const shared = kem.decapsulate(ownPrivateKey(kem.name, privateKey), kemOutput);
      const { key, nonce } = schedule.keyAndNonce(shared, info);
      try {
        return opened(aead.open(key, nonce, ciphertext, aad));
      } finally {
        wipe(key, nonce);
      }
    },
    async exportSecret(publicKey, context, length, info) {
      expectExporter({ context, length, info });
      const { enc, shared } = kem.encapsulate(ownPublicKey(kem.name, publicKey));
      return { enc, secret: schedule.exported(shared, info, { context, length }) };
    },
    async importSecret(privateKey, context, kemOutput, length, info) {
      expectExporter({ context, length, info });
      const shared = kem.decapsulate(ownPrivateKey(kem.name, privateKey), kemOutput);
      return schedule.exported(shared, info, { context, length });
    },
    importPrivateKey: async (bytes) => kem.importPrivate(bytes),
    importPublicKey: async (bytes) => kem.importPublic(bytes),
    exportPublicKey: async (key) => ownPublicKey(kem.name, key).bytes.slice(),
    exportPrivateKey: async (key) => kem.exportPrivate(ownPrivateKey(kem.name, key)),
    encryptAead: async (key, nonce, aad, plaintext) => aead.seal(key, nonce, plaintext, aad ?? EMPTY),
    decryptAead: async (key, nonce, aad, ciphertext) =>
      opened(aead.open(key, nonce, ciphertext, aad ?? EMPTY)),
    deriveKeyPair: async (ikm) => kem.derive(ikm),
    generateKeyPair: async () => kem.generate(),
  };
}
