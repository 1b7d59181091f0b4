import {
  type Check,
  expectArray,
  expectFields,
  expectFunction,
  expectOneOf,
  oneOf,
  optional,
  wholeIn,
} from "./argument.ts";
import { openBackend } from "./backend.ts";
import { checkedAead, checkedEd25519, checkedHash, checkedPassword, checkedX25519 } from "./checked.ts";
import { CryptoError } from "./error.ts";
import { KeysAhead } from "./keys_ahead.ts";
import { openNoise } from "./noise.ts";
import type { BackendName, Part, Parts } from "./part.ts";
import type { Crypto, CryptoNeed, CryptoOptions, Kem } from "./port.ts";
import { openRandom } from "./random.ts";
import { PARTS_OF_NEED, TABLE } from "./table.ts";
import { openAeadStream } from "./stream.ts";
import { fittingBuild } from "./wasm/mod.ts";
import { constantTimeEqual, wipe } from "./wipe.ts";

const EPHEMERALS_AHEAD = 32;
const ALL_NEEDS: readonly CryptoNeed[] = ["kem", "blake3"];
const OPTIONS = {
  backends: optional(oneOf("fast", "portable")),
  needs: optional((name, needs) => {
    expectArray(name, needs);
    for (const [i, need] of needs.entries()) expectOneOf(`${name}[${i}]`, need, ALL_NEEDS);
  }),
  ephemeralsAhead: optional(wholeIn({ min: 0, max: 65_536 })),
  random: optional(expectFunction),
} as const satisfies Record<string, Check>;

/** Which of the table's parts are to be opened. */
function wantedParts(needs: readonly CryptoNeed[]): Part[] {
  const left = new Set<Part>(
    ALL_NEEDS.filter((need) => !needs.includes(need)).flatMap((need) => PARTS_OF_NEED[need]),
  );
  return Object.keys(TABLE)
    .filter((part) => isPart(part))
    .filter((part) => !left.has(part));
}

function isPart(name: string): name is Part {
  return Object.hasOwn(TABLE, name);
}

interface Opened {
  readonly choose: <P extends Part>(part: P) => Parts[P];
  readonly backends: readonly BackendName[];
}

/** Opens the backends that the wanted parts lie on, and returns what finds a part on its backend. */
async function openParts(options: CryptoOptions): Promise<Opened> {
  const column = options.backends ?? "fast";
  const opened = new Map<BackendName, Partial<Parts>>();
  for (const part of wantedParts(options.needs ?? ALL_NEEDS)) {
    const name = TABLE[part][column];
    if (!opened.has(name)) opened.set(name, await openBackend(name, options.random));
  }
  return {
    choose(part) {
      const found = opened.get(TABLE[part][column])?.[part];
      if (found === undefined) {
        const advice = column === "fast" ? `: pass backends: "portable" to openCrypto` : "";
        throw new CryptoError("backend", `${TABLE[part][column]} can't do ${part} here${advice}`);
      }
      return found;
    },
    backends: [...opened.keys()].map((name) => (name === "wide" ? fittingBuild() : name)),
  };
}

function refuse(what: string, need: CryptoNeed): () => never {
  return () => {
    throw new CryptoError("backend", `${what} was not opened: pass needs: ["${need}"] to openCrypto`);
  };
}

function kemNotOpened(what: string): Kem {
  const no = refuse(what, "kem");
  return { generate: no, fromSeed: no, encapsulate: no, decapsulate: no };
}

function blake3NotOpened(): Parts["blake3"] {
  const no = refuse("BLAKE3", "blake3");
  return { blake3: no, blake3Stream: no };
}

/**
 * Opens the cryptography that the table chooses, for this thread: workers open their own. What it loads stays
 * loaded until the thread ends; dispose drops the keys made ahead.
 */
export async function openCrypto(options: CryptoOptions = {}): Promise<Crypto> {
  expectFields("options", options, OPTIONS);
  const { choose, backends } = await openParts(options);
  const random = openRandom(options.random);
  const x25519 = checkedX25519(choose("x25519"), random);
  const wantedAhead = options.random === undefined ? (options.ephemeralsAhead ?? EPHEMERALS_AHEAD) : 0;
  const ahead = new KeysAhead(() => x25519.generate(), wantedAhead);
  const needs = options.needs ?? ALL_NEEDS;
  const kem = needs.includes("kem");
  const parts = {
    "ed25519.sign": choose("ed25519.sign"),
    "ed25519.verify": choose("ed25519.verify"),
    "ed25519.verifyPeer": choose("ed25519.verifyPeer"),
    "ed25519.toX25519": choose("ed25519.toX25519"),
    x25519: choose("x25519"),
    sha256: choose("sha256"),
    sha512: choose("sha512"),
    sha256Stream: choose("sha256Stream"),
    sha512Stream: choose("sha512Stream"),
    hmacSha256: choose("hmacSha256"),
    hmacSha512: choose("hmacSha512"),
    hkdfSha256: choose("hkdfSha256"),
    shake256: choose("shake256"),
    blake3: needs.includes("blake3") ? choose("blake3") : blake3NotOpened(),
    cipherState: choose("cipherState"),
  };
  const hash = checkedHash(parts);
  const aes256Gcm = checkedAead(choose("aes256Gcm"));
  return {
    ed25519: checkedEd25519(parts, random),
    x25519,
    hash,
    chacha20Poly1305: checkedAead(choose("chacha20Poly1305")),
    xchacha20Poly1305: checkedAead(choose("xchacha20Poly1305")),
    aes128Gcm: checkedAead(choose("aes128Gcm")),
    aes256Gcm,
    aes256GcmStream: openAeadStream({ aead: aes256Gcm, hkdfSha256: hash.hkdfSha256, random }),
    noise: openNoise(parts, { x25519, sha256: hash.sha256, ahead }),
    password: checkedPassword(choose("argon2id")),
    mlKem768: kem ? choose("mlKem768") : kemNotOpened("ML-KEM-768"),
    xWing: kem ? choose("xWing") : kemNotOpened("X-Wing"),
    random,
    backends,
    equal: constantTimeEqual,
    wipe,
    async [Symbol.asyncDispose]() {
      ahead.close();
    },
  };
}
