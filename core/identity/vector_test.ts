/**
 * docs/protocol/identity.md's vectors, held against the code. DCHAT_WRITE_DOCS=1 writes them anew; the sealed key
 * file aside, whose salt and nonce are random, they come from fixed seeds.
 */
import { openCrypto } from "@dchat/crypto-wasm";
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
