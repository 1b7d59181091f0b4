/** Every backend's hashes alike, for every length around a block, and what they refuse. */
import { describe, expect, test } from "bun:test";
import { blake3 } from "@noble/hashes/blake3.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytes, LENGTHS, MIB, refusal, WRONG } from "./_attack.ts";
import { IN_BROWSER } from "./_columns.ts";
import { each, hashes } from "./_each_backend.ts";

test("every backend hashes every length around a block, and 1 MiB, alike, in one piece and in three", () => {
  for (const length of [...LENGTHS, MIB]) {
    const data = bytes(length);
    const cut = [0, length >> 2, length >> 1, length] as const;
    const parts = [
      data.subarray(cut[0], cut[1]),
      data.subarray(cut[1], cut[2]),
      data.subarray(cut[2], cut[3]),
    ];
    for (const name of ["sha256", "sha512"] as const) {
      const all = hashes(name).flatMap(({ it }) => [it(data).toHex(), it(...parts).toHex()]);
      expect([name, length, new Set(all).size, all.length]).toEqual([
        name,
        length,
        1,
        2 * ("Bun" in globalThis ? 2 : 1),
      ]);
    }
    for (const name of ["hmacSha256", "hmacSha512"] as const) {
      const all = hashes(name).flatMap(({ it }) => [it(data, data).toHex(), it(data, ...parts).toHex()]);
      expect([name, length, new Set(all).size, all.length]).toEqual([
        name,
        length,
        1,
        2 * ("Bun" in globalThis ? 2 : 1),
      ]);
    }
    const xof = hashes("shake256").map(({ it }) => it(data, 137).toHex());
    expect([length, new Set(xof).size, xof.length]).toEqual([length, 1, IN_BROWSER ? 1 : 2]);
    for (const { it } of each("blake3")) {
      for (const key of [undefined, bytes(32, 6)]) {
        const due = blake3(data, key === undefined ? {} : { key });
        const stream = it.blake3Stream(key);
        for (const part of parts) stream.update(part);
        expect([length, stream.digest().toHex(), it.blake3(data, key).toHex()]).toEqual([
          length,
          due.toHex(),
          due.toHex(),
        ]);
      }
    }
  }
});

test.each(hashes("hkdfSha256"))(
  "hkdfSha256 on $backend is noble's for every length around a block",
  ({ it }) => {
    const [ikm, salt, info] = [bytes(32), bytes(32, 2), bytes(9, 3)];
    for (const length of LENGTHS) {
      const long = bytes(length, 4);
      for (const one of [
        { ikm: long, salt, info, length: 64 },
        { ikm, salt: long, info, length: 64 },
        { ikm, salt, info: long, length: 64 },
        { ikm, salt, info, length },
      ]) {
        expect(it(one)).toEqual(hkdf(sha256, one.ikm, one.salt, one.info, one.length));
      }
    }
    const large = bytes(MIB);
    expect(it({ ikm: large, salt: large, info: large, length: 8160 })).toEqual(
      hkdf(sha256, large, large, large, 8160),
    );
  },
);

describe("hashes name the argument that is wrong", () => {
  test.each(hashes("sha256"))("sha256 on $backend", ({ it }) => {
    for (const wrong of WRONG) expect(refusal(() => it(bytes(1), wrong))).toStartWith("parts[1] must be");
  });

  test.each(hashes("hmacSha256"))("hmacSha256 on $backend", ({ it }) => {
    for (const wrong of WRONG) expect(refusal(() => it(wrong, bytes(1)))).toStartWith("key must be");
  });

  test.each(hashes("hkdfSha256"))("hkdfSha256 on $backend", ({ it }) => {
    const options = { ikm: bytes(3), salt: bytes(3), info: bytes(3), length: 3 };
    for (const length of [-1, 0.5, 8161, Number.NaN]) {
      expect(refusal(() => it({ ...options, length }))).toStartWith("length must be");
    }
    for (const name of ["ikm", "salt", "info"] as const) {
      for (const wrong of WRONG)
        expect(refusal(() => it({ ...options, [name]: wrong }))).toStartWith(`${name} must be`);
    }
    expect(it({ ...options, length: 0 })).toHaveLength(0);
    expect(it({ ...options, length: 8160 })).toHaveLength(8160);
  });
});
