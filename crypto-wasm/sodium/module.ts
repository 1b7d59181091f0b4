import type Wrapped from "libsodium-wrappers-sumo";
import { CryptoError } from "../error.ts";
import { Arena } from "./arena.ts";

type Pointer = number;
type SealRaw = (
  out: Pointer,
  outLength: Pointer,
  message: Pointer,
  lengthLow: number,
  lengthHigh: number,
  ad: Pointer,
  adLow: number,
  adHigh: number,
  unused: number,
  nonce: Pointer,
  key: Pointer,
) => number;
type OpenRaw = (
  out: Pointer,
  outLength: Pointer,
  unused: number,
  ciphertext: Pointer,
  lengthLow: number,
  lengthHigh: number,
  ad: Pointer,
  adLow: number,
  adHigh: number,
  nonce: Pointer,
  key: Pointer,
) => number;

/** A KEM's three functions; each answers 0 where it went well. */
type SeedPairRaw = (publicKey: Pointer, secretKey: Pointer, seed: Pointer) => number;
type EncapsulateRaw = (ciphertext: Pointer, secret: Pointer, publicKey: Pointer, seed: Pointer) => number;
type DecapsulateRaw = (secret: Pointer, ciphertext: Pointer, secretKey: Pointer) => number;

/**
 * The functions that are called below the wrappers: those allocate several arrays a call, and leave what they were
 * given in freed memory.
 */
export interface SodiumRaw {
  /** Replaced when the memory grows: read anew for each use. */
  readonly HEAPU8: Uint8Array;
  readonly _malloc: (bytes: number) => Pointer;
  readonly _free: (at: Pointer) => void;
  readonly _crypto_aead_chacha20poly1305_ietf_encrypt: SealRaw;
  readonly _crypto_aead_chacha20poly1305_ietf_decrypt: OpenRaw;
  readonly _crypto_aead_xchacha20poly1305_ietf_encrypt: SealRaw;
  readonly _crypto_aead_xchacha20poly1305_ietf_decrypt: OpenRaw;
  readonly _crypto_kem_mlkem768_seed_keypair: SeedPairRaw;
  readonly _crypto_kem_mlkem768_enc_deterministic: EncapsulateRaw;
  readonly _crypto_kem_mlkem768_dec: DecapsulateRaw;
  readonly _crypto_kem_xwing_seed_keypair: SeedPairRaw;
  readonly _crypto_kem_xwing_enc_deterministic: EncapsulateRaw;
  readonly _crypto_kem_xwing_dec: DecapsulateRaw;
}

const RAW_FUNCTIONS = [
  "_malloc",
  "_free",
  "_crypto_aead_chacha20poly1305_ietf_encrypt",
  "_crypto_aead_chacha20poly1305_ietf_decrypt",
  "_crypto_aead_xchacha20poly1305_ietf_encrypt",
  "_crypto_aead_xchacha20poly1305_ietf_decrypt",
  "_crypto_kem_mlkem768_seed_keypair",
  "_crypto_kem_mlkem768_enc_deterministic",
  "_crypto_kem_mlkem768_dec",
  "_crypto_kem_xwing_seed_keypair",
  "_crypto_kem_xwing_enc_deterministic",
  "_crypto_kem_xwing_dec",
] as const satisfies readonly (keyof SodiumRaw)[];

function isRaw(value: unknown): value is SodiumRaw {
  if (typeof value !== "object" || value === null) return false;
  if (!(Reflect.get(value, "HEAPU8") instanceof Uint8Array)) return false;
  return RAW_FUNCTIONS.every((name) => typeof Reflect.get(value, name) === "function");
}

export interface Sodium {
  readonly wrapped: typeof Wrapped;
  readonly raw: SodiumRaw;
  /** One for each thread: every operation is synchronous, so it is never shared by two at once. */
  readonly arena: Arena;
}

let opened: Promise<Sodium> | undefined;

async function load(): Promise<Sodium> {
  const { default: wrapped } = await import("libsodium-wrappers-sumo");
  await wrapped.ready;
  const raw: unknown = Reflect.get(wrapped, "libsodium");
  if (!isRaw(raw))
    throw new CryptoError("backend", "libsodium's module lacks the functions that this version uses");
  return { wrapped, raw, arena: new Arena(raw) };
}

/** libsodium's WASM (16 MiB of RSS), loaded on first use and shared by all that open it in this thread. */
export function openSodium(): Promise<Sodium> {
  opened ??= load();
  return opened;
}
