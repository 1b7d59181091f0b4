import { beforeAll, describe, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CiphersuiteImpl,
  type CryptoProvider,
  defaultCryptoProvider,
  getCiphersuiteFromName,
} from "ts-mls";
import { COLUMNS, FITTING } from "../_columns.ts";
import { CryptoError, MLS_SUITES, mlsCryptoProvider, openCrypto } from "../mod.ts";

const EMPTY = new Uint8Array(0);
const OWN: Partial<Record<(typeof COLUMNS)[number], CryptoProvider>> = {};

beforeAll(async () => {
  for (const backends of COLUMNS) OWN[backends] = mlsCryptoProvider(await openCrypto({ backends }));
});

function ownOn(column: (typeof COLUMNS)[number]): CryptoProvider {
  const own = OWN[column];
  if (own === undefined) throw new Error("the provider was not opened");
  return own;
}

function run(length: number, from = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => from + i);
}

async function open(provider: CryptoProvider, name: (typeof MLS_SUITES)[number]): Promise<CiphersuiteImpl> {
  return provider.getCiphersuiteImpl(getCiphersuiteFromName(name));
}

const BOTH = MLS_SUITES.flatMap((name) => COLUMNS.map((column) => [name, column] as const));

describe.each(BOTH)(
  "mlsCryptoProvider() in %s on the %s backends equals ts-mls's default provider",
  (name, column) => {
    test("in key pairs derived from the same input", async () => {
      const [ours, theirs] = [await open(ownOn(column), name), await open(defaultCryptoProvider, name)];
      for (const length of [0, 1, 32, 64, 1_000]) {
        const [a, b] = [
          await ours.hpke.deriveKeyPair(run(length)),
          await theirs.hpke.deriveKeyPair(run(length)),
        ];
        expect(await ours.hpke.exportPublicKey(a.publicKey)).toEqual(
          await theirs.hpke.exportPublicKey(b.publicKey),
        );
        expect(await ours.hpke.exportPrivateKey(a.privateKey)).toEqual(
          await theirs.hpke.exportPrivateKey(b.privateKey),
        );
      }
    });

    test("in HPKE, either way round", async () => {
      const both = [await open(ownOn(column), name), await open(defaultCryptoProvider, name)] as const;
      for (const [sender, receiver] of [both, [both[1], both[0]]] as const) {
        const pair = await receiver.hpke.generateKeyPair();
        const privateKey = await receiver.hpke.importPrivateKey(
          await receiver.hpke.exportPrivateKey(pair.privateKey),
        );
        const publicKey = await sender.hpke.importPublicKey(
          await receiver.hpke.exportPublicKey(pair.publicKey),
        );
        for (const [plaintext, info, aad] of [
          [EMPTY, EMPTY, undefined],
          [run(200), run(300), run(7)],
        ] as const) {
          const { ct, enc } = await sender.hpke.seal(publicKey, plaintext, info, aad);
          expect(await receiver.hpke.open(privateKey, enc, ct, info, aad)).toEqual(plaintext);
          ct[0] = (ct[0] ?? 0) ^ 1;
          await expect(receiver.hpke.open(privateKey, enc, ct, info, aad)).rejects.toThrow();
        }
        const { enc, secret } = await sender.hpke.exportSecret(publicKey, run(9), 48, run(5));
        expect(await receiver.hpke.importSecret(privateKey, run(9), enc, 48, run(5))).toEqual(secret);
      }
    });

    test("in hashes, key derivation and AEAD", async () => {
      const [ours, theirs] = [await open(ownOn(column), name), await open(defaultCryptoProvider, name)];
      expect([ours.kdf.size, ours.hpke.keyLength, ours.hpke.nonceLength]).toEqual([
        theirs.kdf.size,
        theirs.hpke.keyLength,
        theirs.hpke.nonceLength,
      ]);
      for (const length of [0, 1, 63, 64, 65, 127, 128, 129, 3_000]) {
        const data = run(length);
        expect(await ours.hash.digest(data)).toEqual(await theirs.hash.digest(data));
        const mac = await ours.hash.mac(run(32), data);
        expect(mac).toEqual(await theirs.hash.mac(run(32), data));
        expect(await ours.hash.verifyMac(run(32), mac, data)).toBe(true);
        expect(await ours.hash.verifyMac(run(32), mac.with(0, 1 ^ (mac[0] ?? 0)), data)).toBe(false);
        expect(await ours.hash.verifyMac(run(32), mac.subarray(1), data)).toBe(false);
        const salt = run(ours.kdf.size);
        const prk = await ours.kdf.extract(salt, run(length + 1));
        expect(prk).toEqual(await theirs.kdf.extract(salt, run(length + 1)));
        expect(await ours.kdf.expand(prk, data, length + 1)).toEqual(
          await theirs.kdf.expand(prk, data, length + 1),
        );
        const [key, nonce] = [run(ours.hpke.keyLength), run(ours.hpke.nonceLength)];
        const sealed = await ours.hpke.encryptAead(key, nonce, data, data);
        expect(sealed).toEqual(await theirs.hpke.encryptAead(key, nonce, data, data));
        expect(await ours.hpke.decryptAead(key, nonce, data, sealed)).toEqual(data);
        expect(
          await ours.hpke.decryptAead(
            key,
            nonce,
            undefined,
            await theirs.hpke.encryptAead(key, nonce, undefined, data),
          ),
        ).toEqual(data);
        await expect(ours.hpke.decryptAead(key, nonce, data, sealed.subarray(1))).rejects.toThrow(
          CryptoError,
        );
      }
    });

    test("in signatures, with keys of either", async () => {
      const [ours, theirs] = [await open(ownOn(column), name), await open(defaultCryptoProvider, name)];
      for (const { publicKey, signKey } of [await ours.signature.keygen(), await theirs.signature.keygen()]) {
        const signature = await ours.signature.sign(signKey, run(99));
        expect(signature).toEqual(await theirs.signature.sign(signKey, run(99)));
        expect(await theirs.signature.verify(publicKey, run(99), signature)).toBe(true);
        expect(await ours.signature.verify(publicKey, run(99), signature)).toBe(true);
        expect(await ours.signature.verify(publicKey, run(98), signature)).toBe(false);
        expect(await ours.signature.verify(publicKey, run(99), signature.subarray(1))).toBe(false);
        expect(await ours.signature.verify(publicKey.subarray(1), run(99), signature)).toBe(false);
      }
    });

    test("refuses keys of another provider and bytes that are no key", async () => {
      const [ours, theirs] = [await open(ownOn(column), name), await open(defaultCryptoProvider, name)];
      const foreign = await theirs.hpke.generateKeyPair();
      await expect(ours.hpke.seal(foreign.publicKey, EMPTY, EMPTY)).rejects.toThrow("of this provider");
      await expect(ours.hpke.open(foreign.privateKey, EMPTY, EMPTY, EMPTY)).rejects.toThrow(
        "of this provider",
      );
      await expect(ours.hpke.importPublicKey(run(31))).rejects.toThrow(CryptoError);
      await expect(ours.hpke.importPrivateKey(run(31))).rejects.toThrow(CryptoError);
      const { privateKey } = await ours.hpke.generateKeyPair();
      await expect(ours.hpke.open(privateKey, run(31), run(40), EMPTY)).rejects.toThrow(CryptoError);
    });
  },
);

