/**
 * Noise_XX_25519_ChaChaPoly_SHA256 (Noise rev. 34), without prologue, in both roles. Three messages:
 * `-> e`, `<- e, ee, s, es`, `-> s, se`. Dropped when it is done; what stays are the two cipher states.
 */
import type { AgreementKey, CipherState, NoiseCrypto } from "@dchat/crypto-wasm";
import { NO_BYTES, concat, copyOf } from "./bytes.ts";
import { type NoisePeer, openPayload } from "./noise_payload.ts";

const PROTOCOL_NAME = new TextEncoder().encode("Noise_XX_25519_ChaChaPoly_SHA256");
const KEY_BYTES = 32;
const TAG_BYTES = 16;

/** What one side brings to each of its handshakes. */
export interface NoiseIdentity {
  readonly crypto: NoiseCrypto;
  readonly staticKey: AgreementKey;
  /** signPayload()'s result for that static key. */
  readonly payload: Uint8Array;
  /** Whether that payload offers yamux early; where both sides' do, no negotiation of the muxer follows. */
  readonly earlyMuxer: boolean;
}

export interface TransportCiphers {
  readonly send: CipherState;
  readonly receive: CipherState;
}

export class NoiseHandshake {
  /** Set once the peer has proven who it is. */
  peer: NoisePeer | null = null;
  #isKeyUnsupported = false;
  readonly #crypto: NoiseCrypto;
  readonly #own: NoiseIdentity;
  readonly #ephemeral: AgreementKey;
  #remoteEphemeral: Uint8Array = NO_BYTES;
  #hash: Uint8Array;
  #chainingKey: Uint8Array = PROTOCOL_NAME;
  #cipher: CipherState | null = null;
  #nonce = 0;

  constructor(own: NoiseIdentity) {
    this.#own = own;
    this.#crypto = own.crypto;
    this.#ephemeral = own.crypto.ephemeral();
    // The name has exactly a hash's length, so it is its own first hash; then the empty prologue.
    this.#hash = own.crypto.sha256(PROTOCOL_NAME);
  }

  /** Responder: whether the first message is still to come. */
  get awaitsFirst(): boolean {
    return this.#remoteEphemeral.length === 0;
  }

  /** Initiator: `-> e`. */
  writeFirst(): Uint8Array {
    this.#mixHash(this.#ephemeral.publicKey);
    this.#mixHash(NO_BYTES);
    return this.#ephemeral.publicKey;
  }

  /** Responder: takes `-> e`, borrowed. False where it is malformed. */
  readFirst(message: Uint8Array): boolean {
    if (message.length < KEY_BYTES) return false;
    this.#remoteEphemeral = copyOf(message, 0, KEY_BYTES);
    this.#mixHash(this.#remoteEphemeral);
    // Nothing is encrypted yet, so a payload here is hashed and ignored; stock peers send none.
    this.#mixHash(message.subarray(KEY_BYTES));
    return true;
  }

