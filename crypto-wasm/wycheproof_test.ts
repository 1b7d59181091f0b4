/** Project Wycheproof on every backend, each case counted. Where ../shared/vectors is absent it skips and says so. */
import { describe, expect, test } from "bun:test";
import { aeads, agreements, each, hashes, type OnBackend, verifiers } from "./_each_backend.ts";
import { sharedFiles, sharedVector, type Vector, vectorsPresent } from "./_vectors.ts";
import { CryptoError } from "./error.ts";
import type { Aead, SignedMessage } from "./port.ts";

/** R encoded as y = 1 with the sign of x set: ZIP-215 takes such encodings, RFC 8032 section 5.1.3 does not. */
const ZIP215_ONLY = 151;

/** What came of a file's cases: each one agreed, or was refused for its length as it should be. */
interface Count {
  agreed: number;
  refused: number;
}

function isRefused(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch (error) {
    return error instanceof CryptoError && error.code === "argument";
  }
}

/** Runs every case of a file and holds the count equal to what the file says it has. */
function tryFile(name: string, tryOne: (one: Vector, group: Vector) => "agreed" | "refused"): Count {
  const file = sharedVector(`wycheproof/${name}.json`);
  const count: Count = { agreed: 0, refused: 0 };
  for (const group of file.list("testGroups")) {
    for (const one of group.list("tests")) count[tryOne(one, group)]++;
  }
  expect(count.agreed + count.refused).toBe(file.number("numberOfTests"));
  return count;
}

function tryAead(aead: Aead, one: Vector, group: Vector): "agreed" | "refused" {
  const [key, nonce, ad, message] = [one.bytes("key"), one.bytes("iv"), one.bytes("aad"), one.bytes("msg")];
  const sealed = Uint8Array.fromHex(one.text("ct") + one.text("tag"));
  if (group.number("ivSize") !== aead.nonceBytes * 8 || group.number("keySize") !== aead.keyBytes * 8) {
    expect(isRefused(() => aead.open(key, nonce, sealed, ad))).toBe(true);
    expect(isRefused(() => aead.seal(key, nonce, message, ad))).toBe(true);
    return "refused";
  }
  const isValid = one.text("result") === "valid";
  expect(aead.open(key, nonce, sealed, ad)?.toHex() ?? null).toBe(isValid ? message.toHex() : null);
  if (isValid) expect(aead.seal(key, nonce, message, ad).toHex()).toBe(sealed.toHex());
  return "agreed";
}

function aeadTests(file: string, all: OnBackend<Aead>[], expected: Count): void {
  test.each(all)(`${file} on $backend`, ({ it }) => {
    expect(tryFile(file, (one, group) => tryAead(it, one, group))).toEqual(expected);
  });
}

test.skipIf(!vectorsPresent)("every file that lies in ../shared/vectors is tried", () => {
  // MLS's by mls/published_test.ts, FROST's by frost/vectors_test.ts.
  expect(sharedFiles("mls")).toEqual([
    "crypto-basics.json",
    "key-schedule.json",
    "message-protection.json",
    "passive-client-handling-commit.json",
    "passive-client-welcome.json",
    "secret-tree.json",
    "welcome.json",
  ]);
  expect(sharedFiles("frost")).toEqual([
    "ed25519-repair-share.json",
    "ed25519-vectors-big-identifier.json",
    "ed25519-vectors.json",
    "ed25519-vectors_dkg.json",
  ]);
  expect(sharedFiles("wycheproof")).toEqual([
    "aes_gcm_test.json",
    "chacha20_poly1305_test.json",
    "ed25519_test.json",
    "hkdf_sha256_test.json",
    "hmac_sha256_test.json",
    "x25519_test.json",
    "xchacha20_poly1305_test.json",
  ]);
});

