/** For tests: every backend that has a part, behind the same checks of arguments as in `openCrypto`. */
import { BACKENDS, openBackend } from "./backend.ts";
import { checkedAead, checkedEd25519, checkedHash, checkedPassword, checkedX25519 } from "./checked.ts";
import type { BackendName, Part, Parts } from "./part.ts";
import type { Aead, Ed25519, Hash, Kem, PasswordHash, X25519 } from "./port.ts";
import { openRandom } from "./random.ts";

type Opened = Partial<Parts>;

/** A backend's implementation of something, with its name for the test's title. */
export interface OnBackend<T> {
  readonly backend: BackendName;
  readonly it: T;
}

async function openAll(source?: (length: number) => Uint8Array): Promise<OnBackend<Opened>[]> {
  const all: OnBackend<Opened>[] = [];
  for (const backend of BACKENDS) all.push({ backend, it: await openBackend(backend, source) });
  return all;
}

const random = openRandom();
const opened = await openAll();

/** Every backend that has `part`, bare. */
export function each<P extends Part>(part: P): OnBackend<Parts[P]>[] {
  return opened.flatMap(({ backend, it }) => {
    const found = it[part];
    return found === undefined ? [] : [{ backend, it: found }];
  });
}

function refuse(): never {
  throw new Error("this backend lacks it");
}

export const signers: OnBackend<Ed25519>[] = each("ed25519.sign").map(({ backend, it }) => ({
  backend,
  it: checkedEd25519(
    {
      "ed25519.sign": it,
      "ed25519.verify": { verify: refuse, verifyBatch: refuse },
      "ed25519.toX25519": refuse,
      x25519: { fromSecret: refuse, agree: refuse },
      sha512: refuse,
    },
    random,
  ),
}));

export const verifiers: OnBackend<Ed25519>[] = each("ed25519.verify").map(({ backend, it }) => ({
  backend,
  it: checkedEd25519(
    {
      "ed25519.sign": { fromSeed: refuse, sign: refuse, seedOf: refuse },
      "ed25519.verify": it,
      "ed25519.toX25519": refuse,
      x25519: { fromSecret: refuse, agree: refuse },
      sha512: refuse,
    },
    random,
  ),
}));

export const agreements: OnBackend<X25519>[] = each("x25519").map(({ backend, it }) => ({
  backend,
  it: checkedX25519(it, random),
}));

type AeadPart = "chacha20Poly1305" | "xchacha20Poly1305" | "aes128Gcm" | "aes256Gcm";

export function aeads(part: AeadPart): OnBackend<Aead>[] {
  return each(part).map(({ backend, it }) => ({ backend, it: checkedAead(it) }));
}

type HashName =
  | "sha256"
  | "sha512"
  | "sha256Stream"
  | "sha512Stream"
  | "hmacSha256"
  | "hmacSha512"
  | "hkdfSha256"
  | "shake256";

/** Every backend's `name`, checked. */
export function hashes<N extends HashName>(name: N): OnBackend<Hash[N]>[] {
  return each(name).map(({ backend, it }) => {
    const parts = {
      sha256: refuse,
      sha512: refuse,
      sha256Stream: refuse,
      sha512Stream: refuse,
      hmacSha256: refuse,
      hmacSha512: refuse,
      hkdfSha256: refuse,
      shake256: refuse,
      blake3: { blake3: refuse, blake3Stream: refuse },
    };
    return { backend, it: checkedHash({ ...parts, [name]: it })[name] };
  });
}

export const passwords: OnBackend<PasswordHash>[] = each("argon2id").map(({ backend, it }) => ({
  backend,
  it: checkedPassword(it),
}));

/** Every backend's KEM with encapsulation seeds from `source`. */
export async function kems(
  part: "mlKem768" | "xWing",
  source: (length: number) => Uint8Array,
): Promise<OnBackend<Kem>[]> {
  const seeded = await openAll(source);
  return seeded.flatMap(({ backend, it }) => {
    const found = it[part];
    return found === undefined ? [] : [{ backend, it: found }];
  });
}
