import { openCrypto } from "@dchat/crypto-wasm";
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { isFault, publicKey } from "../ground/mod.ts";
import {
  checkCertificate,
  decodeCertificate,
  DEVICE_CERTIFICATE_BYTES,
  issueCertificate,
} from "./certificate.ts";

const crypto = await openCrypto();
const identity = crypto.ed25519.fromSeed(new Uint8Array(32).fill(1));
const deviceKey = crypto.ed25519.fromSeed(new Uint8Array(32).fill(2));
const device = publicKey(deviceKey.publicKey);
const issuedMs = Date.UTC(2026, 0, 1);
const notAfterMs = Date.UTC(2027, 0, 1);
const bytes = issueCertificate(crypto, identity, { device, issuedMs, notAfterMs });
const nowMs = Date.UTC(2026, 5, 1);

describe("checkCertificate()", () => {
  test("names the identity of a device that it certifies", () => {
    expect(checkCertificate(crypto, bytes, { device, nowMs })).toEqual(publicKey(identity.publicKey));
  });

  test("holds until notAfter and not a millisecond longer", () => {
    expect(checkCertificate(crypto, bytes, { device, nowMs: notAfterMs })).not.toBeNull();
    expect(checkCertificate(crypto, bytes, { device, nowMs: notAfterMs + 1 })).toBeNull();
  });

  test("takes a clock that is a little behind the issuer's, not one that is far behind", () => {
    expect(checkCertificate(crypto, bytes, { device, nowMs: issuedMs - 60_000 })).not.toBeNull();
    expect(checkCertificate(crypto, bytes, { device, nowMs: issuedMs - 86_400_000 })).toBeNull();
  });

  test("refuses another device's key", () => {
    expect(checkCertificate(crypto, bytes, { device: identity.publicKey, nowMs })).toBeNull();
    expect(checkCertificate(crypto, bytes, { device: device.subarray(0, 31), nowMs })).toBeNull();
  });

  test("refuses a flipped bit in any byte", () => {
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      const asked = changed.slice(33, 65);
      expect([at, checkCertificate(crypto, changed, { device: asked, nowMs })]).toEqual([at, null]);
    }
  });

  test("refuses every truncation and trailing bytes", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(checkCertificate(crypto, bytes.subarray(0, length), { device, nowMs })).toBeNull();
    }
    expect(checkCertificate(crypto, new Uint8Array([...bytes, 0]), { device, nowMs })).toBeNull();
  });
});

describe("decodeCertificate()", () => {
  test("reads back what was issued", () => {
    expect(bytes.length).toBe(DEVICE_CERTIFICATE_BYTES);
    expect(decodeCertificate(bytes)).toMatchObject({ device, issuedMs, notAfterMs });
  });

  test("reads a view into a larger buffer", () => {
    const large = new Uint8Array(bytes.length + 7);
    large.set(bytes, 7);
    expect(decodeCertificate(large.subarray(7))).toEqual(decodeCertificate(bytes));
  });

  test("names both versions of a newer certificate", () => {
    const newer = bytes.slice();
    newer[0] = 2;
    expect(() => decodeCertificate(newer)).toThrow(/version 2, and this dchat knows version 1/);
  });
});

test("checkCertificate() and decodeCertificate() meet random bytes without surprise", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      expect(checkCertificate(crypto, random, { device, nowMs })).toBeNull();
      try {
        decodeCertificate(random);
      } catch (error) {
        if (!isFault(error, "identity/certificate")) throw error;
      }
    }),
  );
});

test("what is issued is read back, for any key and any times", () => {
  const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes32, time, time, (key, issued, notAfter) => {
      const options = { device: publicKey(key), issuedMs: issued, notAfterMs: notAfter };
      expect(decodeCertificate(issueCertificate(crypto, identity, options))).toMatchObject(options);
    }),
    { numRuns: 50 },
  );
});
