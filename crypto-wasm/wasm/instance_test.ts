import { describe, expect, test } from "bun:test";
import { dealtMembers, get, signature } from "../frost/_ceremony.ts";
import { dealReshare, frostOn, repairDeltas } from "../frost/mod.ts";
import { BUILDS } from "./_builds.ts";
import { Instance, REQUEST_BYTES_MAX } from "./instance.ts";
import { openWasm } from "./mod.ts";
import { fittingBuild } from "./fitting.ts";
import { wasmModule } from "./module.ts";
import { STATUS } from "./status.ts";

const SESSION = new Uint8Array(32).fill(3);

const FUZZ_ROUNDS = process.env["DCHAT_TEST_LONG"] === "1" ? 20_000 : 400;

/** Does `work` while the system has no randomness, which is an exception inside the module. */
function withoutRandomness(work: () => void): void {
  const value = (): never => {
    throw new Error("the system's randomness broke");
  };
  Object.defineProperty(crypto, "getRandomValues", { configurable: true, value });
  try {
    work();
  } finally {
    Reflect.deleteProperty(crypto, "getRandomValues");
  }
}

function poisoned() {
  return expect.objectContaining({ code: "poisoned" });
}

/** A valid batch of `count`, whose verification draws randomness. */
function batch(count: number) {
  const { ed25519 } = openWasm();
  return Array.from({ length: count }, (_, i) => {
    using key = ed25519.fromSeed(new Uint8Array(32).fill(i));
    const message = new Uint8Array(i);
    return { key: key.publicKey, message, signature: ed25519.sign(key, message) };
  });
}

/** A member's share as it is stored. */
function storedShare(): Uint8Array {
  const settings = { session: new Uint8Array(32), members: [1, 2, 3], threshold: 2 };
  const dealt = dealtMembers(frostOn(openWasm().runtime), settings, new Uint8Array(32).fill(1));
  return get(dealt, 1).share.exportSecret();
}

test("fittingBuild() is the wide one on Bun, the portable one on Node", () => {
  const fitting = "Bun" in globalThis ? "wide" : "portable";
  expect(fittingBuild()).toBe(fitting);
  expect(openWasm().build).toBe(fitting);
  expect(openWasm({ build: "portable" }).build).toBe("portable");
});

