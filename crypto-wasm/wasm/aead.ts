/**
 * ChaCha20-Poly1305, XChaCha20-Poly1305 and AES-GCM in the module: one-shots, and ChaCha20 keys that stay inside for
 * connections.
 */
import { DATA_BYTES_MAX, expectBytes, PLAINTEXT_BYTES_MAX, refuseArgument } from "../argument.ts";
import { CryptoError } from "../error.ts";
import type { Aead, CipherState } from "../port.ts";
import type { Instance } from "./instance.ts";
import { expectDone, Handle, readU32, type Runtime } from "./runtime.ts";
import { STATUS } from "./status.ts";

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const EMPTY = new Uint8Array(0);

/** A cipher key inside the module, with Noise's counter nonces. It is its own handle: a relay holds two a connection. */
class WasmCipherState extends Handle implements CipherState {
  seal(counter: number, plaintext: Uint8Array, into: Uint8Array, at: number, ad = EMPTY): number {
    const { instance, number } = this;
    expectBytes("plaintext", plaintext);
    expectBytes("ad", ad);
    const length = ad.length + plaintext.length;
    if (length > PLAINTEXT_BYTES_MAX)
      refuseArgument("plaintext", `at most ${PLAINTEXT_BYTES_MAX} bytes`, plaintext);
    expectCounter(counter);
    expectRoom(into, at, plaintext.length + TAG_BYTES);
    const arena = instance.arena(length + TAG_BYTES);
    let sealed = 0;
    try {
      if (ad.length > 0) arena.set(ad);
      arena.set(plaintext, ad.length);
      sealed = expectDone(
        instance.call(
          instance.operations.cipher_seal,
          length,
          ad.length,
          number,
          counter >>> 0,
          Math.floor(counter / 2 ** 32),
        ),
      );
      into.set(arena.subarray(ad.length, sealed), at);
      return sealed - ad.length;
    } finally {
      // What was sealed may be seen by anyone; what wasn't doesn't stay.
      if (sealed === 0) instance.clear(length + TAG_BYTES);
    }
  }

  open(counter: number, ciphertext: Uint8Array, into: Uint8Array, at: number, ad = EMPTY): number {
    expectBytes("ciphertext", ciphertext);
    expectBytes("ad", ad);
    if (ciphertext.length < TAG_BYTES) return -1;
    const { instance, number } = this;
    const length = ad.length + ciphertext.length;
    if (length > DATA_BYTES_MAX) refuseArgument("ciphertext", `at most ${DATA_BYTES_MAX} bytes`, ciphertext);
    expectCounter(counter);
    expectRoom(into, at, ciphertext.length - TAG_BYTES);
    const arena = instance.arena(length);
    if (ad.length > 0) arena.set(ad);
    arena.set(ciphertext, ad.length);
    const { cipher_open: open } = instance.operations;
    const status = instance.call(
      open,
      length,
      ad.length,
      number,
      counter >>> 0,
      Math.floor(counter / 2 ** 32),
    );
    if (status === STATUS.notAuthentic) return -1;
    const opened = expectDone(status);
    try {
      into.set(arena.subarray(ad.length, opened), at);
    } finally {
      // What was opened doesn't stay; what was sealed may be seen by anyone.
      arena.fill(0, ad.length, opened);
    }
    return opened - ad.length;
  }
}

function expectCounter(counter: number): void {
  if (!Number.isSafeInteger(counter) || counter < 0) {
    throw new CryptoError("argument", "counter must be a whole number from 0 to 2^53 - 1");
  }
}

function expectRoom(into: Uint8Array, at: number, bytes: number): void {
  expectBytes("into", into);
  if (!Number.isSafeInteger(at) || at < 0) refuseArgument("at", "a whole number, 0 or more", at);
  if (at + bytes > into.length) {
    throw new CryptoError("argument", `into must have ${bytes} bytes from at on; it has ${into.length - at}`);
  }
}

/** Keeps a copy of `key` (32 bytes) inside and returns its cipher. */
export function openCipherState(runtime: Runtime, key: Uint8Array): CipherState {
  const instance = runtime.instance;
  try {
    instance.arena(KEY_BYTES).set(key);
    const length = expectDone(instance.call(instance.operations.cipher_key, KEY_BYTES));
    return new WasmCipherState(instance, readU32(instance.answer(length), 0));
  } finally {
    instance.clear(KEY_BYTES);
  }
}

interface Request {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly data: Uint8Array;
  readonly ad: Uint8Array;
  readonly opens: boolean;
}

/** Calls an operation upon a request of `length` bytes: key, nonce, associated data, data. */
type Once = (instance: Instance, length: number, request: Request) => number;

const chachaOnce: Once = (instance, length, { nonce, ad, opens }) =>
  instance.call(instance.operations.aead_once, length, ad.length, nonce.length, opens ? 1 : 0);

const aesOnce: Once = (instance, length, { key, ad, opens }) =>
  instance.call(instance.operations.aes_gcm_once, length, ad.length, key.length, opens ? 1 : 0);

/** The one-shots: 12 bytes of nonce for ChaCha20-Poly1305, 24 for XChaCha20-Poly1305. */
export function openAead(runtime: Runtime, nonceBytes: 12 | 24): Aead {
  return openOnce(runtime, { keyBytes: KEY_BYTES, nonceBytes, work: chachaOnce });
}

/** AES-GCM: 16 bytes of key for AES-128, 32 for AES-256. */
export function openAesGcm(runtime: Runtime, keyBytes: 16 | 32): Aead {
  return openOnce(runtime, { keyBytes, nonceBytes: 12, work: aesOnce });
}

type Shape = Pick<Aead, "keyBytes" | "nonceBytes"> & { readonly work: Once };

function openOnce(runtime: Runtime, { keyBytes, nonceBytes, work }: Shape): Aead {
  return {
    keyBytes,
    nonceBytes,
    seal(key, nonce, data, ad) {
      const sealed = once(runtime, work, { key, nonce, data, ad, opens: false });
      if (sealed === null) throw new CryptoError("backend", "The WASM module could not seal");
      return sealed;
    },
    open: (key, nonce, data, ad) =>
      data.length < TAG_BYTES ? null : once(runtime, work, { key, nonce, data, ad, opens: true }),
  };
}

function once(runtime: Runtime, work: Once, request: Request): Uint8Array | null {
  const { key, nonce, data, ad } = request;
  const instance = runtime.instance;
  const head = key.length + nonce.length + ad.length;
  const length = head + data.length;
  const arena = instance.arena(length + TAG_BYTES);
  try {
    arena.set(key);
    arena.set(nonce, key.length);
    arena.set(ad, key.length + nonce.length);
    arena.set(data, head);
    const status = work(instance, length, request);
    if (status < 0 && status !== STATUS.notAuthentic) expectDone(status);
    return status < 0 ? null : arena.slice(head, status);
  } finally {
    instance.clear(length + TAG_BYTES);
  }
}
