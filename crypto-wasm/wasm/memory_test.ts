/**
 * No secret stays in linear memory. The sharpest way to see it: two instances do the same with different secrets, and
 * once all is disposed their memories are the same to the last byte. What a secret had touched and nobody wiped, in
 * whatever form (a key, its hash, limbs of a scalar, a table), would differ.
 */
import { describe, expect, test } from "bun:test";
import {
  dealtMembers,
  generatedMembers,
  get,
  repaired,
  resharedMembers,
  signature,
} from "../frost/_ceremony.ts";
import { frostOn } from "../frost/mod.ts";
import type { CipherState } from "../port.ts";
import { BUILDS } from "./_builds.ts";
import { openWasm, type Wasm, type WasmBuild } from "./mod.ts";

const SESSION = new Uint8Array(32).fill(3);

const STACK_WIPED_BYTES = 16 * 1024;
const PUBLIC = new Uint8Array(100).fill(7);

/** Randomness that repeats for the same seed. */
function seeded(seed: number): (length: number) => Uint8Array {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    });
}

type Work = (wasm: Wasm, random: (length: number) => Uint8Array) => void;

function frames(cipher: CipherState, plaintext: Uint8Array): void {
  const sealed = new Uint8Array(plaintext.length + 16);
  cipher.seal(1, plaintext, sealed, 0, PUBLIC);
  expect(cipher.open(1, sealed, new Uint8Array(plaintext.length), 0, PUBLIC)).toBe(plaintext.length);
}

const WORK: Record<string, Work> = {
  "ed25519: keys, signatures, seeds, and their X25519 keys"(wasm, random) {
    using key = wasm.ed25519.fromSeed(random(32));
    wasm.ed25519.sign(key, random(300));
    key.exportSeed();
    using agreement = wasm.ed25519.toAgreement(key);
    agreement.exportSecret();
  },
  "x25519: keys and what they agree on"(wasm, random) {
    using one = wasm.x25519.fromSecret(random(32));
    using two = wasm.x25519.fromSecret(random(32));
    wasm.x25519.agree(one, two.publicKey);
    wasm.x25519.agree(one, new Uint8Array(32));
  },
  "ciphers of connections"(wasm, random) {
    using cipher = wasm.cipherState(random(32));
    for (const length of [0, 1, 64, 129, 1_000, 65_536]) frames(cipher, random(length));
    expect(cipher.open(2, random(50), new Uint8Array(50), 0)).toBe(-1);
  },
  "one-shots"(wasm, random) {
    for (const aead of [wasm.chacha20Poly1305, wasm.xchacha20Poly1305, wasm.aes128Gcm, wasm.aes256Gcm]) {
      for (const length of [0, 1, 64, 129, 1_000, 200_000]) {
        const key = random(aead.keyBytes);
        const nonce = random(aead.nonceBytes);
        const sealed = aead.seal(key, nonce, random(length), PUBLIC);
        aead.open(key, nonce, sealed, PUBLIC);
        aead.open(key, nonce, random(40), PUBLIC);
      }
    }
  },
  "FROST, from a dealer and by all members, through repair and resharing"(wasm, random) {
    const frost = frostOn(wasm.runtime);
    const settings = { session: new Uint8Array(32), members: [1, 2, 3], threshold: 2 };
    const dealt = dealtMembers(frost, settings, Uint8Array.from([...random(31), 0]));
    const members = generatedMembers(frost, settings);
    signature(members, [1, 3], PUBLIC);
    const { group, share } = get(members, 1);
    const unused = share.commit(SESSION).nonces;
    const lost = repaired({ session: settings.session, group, lost: 2, helpers: [1, 3] }, members);
    const stored = lost.exportSecret();
    const read = frost.importShare(stored);
    const fresh = resharedMembers({ ...settings, group, dealers: [1, 2] }, members);
    for (const held of [unused, lost, read]) held[Symbol.dispose]();
    for (const all of [dealt, members, fresh]) {
      for (const member of all.values()) {
        member.share[Symbol.dispose]();
        member.group[Symbol.dispose]();
      }
    }
  },
};

/** The memory that is left of `work` with secrets from `seed`. */
function remains(build: WasmBuild, work: Work, seed: number): Uint8Array {
  const random = seeded(seed);
  const wasm = openWasm({ build, random });
  work(wasm, random);
  expect(wasm.runtime.instance.handles).toBe(0);
  return wasm.runtime.instance.inspect().memory;
}

describe.each(BUILDS)("the %s build's memory", (build) => {
  test.each(Object.entries(WORK))("is the same after other secrets: %s", (_, work) => {
    const one = remains(build, work, 1);
    const two = remains(build, work, 2);
    expect(one.length).toBe(two.length);
    // Not by toEqual, which would print megabytes.
    const differing = one.findIndex((byte, at) => byte !== two[at]);
    expect(differing).toBe(-1);
  });

  test("the same while a key is held does differ, so the comparison can fail", () => {
    const held = [1, 2].map((seed) => {
      const wasm = openWasm({ build, random: seeded(seed) });
      wasm.ed25519.fromSeed(seeded(seed)(32));
      return wasm.runtime.instance.inspect().memory;
    });
    expect(Buffer.compare(held[0]!, held[1]!)).not.toBe(0);
  });

  test("what agrees on a secret leaves nothing on the stack, while the keys live", () => {
    const random = seeded(4);
    const wasm = openWasm({ build, random });
    using one = wasm.x25519.fromSecret(random(32));
    using two = wasm.x25519.fromSecret(random(32));
    for (const [publicKey, agreed] of [
      [two.publicKey, 32],
      [new Uint8Array(32), undefined],
    ] as const) {
      expect(wasm.x25519.agree(one, publicKey)?.length).toBe(agreed);
      const { memory, stackTop } = wasm.runtime.instance.inspect();
      expect(memory.subarray(stackTop - STACK_WIPED_BYTES, stackTop).every((byte) => byte === 0)).toBe(true);
    }
  });

  test.each(Object.entries(WORK))("no operation's stack goes below what is wiped: %s", (_, work) => {
    const random = seeded(3);
    const wasm = openWasm({ build, random });
    const { memory, stackTop } = wasm.runtime.instance.inspect();
    memory.fill(0xa5, 0, stackTop - STACK_WIPED_BYTES);
    work(wasm, random);
    const now = wasm.runtime.instance.inspect().memory;
    expect(now.subarray(0, stackTop - STACK_WIPED_BYTES).every((byte) => byte === 0xa5)).toBe(true);
    expect(now.subarray(stackTop - STACK_WIPED_BYTES, stackTop).every((byte) => byte === 0)).toBe(true);
  });
});
