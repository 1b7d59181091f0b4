/** X25519 in the module, with keys that stay inside. */
import { CryptoError } from "../error.ts";
import type { AgreementKey } from "../port.ts";
import type { Instance } from "./instance.ts";
import { expectDone, Handle, readU32, type Runtime } from "./runtime.ts";
import { STATUS } from "./status.ts";

const KEY_BYTES = 32;

/** An agreement key inside the module. */
export class WasmAgreementKey implements AgreementKey {
  readonly publicKey: Uint8Array;
  readonly #handle: Handle;

  constructor(handle: Handle, publicKey: Uint8Array) {
    this.#handle = handle;
    this.publicKey = publicKey;
  }

  /** From the module's answer: a handle and a public key. */
  static fromAnswer(instance: Instance, length: number): WasmAgreementKey {
    const answer = instance.answer(length);
    return new WasmAgreementKey(new Handle(instance, readU32(answer, 0)), answer.slice(4));
  }

  /** The handle; throws CryptoError for what isn't an agreement key of this backend. */
  static handleOf(key: unknown): Handle {
    if (typeof key === "object" && key !== null && #handle in key) return key.#handle;
    throw new CryptoError("argument", "key must be an agreement key of this backend");
  }

  exportSecret(): Uint8Array {
    const { instance, number } = this.#handle;
    try {
      return instance.answer(expectDone(instance.call(instance.operations.x25519_secret, 0, number)));
    } finally {
      instance.clear(KEY_BYTES);
    }
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }
}

export interface WasmX25519 {
  fromSecret(secret: Uint8Array): AgreementKey;
  agree(key: AgreementKey, publicKey: Uint8Array): Uint8Array | null;
}

export function openX25519(runtime: Runtime): WasmX25519 {
  return {
    fromSecret(secret) {
      const instance = runtime.instance;
      try {
        instance.arena(KEY_BYTES).set(secret);
        const length = expectDone(instance.call(instance.operations.x25519_key, KEY_BYTES));
        return WasmAgreementKey.fromAnswer(instance, length);
      } finally {
        instance.clear(KEY_BYTES + 4);
      }
    },
    agree,
  };
}

function agree(key: AgreementKey, publicKey: Uint8Array): Uint8Array | null {
  const { instance, number } = WasmAgreementKey.handleOf(key);
  try {
    instance.arena(KEY_BYTES).set(publicKey);
    const length = instance.call(instance.operations.x25519_agree, KEY_BYTES, number);
    return length === STATUS.invalid ? null : instance.answer(expectDone(length));
  } finally {
    instance.clear(KEY_BYTES);
  }
}