/** Has the engine collect its garbage; Node gives that by --expose-gc. */
function collect(): void {
  if ("Bun" in globalThis) Bun.gc(true);
  else globalThis.gc?.();
}

test("mlsCryptoProvider() wipes X25519 keys that ts-mls let go of", async () => {
  let held = 0;
  const crypto = await openCrypto({ ...FITTING, needs: [] });
  const counting = mlsCryptoProvider({
    ...crypto,
    x25519: {
      ...crypto.x25519,
      fromSecret(secret) {
        held++;
        const key = crypto.x25519.fromSecret(secret);
        return {
          ...key,
          publicKey: key.publicKey,
          exportSecret: () => secret,
          [Symbol.dispose]: () => void held--,
        };
      },
    },
  });
  const { hpke } = await open(counting, "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519");
  for (let i = 0; i < 1_000; i++) await hpke.deriveKeyPair(run(32, i));
  expect(held).toBeGreaterThan(900);
  for (let i = 0; i < 50 && held > 500; i++) {
    collect();
    await sleep(5);
  }
  expect(held).toBeLessThan(500);
});

test("mlsCryptoProvider() refuses a suite that dchat doesn't offer, and needs the KEM for X-Wing", async () => {
  const p256 = getCiphersuiteFromName("MLS_128_DHKEMP256_AES128GCM_SHA256_P256");
  await expect(ownOn(FITTING.backends).getCiphersuiteImpl(p256)).rejects.toThrow("doesn't offer");
  const withoutKem = mlsCryptoProvider(await openCrypto({ ...FITTING, needs: [] }));
  const { hpke } = await open(withoutKem, "MLS_256_XWING_CHACHA20POLY1305_SHA512_Ed25519");
  await expect(hpke.generateKeyPair()).rejects.toThrow('needs: ["kem"]');
});
