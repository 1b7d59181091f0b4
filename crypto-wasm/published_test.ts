/** The short vectors that RFCs and authors publish, on every backend; what is here needs nothing beside the checkout. */
import { describe, expect, test } from "bun:test";
import { shake128 } from "@noble/hashes/sha3.js";
import { aeads, agreements, each, hashes, kems, signers, verifiers } from "./_each_backend.ts";
import { Vector } from "./_vectors.ts";
import blake3File from "./vector/blake3.json";
import xwingFile from "./vector/xwing.json";

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const EMPTY = new Uint8Array(0);

/** RFC 8032 section 7.1: seed, public key, message, signature. */
const RFC8032 = [
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  ],
  [
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  ],
  [
    "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
    "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589" +
      "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
  ],
] as const;

describe("Ed25519, RFC 8032 section 7.1", () => {
  test.each(signers)("fromSeed() and sign() on $backend", ({ it }) => {
    for (const [seed, publicKey, message, signature] of RFC8032) {
      using key = it.fromSeed(hex(seed));
      expect(key.publicKey.toHex()).toBe(publicKey);
      expect(key.exportSeed().toHex()).toBe(seed);
      expect(it.sign(key, hex(message)).toHex()).toBe(signature);
    }
  });

  test.each(verifiers)("verify() and verifyBatch() on $backend", ({ it }) => {
    const items = RFC8032.map(([, key, message, signature]) => ({
      key: hex(key),
      message: hex(message),
      signature: hex(signature),
    }));
    for (const item of items) expect(it.verify(item.key, item.message, item.signature)).toBe(true);
    expect(it.verifyBatch(items)).toEqual([]);
  });

  test.each(each("ed25519.verifyPeer"))("verifyPeer on $backend", ({ it }) => {
    for (const [, key, message, signature] of RFC8032) {
      expect(it(hex(key), hex(message), hex(signature))).toBe(true);
    }
  });
});

