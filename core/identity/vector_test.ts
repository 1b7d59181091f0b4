/**
 * docs/protocol/identity.md's vectors, held against the code. DCHAT_WRITE_DOCS=1 writes them anew; the sealed key
 * file aside, whose salt and nonce are random, they come from fixed seeds.
 */
import { createHash, createHmac } from "node:crypto";
import { openCrypto } from "@dchat/crypto-wasm";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publicKey } from "../ground/mod.ts";
import { checkCertificate, DEVICE_CERTIFICATE_BYTES, issueCertificate } from "./certificate.ts";
import { fingerprint, safetyNumber } from "./fingerprint.ts";
import { ARGON2_MEMORY_KIB, ARGON2_PASSES, openKeystore, sealKeystore } from "./keystore.ts";
import { encodePem } from "./pem.ts";

interface Vectors {
  readonly seed: string;
  readonly publicKey: string;
  readonly passphrase: string;
  readonly sealed: object;
  readonly burner: object;
  readonly pem: string;
  readonly fingerprint: string;
  readonly other: string;
  readonly safetyNumber: string;
  readonly certificate: { device: string; issuedMs: number; notAfterMs: number; bytes: string };
}

const page = join(import.meta.dir, "../../docs/protocol/identity.md");
const path = join(import.meta.dir, "../../docs/protocol/vector/identity.json");
const crypto = await openCrypto({ needs: [] });
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Everything that follows from the seeds. */
function make(): Omit<Vectors, "sealed"> {
  const key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(1));
  const other = publicKey(crypto.ed25519.fromSeed(new Uint8Array(32).fill(2)).publicKey);
  const device = publicKey(crypto.ed25519.fromSeed(new Uint8Array(32).fill(3)).publicKey);
  const identity = publicKey(key.publicKey);
  const times = { issuedMs: Date.UTC(2026, 0, 1), notAfterMs: Date.UTC(2027, 0, 1) };
  const options = { type: "identity" as const, key, createdMs: Date.UTC(2026, 0, 1) };
  return {
    seed: key.exportSeed().toHex(),
    publicKey: identity.toHex(),
    passphrase: "correct horse battery staple",
    burner: JSON.parse(sealKeystore(crypto, { ...options, passphrase: null })),
    pem: encodePem(crypto, key),
    fingerprint: fingerprint(crypto, identity),
    other: other.toHex(),
    safetyNumber: safetyNumber(crypto, identity, other),
    certificate: {
      device: device.toHex(),
      ...times,
      bytes: issueCertificate(crypto, key, { device, ...times }).toHex(),
    },
  };
}

function write(): void {
  const made = make();
  const key = crypto.ed25519.fromSeed(Uint8Array.fromHex(made.seed));
  const passphrase = utf8(made.passphrase);
  const text = sealKeystore(crypto, { type: "identity", key, createdMs: Date.UTC(2026, 0, 1), passphrase });
  writeFileSync(path, `${JSON.stringify({ ...made, sealed: JSON.parse(text) }, null, 2)}\n`);
}

if (process.env["DCHAT_WRITE_DOCS"] === "1") write();
const vectors: Vectors = JSON.parse(readFileSync(path, "utf8"));

test("the vectors follow from their seeds", () => {
  const { sealed: _, ...rest } = vectors;
  expect(rest).toEqual(make());
});

test("the sealed key file opens by its passphrase to the seed", () => {
  using opened = openKeystore(crypto, JSON.stringify(vectors.sealed), utf8(vectors.passphrase));
  expect(opened.key.exportSeed().toHex()).toBe(vectors.seed);
});

test("the certificate holds for its device", () => {
  const { device, bytes, issuedMs } = vectors.certificate;
  const at = { device: Uint8Array.fromHex(device), nowMs: issuedMs };
  expect(checkCertificate(crypto, Uint8Array.fromHex(bytes), at)?.toHex()).toBe(vectors.publicKey);
});

test("docs/protocol/identity.md says the code's numbers", () => {
  const text = readFileSync(page, "utf8");
  for (const said of [
    `${DEVICE_CERTIFICATE_BYTES} bytes`,
    `${ARGON2_MEMORY_KIB} KiB`,
    `${ARGON2_PASSES} passes`,
    '"dchat/device-certificate/1\\0"',
    '"dchat/keystore/1\\0"',
    '"dchat/keystore/check/1\\0"',
    '"dchat/fingerprint/1\\0"',
    '"dchat/safety-number/1\\0"',
    "5,200 times",
  ]) {
    expect(text).toContain(said);
  }
});

interface SealedDocument {
  readonly format: string;
  readonly version: number;
  readonly type: string;
  readonly publicKey: string;
  readonly created: string;
  readonly digest: string;
  readonly sealed: {
    readonly kdf: { name: string; memoryKib: number; passes: number; salt: string };
    readonly cipher: { name: string; nonce: string };
    readonly check: string;
    readonly seed: string;
  };
}

test("the sealed key file opens from the page alone", () => {
  const document: SealedDocument = JSON.parse(JSON.stringify(vectors.sealed));
  const { digest, ...rest } = document;
  const { kdf, cipher, check, seed } = rest.sealed;
  const pairs = (value: unknown): unknown =>
    typeof value === "object" && value !== null
      ? Object.entries(value)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, inner]) => [key, pairs(inner)])
      : value;
  expect(
    createHash("sha256")
      .update(JSON.stringify(pairs(rest)))
      .digest("base64"),
  ).toBe(digest);
  const secrets = crypto.password.argon2id({
    password: utf8(vectors.passphrase),
    salt: Uint8Array.fromBase64(kdf.salt),
    memoryKib: 65_536,
    passes: 3,
    length: 64,
  });
  const mac = createHmac("sha256", secrets.subarray(32)).update("dchat/keystore/check/1\0").digest();
  expect(mac.subarray(0, 16).toString("base64")).toBe(check);
  const { format, version, type, publicKey: key, created } = rest;
  const header = [format, version, type, key, created, kdf.name, kdf.memoryKib, kdf.passes, kdf.salt];
  const associated = utf8(
    `dchat/keystore/1\0${JSON.stringify([...header, cipher.name, cipher.nonce, check])}`,
  );
  const aead = xchacha20poly1305(secrets.subarray(0, 32), Uint8Array.fromBase64(cipher.nonce), associated);
  expect(aead.decrypt(Uint8Array.fromBase64(seed)).toHex()).toBe(vectors.seed);
});

test("fingerprint and safety number follow from the page alone", () => {
  const half = (identity: Buffer): string => {
    let digest = Buffer.concat([Buffer.from("dchat/safety-number/1\0"), identity]);
    for (let round = 0; round < 5200; round++)
      digest = createHash("sha512").update(digest).update(identity).digest();
    const groups = [0, 5, 10, 15, 20, 25].map((at) => digest.readUIntBE(at, 5) % 100_000);
    return groups.map((group) => String(group).padStart(5, "0")).join(" ");
  };
  const halves = [vectors.publicKey, vectors.other].map((key) => half(Buffer.from(key, "hex")));
  expect(halves.toSorted().join(" ")).toBe(vectors.safetyNumber);
  const hash = createHash("sha256")
    .update("dchat/fingerprint/1\0")
    .update(Buffer.from(vectors.publicKey, "hex"))
    .digest();
  const bits = [...hash.subarray(0, 15)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const letters = bits
    .match(/.{5}/g)
    ?.map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five, 2)]);
  expect(letters?.join("")).toBe(vectors.fingerprint);
});
