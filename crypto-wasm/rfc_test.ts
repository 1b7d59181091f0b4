/** More of the RFCs' vectors, through our interface on every backend that has the operation: vector/rfc.json. */
import { expect, test } from "bun:test";
import { aeads, hashes, passwords, signers, verifiers } from "./_each_backend.ts";
import { Vector } from "./_vectors.ts";
import file from "./vector/rfc.json";

const RFC = new Vector(file);

test.each(signers)("RFC 8032, TEST 1024: fromSeed() and sign() on $backend", ({ it }) => {
  const vector = RFC.object("ed25519");
  using key = it.fromSeed(vector.bytes("seed"));
  expect(key.publicKey).toEqual(vector.bytes("publicKey"));
  expect(it.sign(key, vector.bytes("message"))).toEqual(vector.bytes("signature"));
});

test.each(verifiers)("RFC 8032, TEST 1024: verify() and verifyBatch() on $backend", ({ it }) => {
  const vector = RFC.object("ed25519");
  const item = {
    key: vector.bytes("publicKey"),
    message: vector.bytes("message"),
    signature: vector.bytes("signature"),
  };
  expect(item.message).toHaveLength(1023);
  expect(it.verify(item.key, item.message, item.signature)).toBe(true);
  const other = { ...item, message: item.message.subarray(1) };
  expect(it.verifyBatch([item, other, item])).toEqual([1]);
});

test.each(aeads("chacha20Poly1305"))("RFC 8439, A.5: open() and seal() on $backend", ({ it }) => {
  const vector = RFC.object("chacha20Poly1305");
  const [key, nonce, ad] = [vector.bytes("key"), vector.bytes("nonce"), vector.bytes("ad")];
  const opened = it.open(key, nonce, vector.bytes("ciphertext"), ad);
  expect(new TextDecoder().decode(opened ?? undefined)).toStartWith(
    "Internet-Drafts are draft documents valid",
  );
  expect(it.seal(key, nonce, opened ?? new Uint8Array(0), ad)).toEqual(vector.bytes("ciphertext"));
});

for (const [name, digest] of [
  ["hmacSha256", "sha256"],
  ["hmacSha512", "sha512"],
] as const) {
  test.each(hashes(name))(`RFC 4231, all seven cases: ${name} on $backend`, ({ it }) => {
    const cases = RFC.list("hmac");
    expect(cases.length).toBe(7);
    for (const one of cases) {
      const due = one.bytes(digest);
      // The fifth is truncated.
      expect(it(one.bytes("key"), one.bytes("data")).subarray(0, due.length)).toEqual(due);
    }
  });
}

test.each(passwords)("libsodium's published Argon2id: argon2id() on $backend", ({ it }) => {
  const cases = RFC.list("argon2id");
  expect(cases.length).toBe(3);
  for (const one of cases) {
    const [password, salt, hash] = [one.bytes("password"), one.bytes("salt"), one.bytes("hash")];
    const [memoryKib, passes] = [one.number("memoryKib"), one.number("passes")];
    expect(it.argon2id({ password, salt, memoryKib, passes, length: hash.length })).toEqual(hash);
  }
});