describe.each(BUILDS)("an instance of the %s build", (build) => {
  test("checks the bounds of the arena, on both sides", () => {
    const instance = new Instance(wasmModule(build));
    const argument = expect.objectContaining({ code: "argument" });
    expect(() => instance.arena(REQUEST_BYTES_MAX + 1)).toThrow(argument);
    const { ed25519_verify: verify, cipher_key, cipher_seal: seal } = instance.operations;
    expect(() => instance.call(verify, REQUEST_BYTES_MAX + 1)).toThrow(argument);
    // Past this side, the module itself refuses what the arena hasn't.
    const arena = instance.arena(96);
    expect(verify(arena.length + 1)).toBe(STATUS.malformed);
    expect(verify(-1)).toBe(STATUS.malformed);
    expect(verify(95)).toBe(STATUS.malformed);
    instance.call(cipher_key, 32);
    const key = instance.answer(4)[0] ?? 0;
    expect(seal(arena.length - 15, 0, key, 0, 0)).toBe(STATUS.malformed);
    expect(seal(16, 33, key, 0, 0)).toBe(STATUS.malformed);
    expect(seal(-1, 0, key, 0, 0)).toBe(STATUS.malformed);
  });

  test("answers every operation with any request and any numbers, and never traps", () => {
    const instance = new Instance(wasmModule(build));
    const names = Object.entries(instance.operations);
    for (let round = 0; round < FUZZ_ROUNDS; round++) {
      for (const [name, operation] of names) {
        const length = Math.floor(Math.random() ** 3 * 600);
        const arena = instance.arena(600);
        crypto.getRandomValues(arena.subarray(0, 600));
        // What most requests begin with, so that some get past it: a version and a kind, a small handle or count.
        if (round % 2 === 0) arena.set([1, round % 13, 0, 0]);
        const number = () => (Math.random() < 0.5 ? round % 8 : Math.floor(Math.random() * 2 ** 32));
        const answer = instance.call(operation, length, number(), number(), number(), number());
        if (answer < STATUS.refused) throw new Error(`${name} answered ${answer}`);
      }
    }
    expect(instance.poisoned).toBe(false);
  });

  test("that fails inside is poisoned: the call and its keys say so, its memory is wiped, the next call works", () => {
    const wasm = openWasm({ build });
    const items = batch(3);
    using key = wasm.ed25519.fromSeed(new Uint8Array(32).fill(9));
    using cipher = wasm.cipherState(new Uint8Array(32).fill(9));
    using agreement = wasm.x25519.fromSecret(new Uint8Array(32).fill(9));
    using share = frostOn(wasm.runtime).importShare(storedShare());
    expect(wasm.ed25519.verifyBatch(items)).toEqual([]);
    const before = wasm.runtime.instance;
    withoutRandomness(() => expect(() => wasm.ed25519.verifyBatch(items)).toThrow(poisoned()));
    expect(before.poisoned).toBe(true);
    expect(before.inspect().memory.every((byte) => byte === 0)).toBe(true);
    expect(() => wasm.ed25519.sign(key, new Uint8Array(3))).toThrow(poisoned());
    expect(() => cipher.seal(0, new Uint8Array(3), new Uint8Array(19), 0)).toThrow(poisoned());
    expect(() => cipher.open(0, new Uint8Array(19), new Uint8Array(3), 0)).toThrow(poisoned());
    expect(() => key.exportSeed()).toThrow(poisoned());
    expect(() => wasm.x25519.agree(agreement, key.publicKey)).toThrow(poisoned());
    expect(() => agreement.exportSecret()).toThrow(poisoned());
    expect(() => share.commit(SESSION)).toThrow(poisoned());
    expect(() => share.exportSecret()).toThrow(poisoned());

    expect(wasm.ed25519.verifyBatch(items)).toEqual([]);
    expect(wasm.runtime.instance).not.toBe(before);
  });

  test("is unharmed by a source of randomness that gives something else than it was asked for, at whichever draw", () => {
    const wrongs: ((length: number) => unknown)[] = [
      () => new Uint8Array(0),
      (length) => new Uint8Array(length + 1).fill(1),
      (length) => new Uint8Array(Math.max(32, length)),
      () => "text",
      () => undefined,
    ];
    let [draws, wrong] = [Infinity, wrongs[0]!];
    const random = (length: number) =>
      (--draws < 0 ? wrong(length) : crypto.getRandomValues(new Uint8Array(length))) as Uint8Array;
    const wasm = openWasm({ build, random });
    const frost = frostOn(wasm.runtime);
    const settings = { session: SESSION, members: [1, 2, 3], threshold: 2 };
    const members = dealtMembers(frost, settings);
    const { share, group } = get(members, 1);
    using key = wasm.ed25519.fromSeed(new Uint8Array(32).fill(9));
    const items = batch(3);
    const before = wasm.runtime.instance;
    const steps = {
      deal: () => frost.deal(settings),
      generate: () => frost.generate(settings, 1),
      commit: () => share.commit(SESSION),
      repair: () => repairDeltas({ session: SESSION, group, lost: 3, helpers: [1, 2] }, share),
      reshare: () => dealReshare({ ...settings, group, dealers: [1, 2] }, share),
      verify: () => wasm.ed25519.verifyBatch(items),
    };
    const handles = frost.handles;
    for (const [name, step] of Object.entries(steps)) {
      for (const each of wrongs) {
        [draws, wrong] = [0, each];
        expect(step).toThrow(
          expect.objectContaining({ code: "argument", message: expect.stringContaining("random") }),
        );
        expect([name, frost.handles]).toEqual([name, handles]);
        // A batch's answer is a count and positions.
        expect(name === "verify" || before.arena(0).every((byte) => byte === 0)).toBe(true);
      }
    }
    // Each draw but the first.
    for (let first = 1, done = false; !done; first++) {
      [draws, wrong] = [first, wrongs[0]!];
      try {
        for (const part of ["deal", "repair", "reshare"] as const) steps[part]();
        done = true;
      } catch (error) {
        expect(error).toMatchObject({ code: "argument" });
      }
      expect(first).toBeLessThan(100);
    }
    [draws, wrong] = [
      0,
      () => {
        throw new RangeError("the source broke");
      },
    ];
    expect(steps.commit).toThrow(RangeError);
    draws = Infinity;
    expect(frost.handles).toBe(handles);
    expect(wasm.runtime.instance).toBe(before);
    expect(wasm.ed25519.verifyBatch(items)).toEqual([]);
    expect(wasm.ed25519.sign(key, SESSION)).toHaveLength(64);
    expect(signature(members, [1, 2], SESSION)).toHaveLength(64);
  });

  test("holds up when its arena grows: what was asked before and after is right", () => {
    const wasm = openWasm({ build });
    using key = wasm.ed25519.fromSeed(new Uint8Array(32).fill(1));
    const small = wasm.ed25519.sign(key, new Uint8Array(10));
    const large = new Uint8Array(3 * 1024 * 1024).fill(5);
    const signature = wasm.ed25519.sign(key, large);
    expect(wasm.ed25519.verify(key.publicKey, large, signature)).toBe(true);
    expect(wasm.ed25519.verify(key.publicKey, new Uint8Array(10), small)).toBe(true);
  });

  test("forgets a handle's number at dispose, and an old number never names the key that came next", () => {
    const wasm = openWasm({ build });
    const { instance } = wasm.runtime;
    const first = wasm.ed25519.fromSeed(new Uint8Array(32));
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(instance.handles).toBe(0);
    expect(() => first.exportSeed()).toThrow(expect.objectContaining({ code: "disposed" }));
    using _ = wasm.ed25519.fromSeed(new Uint8Array(32).fill(2));
    // The first key had slot 0 in its first life.
    expect(instance.operations.ed25519_seed(0, 0)).toBe(STATUS.noSuchHandle);
  });

  test("opens and disposes a hundred thousand keys in the room of one", () => {
    const wasm = openWasm({ build });
    const { instance } = wasm.runtime;
    wasm.cipherState(new Uint8Array(32))[Symbol.dispose]();
    const before = instance.inspect().memory.length;
    for (let i = 0; i < 100_000; i++) wasm.cipherState(new Uint8Array(32))[Symbol.dispose]();
    expect(instance.handles).toBe(0);
    expect(instance.inspect().memory.length).toBe(before);
  });
});
