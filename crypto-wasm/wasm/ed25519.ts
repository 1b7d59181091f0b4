/** Ed25519 in the module: ZIP-215 verification, single and batch alike, and signing with keys that stay inside. */
import { CryptoError } from "../error.ts";
import type { AgreementKey, SignedMessage, SigningKey } from "../port.ts";
import { WasmAgreementKey } from "./x25519.ts";
import { expectDone, Handle, readU32, type Runtime, writeU32 } from "./runtime.ts";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const ITEM_BYTES = 4 + KEY_BYTES + SIGNATURE_BYTES;
/**
 * How many signatures and bytes go in at once. Beyond 256 a batch hardly gains, and what is longer would make the
 * arena grow for good.
 */
const BATCH_ITEMS_MAX = 512;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/** A signing key inside the module. */
export class WasmSigningKey implements SigningKey {
  readonly publicKey: Uint8Array;
  readonly #handle: Handle;

  constructor(handle: Handle, publicKey: Uint8Array) {
    this.#handle = handle;
    this.publicKey = publicKey;
  }

  /** The handle; throws CryptoError for what isn't a signing key of this backend. */
  static handleOf(key: unknown): Handle {
    if (typeof key === "object" && key !== null && #handle in key) return key.#handle;
    throw new CryptoError("argument", "key must be a signing key of this backend");
  }

  exportSeed(): Uint8Array {
    return seedOf(this);
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }
}

export interface WasmEd25519 {
  fromSeed(seed: Uint8Array): SigningKey;
  sign(key: SigningKey, message: Uint8Array): Uint8Array;
  seedOf(key: SigningKey): Uint8Array;
  verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  verifyBatch(items: readonly SignedMessage[]): readonly number[];
  toX25519(publicKey: Uint8Array): Uint8Array | null;
  /** The X25519 key of a signing key. */
  toAgreement(key: SigningKey): AgreementKey;
}

export function openEd25519(runtime: Runtime): WasmEd25519 {
  return {
    fromSeed: (seed) => fromSeed(runtime, seed),
    sign,
    seedOf,
    verify: (key, message, signature) => verify(runtime, key, message, signature),
    verifyBatch: (items) => verifyBatch(runtime, items),
    toX25519: (publicKey) => toX25519(runtime, publicKey),
    toAgreement(key) {
      const { instance, number } = WasmSigningKey.handleOf(key);
      try {
        const length = expectDone(instance.call(instance.operations.ed25519_agreement, 0, number));
        return WasmAgreementKey.fromAnswer(instance, length);
      } finally {
        instance.clear(KEY_BYTES + 4);
      }
    },
  };
}

function seedOf(key: SigningKey): Uint8Array {
  const { instance, number } = WasmSigningKey.handleOf(key);
  try {
    return instance.answer(expectDone(instance.call(instance.operations.ed25519_seed, 0, number)));
  } finally {
    instance.clear(KEY_BYTES);
  }
}

function fromSeed(runtime: Runtime, seed: Uint8Array): SigningKey {
  const instance = runtime.instance;
  try {
    instance.arena(KEY_BYTES).set(seed);
    const length = expectDone(instance.call(instance.operations.ed25519_key, KEY_BYTES));
    const answer = instance.answer(length);
    return new WasmSigningKey(new Handle(instance, readU32(answer, 0)), answer.slice(4));
  } finally {
    instance.clear(KEY_BYTES + 4);
  }
}

function sign(key: SigningKey, message: Uint8Array): Uint8Array {
  const { instance, number } = WasmSigningKey.handleOf(key);
  try {
    instance.arena(message.length).set(message);
    return instance.answer(
      expectDone(instance.call(instance.operations.ed25519_sign, message.length, number)),
    );
  } finally {
    instance.clear(Math.max(message.length, SIGNATURE_BYTES));
  }
}

function verify(runtime: Runtime, key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const instance = runtime.instance;
  const length = KEY_BYTES + SIGNATURE_BYTES + message.length;
  const arena = instance.arena(length);
  arena.set(key);
  arena.set(signature, KEY_BYTES);
  arena.set(message, KEY_BYTES + SIGNATURE_BYTES);
  return expectDone(instance.call(instance.operations.ed25519_verify, length)) === 1;
}

function verifyBatch(runtime: Runtime, items: readonly SignedMessage[]): number[] {
  const bad: number[] = [];
  for (let from = 0; from < items.length;) {
    let to = from;
    let bytes = 4;
    for (; to < items.length && to - from < BATCH_ITEMS_MAX; to++) {
      const next = ITEM_BYTES + (items[to]?.message.length ?? 0);
      if (to > from && bytes + next > BATCH_BYTES_MAX) break;
      bytes += next;
    }
    verifySome(runtime, { items, from, to, bytes }, bad);
    from = to;
  }
  return bad;
}

interface Some {
  readonly items: readonly SignedMessage[];
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** Verifies the items from `from` up to `to` at once and adds the positions of the bad ones. */
function verifySome(runtime: Runtime, { items, from, to, bytes }: Some, bad: number[]): void {
  const instance = runtime.instance;
  const arena = instance.arena(bytes);
  writeU32(arena, 0, to - from);
  let at = 4;
  for (let i = from; i < to; i++) {
    const item = items[i];
    if (item === undefined) throw new CryptoError("argument", `items[${i}] is missing`);
    writeU32(arena, at, item.message.length);
    arena.set(item.key, at + 4);
    arena.set(item.signature, at + 4 + KEY_BYTES);
    arena.set(item.message, at + ITEM_BYTES);
    at += ITEM_BYTES + item.message.length;
  }
  const count = expectDone(instance.call(instance.operations.ed25519_verify_batch, bytes));
  if (count === 0) return;
  const positions = instance.answer(4 * count);
  for (let i = 0; i < count; i++) bad.push(from + readU32(positions, 4 * i));
}

function toX25519(runtime: Runtime, publicKey: Uint8Array): Uint8Array | null {
  const instance = runtime.instance;
  instance.arena(KEY_BYTES).set(publicKey);
  const length = instance.call(instance.operations.ed25519_to_x25519, KEY_BYTES);
  return length < 0 ? null : instance.answer(length);
}
