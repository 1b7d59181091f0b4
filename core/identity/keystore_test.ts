import { openCrypto } from "@dchat/crypto-wasm";
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { Fault, publicKey } from "../ground/mod.ts";
import { inspectKeystore, openKeystore, sealKeystore } from "./keystore.ts";

const crypto = await openCrypto();
const createdMs = Date.UTC(2026, 10, 23);
const passphrase = new TextEncoder().encode("correct horse battery staple");
const key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(7));
const sealed = sealKeystore(crypto, { type: "identity", key, createdMs, passphrase });
const burner = sealKeystore(crypto, { type: "relay", key, createdMs, passphrase: null });

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
  return "nothing";
}

interface Editable {
  type: string;
  created: string;
  publicKey: string;
  sealed: { kdf: { memoryKib: number }; cipher: { nonce: string }; seed: string };
  digest?: string;
}

/** Changes one thing in a key file and renews the digest, as somebody would who does it on purpose. */
function tampered(text: string, change: (document: Editable) => void): string {
  const document: Editable = JSON.parse(text);
  change(document);
  const { digest: _, ...rest } = document;
  const sorted = (value: unknown): unknown =>
    typeof value !== "object" || value === null
      ? value
      : Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, inner]) => [name, sorted(inner)]);
  const digest = crypto.hash.sha256(new TextEncoder().encode(JSON.stringify(sorted(rest)))).toBase64();
  return JSON.stringify({ ...rest, digest });
}

describe("openKeystore()", () => {
  test("opens what sealKeystore made, to the same key", () => {
    using opened = openKeystore(crypto, sealed, passphrase);
    expect(opened.type).toBe("identity");
    expect(opened.sealed).toBe(true);
    expect(opened.createdMs).toBe(createdMs);
    expect(opened.key.exportSeed()).toEqual(new Uint8Array(32).fill(7));
  });

  test("opens a burner without a passphrase and says that it is bare", () => {
    using opened = openKeystore(crypto, burner, null);
    expect(opened.sealed).toBe(false);
    expect(opened.publicKey).toEqual(publicKey(key.publicKey));
  });

  test("tells a wrong passphrase from a missing one", () => {
    const wrong = new TextEncoder().encode("correct horse battery stable");
    expect(codeOf(() => openKeystore(crypto, sealed, wrong))).toBe("identity/passphrase");
    expect(codeOf(() => openKeystore(crypto, sealed, null))).toBe("identity/needs-passphrase");
  });

  test("calls every truncation cut off", () => {
    for (let length = 0; length < sealed.trimEnd().length; length++) {
      const code = codeOf(() => openKeystore(crypto, sealed.slice(0, length), passphrase));
      expect([length, code]).toEqual([length, "identity/truncated"]);
    }
  });

  test("finds every change of the document without a passphrase", () => {
    for (const [from, to] of [
      ['"identity"', '"relay"'],
      ["2026-11-23", "2025-11-23"],
      ['"passes": 3', '"passes": 4'],
      ['"memoryKib": 65536', '"memoryKib": 65537'],
    ] as const) {
      expect(sealed).toContain(from);
      expect(codeOf(() => inspectKeystore(crypto, sealed.replace(from, to)))).toBe("identity/damaged");
    }
  });

  test("finds a header changed on purpose by the seal, and does not blame the passphrase", () => {
    const changes: ((document: Editable) => void)[] = [
      (document) => (document.type = "validator"),
      (document) => (document.created = "2020-01-01T00:00:00.000Z"),
      (document) => (document.publicKey = new Uint8Array(32).fill(9).toBase64()),
      (document) => (document.sealed.cipher.nonce = new Uint8Array(24).toBase64()),
      (document) => (document.sealed.seed = new Uint8Array(48).toBase64()),
    ];
    for (const change of changes) {
      const text = tampered(sealed, change);
      expect(() => inspectKeystore(crypto, text)).not.toThrow();
      expect(codeOf(() => openKeystore(crypto, text, passphrase))).toBe("identity/damaged");
    }
  });

  test("refuses parameters that are a downgrade or that would stop the machine", () => {
    for (const memoryKib of [8, 1024, 16 * 1024 * 1024]) {
      const text = tampered(sealed, (document) => (document.sealed.kdf.memoryKib = memoryKib));
      expect(codeOf(() => openKeystore(crypto, text, passphrase))).toBe("identity/damaged");
    }
  });

  test("refuses a burner whose public key is another's", () => {
    const text = tampered(burner, (document) => (document.publicKey = new Uint8Array(32).toBase64()));
    expect(codeOf(() => openKeystore(crypto, text, null))).toBe("identity/damaged");
  });

  test("names both versions of a newer file, whatever else is in it", () => {
    const text = JSON.stringify({ format: "dchat-keystore", version: 2, new: true });
    expect(() => openKeystore(crypto, text, null)).toThrow(/version 2, and this dchat knows versions to 1/);
    expect(codeOf(() => openKeystore(crypto, text, null))).toBe("identity/version");
  });

  test("says of anything else that it is no key file", () => {
    for (const text of ["hello", "[]", "null", "3", '{"format":"other"}', "-----BEGIN PRIVATE KEY-----"]) {
      expect(codeOf(() => openKeystore(crypto, text, null))).toBe("identity/not-keystore");
    }
  });
});

describe("sealKeystore()", () => {
  test("seals the same key differently each time and shows nothing of the seed", () => {
    const again = sealKeystore(crypto, { type: "identity", key, createdMs, passphrase });
    expect(JSON.parse(again).sealed.seed).not.toBe(JSON.parse(sealed).sealed.seed);
    expect(again).not.toContain(new Uint8Array(32).fill(7).toBase64());
  });

  test("opens under any order of keys and any spacing", () => {
    const document = JSON.parse(sealed);
    const reordered = JSON.stringify(Object.fromEntries(Object.entries(document).reverse()));
    using opened = openKeystore(crypto, reordered, passphrase);
    expect(opened.publicKey).toEqual(publicKey(key.publicKey));
  });
});

test("inspectKeystore() shows the public parts", () => {
  const { type, publicKey: shown, sealed: how } = inspectKeystore(crypto, sealed);
  expect({ type, how }).toEqual({ type: "identity", how: { memoryKib: 65536, passes: 3 } });
  expect(shown).toEqual(publicKey(key.publicKey));
  expect(inspectKeystore(crypto, burner).sealed).toBeNull();
});

test("openKeystore() answers any text with a Fault of its own", () => {
  const json = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .dictionary(fc.constantFrom(...Object.keys(JSON.parse(sealed))), fc.jsonValue())
      .map((each) => JSON.stringify({ ...each, format: "dchat-keystore" })),
  );
  fc.assert(
    fc.property(json, (text) =>
      expect(codeOf(() => openKeystore(crypto, text, null))).toStartWith("identity/"),
    ),
  );
});
