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
  readonly handle: Handle;

  constructor(handle: Handle, publicKey: Uint8Array) {
    this.handle = handle;
    this.publicKey = publicKey;
  }

  /** From the module's answer: a handle and a public key. */
  static fromAnswer(instance: Instance, length: number): WasmAgreementKey {
    const answer = instance.answer(length);
    instance.clear(length);
    return new WasmAgreementKey(new Handle(instance, readU32(answer, 0)), answer.slice(4));
  }

  exportSecret(): Uint8Array {
    const { instance, number } = this.handle;
    const length = expectDone(instance.call(instance.operations.x25519_secret, 0, number));
    const secret = instance.answer(length);
    instance.clear(length);
    return secret;
  }

  [Symbol.dispose](): void {
    this.handle[Symbol.dispose]();
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
      instance.arena(KEY_BYTES).set(secret);
      const length = expectDone(instance.call(instance.operations.x25519_key, KEY_BYTES));
      return WasmAgreementKey.fromAnswer(instance, length);
    },
    agree,
  };
}

function agree(key: AgreementKey, publicKey: Uint8Array): Uint8Array | null {
  if (!(key instanceof WasmAgreementKey)) {
    throw new CryptoError("argument", "key must be an agreement key of this backend");
  }
  const { instance, number } = key.handle;
  instance.arena(KEY_BYTES).set(publicKey);
  const length = instance.call(instance.operations.x25519_agree, KEY_BYTES, number);
  if (length === STATUS.invalid) {
    instance.clear(KEY_BYTES);
    return null;
  }
  const shared = instance.answer(expectDone(length));
  instance.clear(length);
  return shared;
}