  /** Responder: `<- e, ee, s, es` with the payload. Null where the peer's key is of low order. */
  writeSecond(): Uint8Array | null {
    const { staticKey, payload } = this.#own;
    this.#mixHash(this.#ephemeral.publicKey);
    if (!this.#mixKey(this.#ephemeral, this.#remoteEphemeral)) return null;
    const sealedKey = this.#seal(staticKey.publicKey);
    if (!this.#mixKey(staticKey, this.#remoteEphemeral)) return null;
    return concat(this.#ephemeral.publicKey, sealedKey, this.#seal(payload));
  }

  /** Initiator: takes `<- e, ee, s, es`, borrowed. False where anything in it doesn't hold. */
  readSecond(message: Uint8Array): boolean {
    const keyEnd = KEY_BYTES + KEY_BYTES + TAG_BYTES;
    if (message.length < keyEnd + TAG_BYTES) return false;
    this.#remoteEphemeral = copyOf(message, 0, KEY_BYTES);
    this.#mixHash(this.#remoteEphemeral);
    if (!this.#mixKey(this.#ephemeral, this.#remoteEphemeral)) return false;
    const remoteStatic = this.#open(message.subarray(KEY_BYTES, keyEnd));
    if (remoteStatic === null || !this.#mixKey(this.#ephemeral, remoteStatic)) return false;
    return this.#authenticate(message.subarray(keyEnd), remoteStatic);
  }

  /** Initiator: `-> s, se` with the payload. Null where the peer's key is of low order. */
  writeThird(): Uint8Array | null {
    const { staticKey, payload } = this.#own;
    const sealedKey = this.#seal(staticKey.publicKey);
    if (!this.#mixKey(staticKey, this.#remoteEphemeral)) return null;
    return concat(sealedKey, this.#seal(payload));
  }

  /** Responder: takes `-> s, se`, borrowed. False where anything in it doesn't hold. */
  readThird(message: Uint8Array): boolean {
    const keyEnd = KEY_BYTES + TAG_BYTES;
    if (message.length < keyEnd + TAG_BYTES) return false;
    const remoteStatic = this.#open(message.subarray(0, keyEnd));
    if (remoteStatic === null || !this.#mixKey(this.#ephemeral, remoteStatic)) return false;
    return this.#authenticate(message.subarray(keyEnd), remoteStatic);
  }

  /** Why `readSecond` or `readThird` refused its message. */
  refusalOf(message: "second" | "third"): string {
    if (this.#isKeyUnsupported) return "noise: the peer's key is of a type that can't be verified here";
    return `noise: ${message} message does not hold`;
  }

  /** The transport's two ciphers. Ends the handshake. */
  split(initiator: boolean): TransportCiphers {
    const [first, second] = this.#crypto.hkdf2(this.#chainingKey, NO_BYTES);
    const send = this.#crypto.cipher(initiator ? first : second);
    const receive = this.#crypto.cipher(initiator ? second : first);
    first.fill(0);
    second.fill(0);
    this.dispose();
    return { send, receive };
  }

  /** Wipes what is secret. */
  dispose(): void {
    this.#cipher?.[Symbol.dispose]();
    this.#cipher = null;
    this.#ephemeral[Symbol.dispose]();
    if (this.#chainingKey !== PROTOCOL_NAME) this.#chainingKey.fill(0);
  }

  #authenticate(sealedPayload: Uint8Array, remoteStatic: Uint8Array): boolean {
    const payload = this.#open(sealedPayload);
    const peer = payload === null ? null : openPayload(this.#crypto, payload, remoteStatic);
    this.#isKeyUnsupported = peer === "unsupported";
    this.peer = peer === "unsupported" ? null : peer;
    return this.peer !== null;
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.sha256(this.#hash, data);
  }

  #mixKey(key: AgreementKey, publicKey: Uint8Array): boolean {
    const shared = this.#crypto.agree(key, publicKey);
    if (shared === null) return false;
    const [chainingKey, cipherKey] = this.#crypto.hkdf2(this.#chainingKey, shared);
    shared.fill(0);
    if (this.#chainingKey !== PROTOCOL_NAME) this.#chainingKey.fill(0);
    this.#chainingKey = chainingKey;
    this.#cipher?.[Symbol.dispose]();
    this.#cipher = this.#crypto.cipher(cipherKey);
    cipherKey.fill(0);
    this.#nonce = 0;
    return true;
  }

  #seal(plaintext: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    this.#cipher?.seal(this.#nonce++, plaintext, sealed, 0, this.#hash);
    this.#mixHash(sealed);
    return sealed;
  }

  #open(sealed: Uint8Array): Uint8Array | null {
    const plaintext = new Uint8Array(sealed.length - TAG_BYTES);
    const opened = this.#cipher?.open(this.#nonce++, sealed, plaintext, 0, this.#hash) ?? -1;
    this.#mixHash(sealed);
    return opened < 0 ? null : plaintext;
  }
}
