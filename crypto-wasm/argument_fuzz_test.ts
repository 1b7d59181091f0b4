/** Every function of the interface, and of what stands on it, with anything: what it throws is a CryptoError. */
import { describe, expect, test } from "bun:test";
import { getCiphersuiteFromName } from "ts-mls";
import { COLUMNS } from "./_columns.ts";
import { agreed, dealtMembers, get } from "./frost/_ceremony.ts";
import {
  CryptoError,
  dealReshare,
  finishRepair,
  finishReshare,
  libp2pNoiseCrypto,
  MLS_SUITES,
  mlsCryptoProvider,
  openCrypto,
  openCryptoPool,
  openFrost,
  repairDeltas,
  repairSigma,
  SigningPackage,
} from "./mod.ts";

const ROUNDS = process.env["DCHAT_TEST_LONG"] === "1" ? 5_000 : 150;

const ANYTHING: readonly unknown[] = [
  null,
  undefined,
  7,
  -1,
  1.5,
  Number.NaN,
  2 ** 40,
  10n,
  "text",
  Symbol("symbol"),
  {},
  [1],
  () => 1,
  ...[0, 12, 24, 31, 32, 33, 64, 5_000].map((length) => new Uint8Array(length)),
  new Uint16Array(8),
  new DataView(new ArrayBuffer(4)),
  new Proxy(new Uint8Array(32), {}),
  Object.create(Uint8Array.prototype),
  { subarray: () => 7 },
  new Map([[1, new Uint8Array(70)]]),
  new Map([["a", 1]]),
  { session: new Uint8Array(32), members: [1, 2], threshold: 2 },
  { handle: { kind: "share" } },
  { publicKey: new Uint8Array(32), exportSeed: () => new Uint8Array(32) },
  { type: "public", bytes: new Uint8Array(32), algorithm: { name: "X25519" } },
];

function pick(): unknown {
  return ANYTHING[Math.floor(Math.random() * ANYTHING.length)];
}

type Named = readonly [name: string, call: (...all: unknown[]) => unknown, arity: number];

/** Every function that `value` holds, by its path. */
function* functionsOf(value: object, path: string): Generator<Named> {
  for (const [name, held] of Object.entries(value)) {
    if (typeof held === "function") {
      const call = (...all: unknown[]): unknown => Reflect.apply(held, value, all);
      // What is optional, or one of many, doesn't count in a function's length.
      yield [path + name, call, held.length + 2];
    } else if (typeof held === "object" && held !== null && !ArrayBuffer.isView(held)) {
      yield* functionsOf(held, `${path}${name}.`);
    }
  }
}

/** What was thrown that is no CryptoError for an argument, a failed authentication or a stream that has ended. */
async function strangers([name, call, arity]: Named): Promise<string[]> {
  const found = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    try {
      await call(...Array.from({ length: arity }, pick));
    } catch (error) {
      const known = error instanceof CryptoError && ["argument", "protocol", "disposed"].includes(error.code);
      if (!known) found.add(`${name}: ${String(error)}`);
    }
  }
  return [...found];
}

async function trying(functions: Iterable<Named>): Promise<{ count: number; found: string[] }> {
  let count = 0;
  const found: string[] = [];
  for (const each of functions) {
    count++;
    found.push(...(await strangers(each)));
  }
  return { count, found };
}

