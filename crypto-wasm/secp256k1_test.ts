import { expect, test } from "bun:test";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { verifySecp256k1 } from "./secp256k1.ts";

const message = new TextEncoder().encode("noise-libp2p-static-key:");
const digest = sha256(message);

function signed(compressed: boolean) {
  const secret = secp256k1.utils.randomSecretKey();
  const signature = secp256k1.sign(message, secret, { format: "der", lowS: false });
  return { key: secp256k1.getPublicKey(secret, compressed), signature };
}

test("verifySecp256k1() takes what @noble/curves signs, in both encodings of the key", () => {
  for (let round = 0; round < 24; round++) {
    const { key, signature } = signed(round % 2 === 0);
    expect(verifySecp256k1(key, digest, signature)).toBe(true);
  }
});

test("verifySecp256k1() refuses every flipped bit of a signature, and another message", () => {
  const { key, signature } = signed(true);
  for (let bit = 0; bit < signature.length * 8; bit++) {
    const flipped = signature.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(verifySecp256k1(key, digest, flipped)).toBe(false);
  }
  expect(verifySecp256k1(key, sha256(message.subarray(1)), signature)).toBe(false);
  expect(verifySecp256k1(key, digest, new Uint8Array(0))).toBe(false);
});

test("verifySecp256k1() answers null for what is no point", () => {
  const { signature } = signed(true);
  // 5 is no x coordinate: 5^3 + 7 = 132 has no square root modulo p.
  const offCurve = Uint8Array.of(2, ...new Uint8Array(31), 5);
  for (const key of [
    offCurve,
    new Uint8Array(0),
    new Uint8Array(33),
    new Uint8Array(65).fill(4),
    new Uint8Array(33).fill(0xff),
  ]) {
    expect(verifySecp256k1(key, digest, signature)).toBeNull();
  }
});
