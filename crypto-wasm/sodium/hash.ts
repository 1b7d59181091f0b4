import { hkdfByHmac } from "../hkdf.ts";
import type { Hash, HashStream } from "../port.ts";
import type { Sodium } from "./module.ts";

type SodiumHash = Pick<
  Hash,
  | "sha256"
  | "sha512"
  | "sha256Stream"
  | "sha512Stream"
  | "hmacSha256"
  | "hmacSha512"
  | "hkdfSha256"
  | "shake256"
>;

/** libsodium copies what it hashes into its memory, which never shrinks: in pieces of this length. */
const PIECE_BYTES = 1 << 20;

function inPieces(data: Uint8Array, update: (piece: Uint8Array) => void): void {
  for (let at = 0; at < data.length; at += PIECE_BYTES) update(data.subarray(at, at + PIECE_BYTES));
}

/** A hash of libsodium, of which `State` is an address in its memory. */
interface Steps<State> {
  readonly init: () => State;
  readonly update: (state: State, piece: Uint8Array) => void;
  readonly final: (state: State) => Uint8Array;
}

function streamOf<State>({ init, update, final }: Steps<State>): HashStream {
  const state = init();
  return {
    update: (data) => inPieces(data, (piece) => update(state, piece)),
    digest: () => final(state),
  };
}

function wholeOf<State>(steps: Steps<State>, parts: readonly Uint8Array[]): Uint8Array {
  const stream = streamOf(steps);
  for (const part of parts) stream.update(part);
  return stream.digest();
}

export function sodiumHash(sodium: Sodium): SodiumHash {
  const { wrapped } = sodium;
  const sha256 = {
    init: () => wrapped.crypto_hash_sha256_init(),
    update: wrapped.crypto_hash_sha256_update,
    final: (state: ReturnType<typeof wrapped.crypto_hash_sha256_init>) =>
      wrapped.crypto_hash_sha256_final(state),
  };
  const sha512 = {
    init: () => wrapped.crypto_hash_sha512_init(),
    update: wrapped.crypto_hash_sha512_update,
    final: (state: ReturnType<typeof wrapped.crypto_hash_sha512_init>) =>
      wrapped.crypto_hash_sha512_final(state),
  };
  function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
    const state = wrapped.crypto_auth_hmacsha256_init(key);
    for (const part of parts) inPieces(part, (piece) => wrapped.crypto_auth_hmacsha256_update(state, piece));
    return wrapped.crypto_auth_hmacsha256_final(state);
  }
  return {
    sha256: (...parts) => wholeOf(sha256, parts),
    sha512: (...parts) => wholeOf(sha512, parts),
    sha256Stream: () => streamOf(sha256),
    sha512Stream: () => streamOf(sha512),
    hmacSha256,
    hmacSha512(key, ...parts) {
      const state = wrapped.crypto_auth_hmacsha512_init(key);
      for (const part of parts)
        inPieces(part, (piece) => wrapped.crypto_auth_hmacsha512_update(state, piece));
      return wrapped.crypto_auth_hmacsha512_final(state);
    },
    hkdfSha256: (options) => hkdfByHmac(hmacSha256, options),
    shake256: (data, length) =>
      length === 0 ? new Uint8Array(0) : wrapped.crypto_xof_shake256(length, data),
  };
}
