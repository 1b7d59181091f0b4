/** No secret stays in linear memory where a call is refused or thrown out of half way. */
import { describe, expect, test } from "bun:test";
import { frostOn } from "../frost/mod.ts";
import { BUILDS } from "./_builds.ts";
import { openWasm, type Wasm } from "./mod.ts";
import { STATUS } from "./status.ts";

function secretBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Bytes that throw where they are copied, as those do whose buffer moved away between check and copy. */
function moved(): Uint8Array {
  const bytes = new Uint8Array(10);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** How often `secret` stands in memory. */
function copies(wasm: Wasm, secret: Uint8Array): number {
  const memory = Buffer.from(wasm.runtime.instance.inspect().memory);
  let count = 0;
  for (let at = memory.indexOf(secret); at >= 0; at = memory.indexOf(secret, at + 1)) count++;
  return count;
}

function holds(wasm: Wasm, secret: Uint8Array): boolean {
  return Buffer.from(wasm.runtime.instance.inspect().memory).includes(secret);
}

describe.each(BUILDS)("after what failed on the %s build", (build) => {
  test("no key or plaintext of a one-shot stays", () => {
    const wasm = openWasm({ build });
    for (const aead of [wasm.chacha20Poly1305, wasm.xchacha20Poly1305, wasm.aes256Gcm]) {
      const key = secretBytes(32);
      const plaintext = secretBytes(50);
      const nonce = new Uint8Array(aead.nonceBytes);
      expect(() => aead.seal(key, nonce, plaintext, moved())).toThrow(TypeError);
      expect(() => aead.seal(key, nonce, moved(), plaintext)).toThrow(TypeError);
      expect(() => aead.open(key, nonce, plaintext, moved())).toThrow(TypeError);
      expect(holds(wasm, key) || holds(wasm, plaintext)).toBe(false);
    }
  });

  test("no seed, secret or cipher key stays where no handle is left", () => {
    const wasm = openWasm({ build });
    const { instance } = wasm.runtime;
    const full = () => STATUS.tooManyHandles;
    Object.assign(instance.operations, { ed25519_key: full, x25519_key: full, cipher_key: full });
    const secret = secretBytes(32);
    const backend = expect.objectContaining({ code: "backend" });
    // After each: the next would wipe what the last left.
    expect(() => wasm.ed25519.fromSeed(secret)).toThrow(backend);
    expect(holds(wasm, secret)).toBe(false);
    expect(() => wasm.x25519.fromSecret(secret)).toThrow(backend);
    expect(holds(wasm, secret)).toBe(false);
    expect(() => wasm.cipherState(secret)).toThrow(backend);
    expect(holds(wasm, secret)).toBe(false);
  });

  test("no plaintext, message or shared secret stays where the module refuses", () => {
    const wasm = openWasm({ build });
    const { instance } = wasm.runtime;
    using key = wasm.ed25519.fromSeed(secretBytes(32));
    using agreement = wasm.x25519.fromSecret(secretBytes(32));
    using cipher = wasm.cipherState(secretBytes(32));
    const refused = () => STATUS.malformed;
    Object.assign(instance.operations, {
      ed25519_sign: refused,
      x25519_agree: refused,
      cipher_seal: refused,
    });
    const secret = secretBytes(64);
    const backend = expect.objectContaining({ code: "backend" });
    const head = secret.subarray(0, 32);
    expect(() => wasm.ed25519.sign(key, secret)).toThrow(backend);
    expect(holds(wasm, head)).toBe(false);
    expect(() => wasm.x25519.agree(agreement, head)).toThrow(backend);
    expect(holds(wasm, head)).toBe(false);
    expect(() => cipher.seal(0, secret, new Uint8Array(80), 0)).toThrow(backend);
    expect(holds(wasm, head)).toBe(false);
  });

  test("no request or answer stays in the arena where all went well, while the keys live", () => {
    const wasm = openWasm({ build });
    const { instance } = wasm.runtime;
    const done = <T>(result: T): T => {
      expect(
        instance
          .arena(512)
          .subarray(0, 512)
          .every((byte) => byte === 0),
      ).toBe(true);
      return result;
    };
    using key = done(wasm.ed25519.fromSeed(secretBytes(32)));
    done(wasm.ed25519.sign(key, secretBytes(200)));
    done(key.exportSeed());
    using agreement = done(wasm.ed25519.toAgreement(key));
    done(agreement.exportSecret());
    using other = done(wasm.x25519.fromSecret(secretBytes(32)));
    done(wasm.x25519.agree(other, agreement.publicKey));
    using cipher = done(wasm.cipherState(secretBytes(32)));
    const [plaintext, frame] = [secretBytes(64), new Uint8Array(80)];
    cipher.seal(0, plaintext, frame, 0);
    expect(cipher.open(0, frame, new Uint8Array(64), 0)).toBe(64);
    expect(holds(wasm, plaintext)).toBe(false);
  });

  test("no request or answer of FROST stays in the arena, while its handles live", () => {
    const wasm = openWasm({ build });
    const frost = frostOn(wasm.runtime);
    const settings = { session: new Uint8Array(32), members: [1, 2], threshold: 2 };
    const secret = Uint8Array.from([...secretBytes(31), 0]);
    const dealt = frost.deal(settings, secret);
    expect(holds(wasm, secret)).toBe(false);
    const message = dealt.get(1) ?? new Uint8Array(0);
    const { share } = frost.accept(settings, { member: 1, message });
    // What the handle holds is the only copy.
    expect(copies(wasm, message.subarray(-32))).toBe(1);
    share.exportSecret();
    expect(copies(wasm, message.subarray(-32))).toBe(1);
    expect(() => frost.accept({ ...settings, session: secretBytes(32) }, { member: 1, message })).toThrow();
    expect(copies(wasm, message.subarray(-32))).toBe(1);
  });
});