describe.each(COLUMNS)("given anything, on the %s backends, only CryptoErrors come of", (backends) => {
  const opening = openCrypto({ backends });

  test("openCrypto()", async () => {
    const crypto = await opening;
    using cipher = crypto.noise.cipher(new Uint8Array(32));
    const sealing = crypto.aes256GcmStream.seal(new Uint8Array(32), new Uint8Array(0));
    // With data that is right, so that what comes after it is looked at too.
    const [data, into] = [new Uint8Array(20), new Uint8Array(60)];
    const held = {
      seal: cipher.seal.bind(cipher),
      open: cipher.open.bind(cipher),
      sealAt: (at: never, ad: never) => cipher.seal(0, data, into, at, ad),
      openAt: (at: never, ad: never) => cipher.open(0, data, into, at, ad),
      update: sealing.update.bind(sealing),
    };
    const { count, found } = await trying(functionsOf({ ...crypto, held }, ""));
    expect(found).toEqual([]);
    expect(count).toBeGreaterThan(50);
  });

  test("libp2pNoiseCrypto()", async () => {
    const { count, found } = await trying(functionsOf(libp2pNoiseCrypto(await opening), ""));
    expect(found).toEqual([]);
    expect(count).toBe(7);
  });

  test.each([...MLS_SUITES])("mlsCryptoProvider() in %s", async (name) => {
    const provider = mlsCryptoProvider(await opening);
    const suite = await provider.getCiphersuiteImpl(getCiphersuiteFromName(name));
    const pair = await suite.hpke.generateKeyPair();
    const { hpke } = suite;
    // With keys that are right, so that what comes after them is looked at too.
    const keyed = {
      seal: (...all: never[]) => hpke.seal(pair.publicKey, ...(all as unknown as [never, never, never])),
      open: (...all: never[]) =>
        hpke.open(pair.privateKey, ...(all as unknown as [never, never, never, never])),
      exported: (...all: never[]) =>
        hpke.exportSecret(pair.publicKey, ...(all as unknown as [never, never, never])),
      imported: (...all: never[]) =>
        hpke.importSecret(pair.privateKey, ...(all as unknown as [never, never, never, never])),
    };
    const keyedFunctions = Object.entries(keyed).map(([each, call]): Named => [
      each,
      call as (...all: unknown[]) => unknown,
      4,
    ]);
    const all = [...functionsOf(provider, ""), ...functionsOf(suite, ""), ...keyedFunctions];
    const { count, found } = await trying(all);
    expect(found).toEqual([]);
    expect(count).toBe(26);
  });
});

test("given anything, only CryptoErrors come of FROST and its pool", async () => {
  const { ed25519 } = await openCrypto({ backends: COLUMNS[0] ?? "portable", needs: [] });
  const frost = openFrost();
  const members = dealtMembers(frost, agreed(3, 2));
  const { share, group } = get(members, 1);
  const session = new Uint8Array(32);
  const commitments = new Map(
    [1, 2].map((member) => [member, get(members, member).share.commit(session).commitments]),
  );
  const signing = SigningPackage.open({ group, session, commitments, message: session });
  const part = frost.generate(agreed(3, 2), 1);
  const reshare = { ...agreed(3, 2), group, dealers: [1, 2] };
  const repair = { session, group, lost: 3, helpers: [1, 2] };
  using pool = openCryptoPool({ ed25519, frost, workers: 0 });
  const held = {
    deal: (secret: never) => frost.deal(agreed(3, 2), secret),
    commit: share.commit.bind(share),
    open: (options: never) => SigningPackage.open(options),
    sign: signing.sign.bind(signing),
    aggregate: signing.aggregate.bind(signing),
    holds: signing.holds.bind(signing),
    share: part.share.bind(part),
    finish: part.finish.bind(part),
    repairDeltas,
    repairSigma,
    finishRepair,
    dealReshare,
    finishReshare,
    deltas: (wrong: never) => repairDeltas(repair, wrong),
    sigma: (wrong: never) => repairSigma(repair, wrong),
    reshared: (wrong: never) => finishReshare(reshare, wrong),
    openCryptoPool,
    openFrost,
  };
  const { count, found } = await trying(functionsOf({ ...frost, pool, held }, ""));
  expect(found).toEqual([]);
  expect(count).toBe(28);
});

test("a KDF of MLS gives at most what HKDF can, and not the same again beyond it", async () => {
  const provider = mlsCryptoProvider(await openCrypto({ backends: "portable", needs: [] }));
  const { kdf } = await provider.getCiphersuiteImpl(getCiphersuiteFromName(MLS_SUITES[1]));
  expect(await kdf.expand(new Uint8Array(32), new Uint8Array(0), 255 * 32)).toHaveLength(8160);
  await expect(kdf.expand(new Uint8Array(32), new Uint8Array(0), 8161)).rejects.toThrow("length must be");
});
