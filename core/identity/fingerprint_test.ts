import { openCrypto } from "@dchat/crypto-wasm";
import { expect, test } from "bun:test";
import { publicKey } from "../ground/mod.ts";
import { base32 } from "./bytes.ts";
import { fingerprint, fingerprintGroups, safetyNumber } from "./fingerprint.ts";

const crypto = await openCrypto();
const ada = publicKey(new Uint8Array(32).fill(1));
const bob = publicKey(new Uint8Array(32).fill(2));

test("safetyNumber() is the same on both sides: twelve groups of five digits", () => {
  const number = safetyNumber(crypto, ada, bob);
  expect(number).toBe(safetyNumber(crypto, bob, ada));
  expect(number).toMatch(/^(?:\d{5} ){11}\d{5}$/);
});

test("safetyNumber() keeps each person's half in every pair", () => {
  const eve = publicKey(new Uint8Array(32).fill(3));
  const halves = (text: string) => [text.slice(0, 35), text.slice(36)];
  const withBob = halves(safetyNumber(crypto, ada, bob));
  const withEve = halves(safetyNumber(crypto, ada, eve));
  expect(withBob.filter((half) => withEve.includes(half))).toHaveLength(1);
});

test("fingerprint() is 24 characters fit for a folder's name, and differs by key", () => {
  expect(fingerprint(crypto, ada)).toMatch(/^[a-z2-7]{24}$/);
  expect(fingerprint(crypto, ada)).not.toBe(fingerprint(crypto, bob));
  expect(fingerprintGroups("abcdefghij")).toBe("abcd efgh ij");
});

test("base32() gives RFC 4648's vectors in lower case without padding", () => {
  const of = (text: string) => base32(new TextEncoder().encode(text));
  expect(["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(of)).toEqual([
    "",
    "my",
    "mzxq",
    "mzxw6",
    "mzxw6yq",
    "mzxw6ytb",
    "mzxw6ytboi",
  ]);
});