describe.skipIf(!vectorsPresent)("Wycheproof", () => {
  aeadTests("chacha20_poly1305_test", aeads("chacha20Poly1305"), { agreed: 316, refused: 9 });
  aeadTests("xchacha20_poly1305_test", aeads("xchacha20Poly1305"), { agreed: 306, refused: 9 });
  aeadTests("aes_gcm_test", aeads("aes256Gcm"), { agreed: 66, refused: 250 });
  aeadTests("aes_gcm_test", aeads("aes128Gcm"), { agreed: 67, refused: 249 });

  test.each(verifiers)("ed25519_test on $backend by ZIP-215", ({ it }) => {
    const count = tryFile("ed25519_test", (one, group) => {
      const key = group.object("publicKey").bytes("pk");
      const verify = () => it.verify(key, one.bytes("msg"), one.bytes("sig"));
      if (one.bytes("sig").length !== 64) {
        expect(one.text("result")).toBe("invalid");
        expect(isRefused(verify)).toBe(true);
        return "refused";
      }
      const isValid = one.text("result") === "valid" || one.number("tcId") === ZIP215_ONLY;
      expect([one.number("tcId"), verify()]).toEqual([one.number("tcId"), isValid]);
      return "agreed";
    });
    expect(count.refused).toBe(12);
  });

  test.each(verifiers)("ed25519_test on $backend by ZIP-215, all in one batch", ({ it }) => {
    const items: SignedMessage[] = [];
    const bad: number[] = [];
    tryFile("ed25519_test", (one, group) => {
      const [message, signature] = [one.bytes("msg"), one.bytes("sig")];
      if (signature.length !== 64) return "refused";
      const isValid = one.text("result") === "valid" || one.number("tcId") === ZIP215_ONLY;
      if (!isValid) bad.push(items.length);
      items.push({ key: group.object("publicKey").bytes("pk"), message, signature });
      return "agreed";
    });
    expect(it.verifyBatch(items)).toEqual(bad);
    expect([items.length, bad.length]).toEqual([139, 50]);
  });

  test.each(each("ed25519.verifyPeer").filter(({ backend }) => !/wide|portable/.test(backend)))(
    "ed25519_test on $backend by its strict rule",
    ({ it }) => {
      const count = tryFile("ed25519_test", (one, group) => {
        const key = group.object("publicKey").bytes("pk");
        // Lengths are answered by NoiseCrypto, before a backend sees them.
        if (one.bytes("sig").length !== 64) return "refused";
        const isValid = one.text("result") === "valid";
        expect([one.number("tcId"), it(key, one.bytes("msg"), one.bytes("sig"))]).toEqual([
          one.number("tcId"),
          isValid,
        ]);
        return "agreed";
      });
      expect(count).toEqual({ agreed: 139, refused: 12 });
    },
  );

  test.each(agreements)("x25519_test on $backend, the all-zero result refused", ({ it }) => {
    const count = tryFile("x25519_test", (one) => {
      using key = it.fromSecret(one.bytes("private"));
      const shared = it.agree(key, one.bytes("public"));
      const isZero = one.bytes("shared").every((byte) => byte === 0);
      expect([one.number("tcId"), shared?.toHex() ?? null]).toEqual([
        one.number("tcId"),
        isZero ? null : one.text("shared"),
      ]);
      return "agreed";
    });
    expect(count.refused).toBe(0);
  });

  test.each(hashes("hmacSha256"))("hmac_sha256_test on $backend", ({ it }) => {
    tryFile("hmac_sha256_test", (one, group) => {
      const tag = it(one.bytes("key"), one.bytes("msg")).subarray(0, group.number("tagSize") / 8);
      const isValid = one.text("result") === "valid";
      expect([one.number("tcId"), tag.toHex() === one.text("tag")]).toEqual([one.number("tcId"), isValid]);
      return "agreed";
    });
  });

  test.each(hashes("hkdfSha256"))("hkdf_sha256_test on $backend", ({ it }) => {
    const count = tryFile("hkdf_sha256_test", (one) => {
      const inputs = { ikm: one.bytes("ikm"), salt: one.bytes("salt"), info: one.bytes("info") };
      const derive = () => it({ ...inputs, length: one.number("size") });
      if (one.text("result") === "invalid") {
        expect(isRefused(derive)).toBe(true);
        return "refused";
      }
      expect([one.number("tcId"), derive().toHex()]).toEqual([one.number("tcId"), one.text("okm")]);
      return "agreed";
    });
    expect(count.refused).toBe(3);
  });
});
