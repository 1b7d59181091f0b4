import { hkdfByHmac } from "../hkdf.ts";
import type { Hash, HashStream } from "../port.ts";
import type { Sodium, SodiumRaw } from "./module.ts";

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

/** A hash of libsodium, of which `State` is the address of `stateBytes` in its memory. */
interface Steps<State> {
  readonly stateBytes: number;
  readonly init: () => State;
  readonly update: (state: State, piece: Uint8Array) => void;
  readonly final: (state: State) => Uint8Array;
}

/**
 * Between its calls a stream's state is kept here and not in libsodium's memory, so that the collector takes one that
 * is never finished.
 */
function streamOf<State>(raw: SodiumRaw, { stateBytes, init, update, final }: Steps<State>): HashStream {
  function moved(state: State): Uint8Array {
    const at = Number(state);
    const bytes = raw.HEAPU8.slice(at, at + stateBytes);
    raw.HEAPU8.fill(0, at, at + stateBytes);
    raw._free(at);
    return bytes;
  }
  let kept = moved(init());
  function put(): State {
    const state = init();
    raw.HEAPU8.set(kept, Number(state));
    kept.fill(0);
    return state;
  }
  return {
    update(data) {
      const state = put();
      try {
        inPieces(data, (piece) => update(state, piece));
      } finally {
        kept = moved(state);
      }
    },
    digest: () => final(put()),
  };
}

function wholeOf<State>({ init, update, final }: Steps<State>, parts: readonly Uint8Array[]): Uint8Array {
  const state = init();
  for (const part of parts) inPieces(part, (piece) => update(state, piece));
  return final(state);
}

export function sodiumHash(sodium: Sodium): SodiumHash {
  const { wrapped, raw } = sodium;
  const sha256 = {
    stateBytes: 104,
    init: () => wrapped.crypto_hash_sha256_init(),
    update: wrapped.crypto_hash_sha256_update,
    final: (state: ReturnType<typeof wrapped.crypto_hash_sha256_init>) =>
      wrapped.crypto_hash_sha256_final(state),
  };
  const sha512 = {
    stateBytes: 208,
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
    sha256Stream: () => streamOf(raw, sha256),
    sha512Stream: () => streamOf(raw, sha512),
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
