/**
 * RFC 9106. Its three vectors (section 5) have four lanes, a secret and associated data, and two of them are of Argon2d
 * and Argon2i. Our interface is Argon2id in one lane without either, since that is all that libsodium computes: none of
 * the three can be asked of it. So they hold what can be asked, noble and the engine, and noble then holds every
 * backend, through the interface. Those of the reference implementation have salts of 8 bytes and can't be asked either;
 * libsodium's published ones can (rfc_test.ts).
 */
import { describe, expect, test } from "bun:test";
import { argon2d, argon2i, argon2id } from "@noble/hashes/argon2.js";
import * as crypto from "node:crypto";
import { passwords } from "./_each_backend.ts";
import type { BackendName } from "./part.ts";

const OF_RFC = {
  password: new Uint8Array(32).fill(1),
  salt: new Uint8Array(16).fill(2),
  secret: new Uint8Array(8).fill(3),
  ad: new Uint8Array(12).fill(4),
  lanes: 4,
  passes: 3,
  memoryKib: 32,
  length: 32,
};
const VECTORS = [
  {
    section: "5.1",
    kind: "argon2d",
    noble: argon2d,
    tag: "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb",
  },
  {
    section: "5.2",
    kind: "argon2i",
    noble: argon2i,
    tag: "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
  },
  {
    section: "5.3",
    kind: "argon2id",
    noble: argon2id,
    tag: "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
  },
] as const;

describe("RFC 9106 section 5, all three", () => {
  test.each(VECTORS)("$section: noble, which holds our backends", ({ noble, tag }) => {
    const { password, salt, secret, ad, lanes, passes, memoryKib, length } = OF_RFC;
    const options = { t: passes, m: memoryKib, p: lanes, dkLen: length, key: secret, personalization: ad };
    expect(noble(password, salt, options).toHex()).toBe(tag);
  });

  // Node before 24.7 has none.
  test.skipIf(!("argon2Sync" in crypto)).each(VECTORS)("RFC 9106, $section: the engine", ({ kind, tag }) => {
    const made = crypto.argon2Sync(kind, {
      message: OF_RFC.password,
      nonce: OF_RFC.salt,
      secret: OF_RFC.secret,
      associatedData: OF_RFC.ad,
      parallelism: OF_RFC.lanes,
      tagLength: OF_RFC.length,
      memory: OF_RFC.memoryKib,
      passes: OF_RFC.passes,
    });
    expect(made.toString("hex")).toBe(tag);
  });
});

describe("argon2id() equals noble's", () => {
  const run = (length: number, from: number) => Uint8Array.from({ length }, (_, i) => from + 7 * i);

  // Around the blocks of BLAKE2b (128), the first of a long tag (64, then 32 each), and the rounding of memory to 4 KiB.
  test.each(passwords)("on $backend, for lengths of password and tag, memory and passes", ({ it }) => {
    let compared = 0;
    for (const [bytes, memoryKib, passes, length] of [
      [0, 8, 1, 16],
      [1, 8, 2, 32],
      [8, 9, 1, 63],
      [63, 11, 3, 64],
      [64, 12, 1, 65],
      [65, 15, 1, 96],
      [127, 16, 2, 97],
      [128, 64, 4, 128],
      [129, 65, 1, 129],
      [1_000, 1_024, 3, 1_024],
    ] as const) {
      const [password, salt] = [run(bytes, length), run(16, bytes)];
      const expected = argon2id(password, salt, { m: memoryKib, t: passes, p: 1, dkLen: length });
      expect(it.argon2id({ password, salt, memoryKib, passes, length })).toEqual(expected);
      compared++;
    }
    expect(compared).toBe(10);
  });

  test("the backends that have it are the engine, where it does, and libsodium", () => {
    const engine: BackendName[] = "argon2Sync" in crypto ? ["native"] : [];
    expect(passwords.map(({ backend }) => backend)).toEqual([...engine, "sodium"]);
  });
});