describe("X25519, RFC 7748", () => {
  test.each(agreements)("agree() on $backend gives section 5.2's, and 6.1's both ways", ({ it }) => {
    const cases = [
      [
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
      ],
      [
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
      ],
      [
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
      ],
      [
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
      ],
    ] as const;
    for (const [secret, publicKey, shared] of cases) {
      using key = it.fromSecret(hex(secret));
      expect(it.agree(key, hex(publicKey))?.toHex()).toBe(shared);
    }
    // Bob's secret with Alice's public key, then the other way round.
    const [, , one, two] = cases;
    for (const [secret, publicKey] of [
      [one[0], two[1]],
      [two[0], one[1]],
    ] as const) {
      using key = it.fromSecret(hex(secret));
      expect(key.publicKey.toHex()).toBe(publicKey);
    }
  });

  const times = process.env["DCHAT_TEST_LONG"] === "1" ? 1_000_000 : 1_000;
  const iterate = ({ it }: (typeof agreements)[number]) => {
    let k: Uint8Array = hex(`09${"00".repeat(31)}`);
    let u = k;
    for (let i = 0; i < times; i++) {
      using key = it.fromSecret(k);
      const next = it.agree(key, u);
      if (next === null) throw new Error("the result is all zero");
      [k, u] = [next, k];
      if (i === 0) expect(k.toHex()).toBe("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
      if (i === 999)
        expect(k.toHex()).toBe("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
    }
    if (times > 1_000)
      expect(k.toHex()).toBe("7c3911e0ab2586fd864497297e575e6f3bc601c0883c30df5f4dd2d24f665424");
  };
  test.each(agreements)(
    "agree() on $backend, iterated a thousand times, and a million in the long run",
    iterate,
    3_600_000,
  );
});

describe("AEADs", () => {
  const message = ascii(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const ad = hex("50515253c0c1c2c3c4c5c6c7");

  test.each(aeads("chacha20Poly1305"))("ChaCha20-Poly1305 on $backend, RFC 8439 section 2.8.2", ({ it }) => {
    const sealed = hex(
      `d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b
       1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
       3ff4def08e4b7a9de576d26586cec64b6116 1ae10b594f09e26a7e902ecbd0600691`,
    );
    const nonce = hex("070000004041424344454647");
    expect(it.seal(key, nonce, message, ad)).toEqual(sealed);
    expect(it.open(key, nonce, sealed, ad)).toEqual(message);
  });

  test.each(aeads("xchacha20Poly1305"))("XChaCha20-Poly1305 on $backend, the draft's A.3.1", ({ it }) => {
    const sealed = hex(
      `bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39
       ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
       21f9664c97637da9768812f615c68b13b52e c0875924c1c7987947deafd8780acf49`,
    );
    const nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
    expect(it.seal(key, nonce, message, ad)).toEqual(sealed);
    expect(it.open(key, nonce, sealed, ad)).toEqual(message);
  });

  test.each([
    ...aeads("aes128Gcm").map((on) => ({
      ...on,
      name: "AES-128-GCM",
      sealed: "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
    })),
    ...aeads("aes256Gcm").map((on) => ({
      ...on,
      name: "AES-256-GCM",
      sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
    })),
  ])("$name on $backend, the GCM specification's cases 2 and 14", ({ it, sealed }) => {
    const [zeroKey, nonce, zeros] = [new Uint8Array(it.keyBytes), new Uint8Array(12), new Uint8Array(16)];
    expect(it.seal(zeroKey, nonce, zeros, EMPTY).toHex()).toBe(sealed);
    expect(it.open(zeroKey, nonce, hex(sealed), EMPTY)).toEqual(zeros);
  });

  test.each(each("cipherState"))("a CipherState on $backend, as RFC 8439 with Noise's nonce", ({ it }) => {
    const counter = 0x0102030405060;
    const nonce = hex("000000006050403020100000");
    using cipher = it(key);
    const buffer = new Uint8Array(message.length + 16 + 5);
    expect(cipher.seal(counter, message, buffer, 5, ad)).toBe(message.length + 16);
    for (const { it: aead } of aeads("chacha20Poly1305")) {
      expect(aead.seal(key, nonce, message, ad)).toEqual(buffer.subarray(5));
    }
    expect(cipher.open(counter, buffer.subarray(5), buffer, 5, ad)).toBe(message.length);
    expect(buffer.subarray(5, 5 + message.length).toHex()).toBe(message.toHex());
  });
});

describe("hashes", () => {
  test.each(hashes("sha256"))("SHA-256 on $backend, FIPS 180-4's examples", ({ it }) => {
    expect(it(ascii("abc")).toHex()).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(it().toHex()).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const two = ascii("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
    expect(it(two.subarray(0, 3), EMPTY, two.subarray(3)).toHex()).toBe(
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    );
  });

  test.each(hashes("sha512"))("SHA-512 on $backend, FIPS 180-4's example", ({ it }) => {
    expect(it(ascii("a"), ascii("bc")).toHex()).toBe(
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    );
  });

  test.each(hashes("shake256"))("SHAKE256 on $backend, FIPS 202's empty message", ({ it }) => {
    const start = "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f";
    expect(it(EMPTY, 32).toHex()).toBe(start);
    expect(it(EMPTY, 200).toHex().startsWith(start)).toBe(true);
  });

  test.each(hashes("hmacSha256"))("HMAC-SHA-256 on $backend, RFC 4231 cases 1, 2 and 6", ({ it }) => {
    const cases = [
      [
        "0b".repeat(20),
        ascii("Hi There"),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      ],
      [
        ascii("Jefe").toHex(),
        ascii("what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      ],
      [
        "aa".repeat(131),
        ascii("Test Using Larger Than Block-Size Key - Hash Key First"),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      ],
    ] as const;
    for (const [key, data, mac] of cases) expect(it(hex(key), data).toHex()).toBe(mac);
  });

  test.each(hashes("hmacSha512"))("HMAC-SHA-512 on $backend, RFC 4231 case 2", ({ it }) => {
    expect(it(ascii("Jefe"), ascii("what do ya want "), ascii("for nothing?")).toHex()).toBe(
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554" +
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    );
  });

  test.each(hashes("hkdfSha256"))("HKDF-SHA-256 on $backend, RFC 5869 A.1 to A.3", ({ it }) => {
    const run = (from: number, to: number) => Uint8Array.from({ length: to - from }, (_, i) => from + i);
    const ikm = hex("0b".repeat(22));
    expect(it({ ikm, salt: run(0x00, 0x0d), info: run(0xf0, 0xfa), length: 42 }).toHex()).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
    expect(it({ ikm: run(0, 0x50), salt: run(0x60, 0xb0), info: run(0xb0, 0x100), length: 82 }).toHex()).toBe(
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09" +
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    );
    expect(it({ ikm, salt: EMPTY, info: EMPTY, length: 42 }).toHex()).toBe(
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    );
  });

  test.each(each("blake3"))(
    "BLAKE3 on $backend, its authors' vectors, plain, keyed and in pieces",
    ({ it }) => {
      const file = new Vector(blake3File);
      expect(file.list("cases")).toHaveLength(35);
      const key = ascii(file.text("key"));
      for (const one of file.list("cases")) {
        const data = Uint8Array.from({ length: one.number("length") }, (_, i) => i % 251);
        expect(it.blake3(data).toHex()).toBe(one.text("hash"));
        expect(it.blake3(data, key).toHex()).toBe(one.text("keyed"));
        // Two streams at once, so that one's state can't leak into the other's.
        const [plain, keyed] = [it.blake3Stream(), it.blake3Stream(key)];
        for (let at = 0; at < data.length; at += 1_000) {
          plain.update(data.subarray(at, at + 1_000));
          keyed.update(data.subarray(at, at + 1_000));
        }
        expect(plain.digest().toHex()).toBe(one.text("hash"));
        expect(keyed.digest().toHex()).toBe(one.text("keyed"));
        expect(() => plain.digest()).toThrow("has given its digest");
      }
    },
  );
});

/** Gives out the bytes that were queued, as the randomness of a KEM. */
function queued(): { push(bytes: Uint8Array): void; take(length: number): Uint8Array } {
  const queue: Uint8Array[] = [];
  return {
    push: (bytes) => queue.push(bytes),
    take(length) {
      const next = queue.shift();
      if (next?.length !== length) throw new Error(`wanted ${length} bytes, had ${next?.length}`);
      return next;
    },
  };
}

const coins = queued();
const xWings = await kems("xWing", (length) => coins.take(length));
const mlKems = await kems("mlKem768", (length) => coins.take(length));

describe("KEMs", () => {
  test.each(xWings)("X-Wing on $backend, the draft's vectors", ({ it }) => {
    const [sha] = hashes("sha256");
    const cases = new Vector(xwingFile).list("cases");
    expect(cases).toHaveLength(3);
    for (const one of cases) {
      const pair = it.fromSeed(one.bytes("seed"));
      expect(sha?.it(pair.publicKey).toHex()).toBe(one.text("publicKeySha256"));
      coins.push(one.bytes("encapsulationSeed"));
      const { ciphertext, secret } = it.encapsulate(pair.publicKey);
      expect(sha?.it(ciphertext).toHex()).toBe(one.text("ciphertextSha256"));
      expect(secret.toHex()).toBe(one.text("secret"));
      expect(it.decapsulate(pair.secretKey, ciphertext)).toEqual(secret);
    }
  });

  test.each(mlKems)("ML-KEM-768 on $backend, a hundred accumulated (C2SP/CCTV)", ({ it }) => {
    const input = shake128.create({});
    const output = shake128.create({});
    for (let i = 0; i < 100; i++) {
      const pair = it.fromSeed(input.xof(64));
      output.update(pair.publicKey);
      coins.push(input.xof(32));
      const { ciphertext, secret } = it.encapsulate(pair.publicKey);
      output.update(ciphertext).update(secret);
      expect(it.decapsulate(pair.secretKey, ciphertext)).toEqual(secret);
      output.update(it.decapsulate(pair.secretKey, input.xof(1088)));
    }
    expect(output.xof(32).toHex()).toBe("1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415");
  });
});
