/** No operation leaves a secret in a buffer that JavaScript made for it and its caller hasn't got. */
import { describe, expect, test } from "bun:test";
import { COLUMNS } from "./_columns.ts";
import { signers } from "./_each_backend.ts";
import { type Ended, leaks } from "./_spy.ts";
import {
  generatedMembers,
  get,
  inbox,
  repairMessages,
  reshareMessages,
  shareOut,
} from "./frost/_ceremony.ts";
import {
  type Crypto,
  dealReshare,
  finishRepair,
  finishReshare,
  type Frost,
  type FrostMembership,
  mlsCryptoProvider,
  openCrypto,
  openFrost,
  repairDeltas,
  repairSigma,
  SigningPackage,
} from "./mod.ts";

/** Bytes that differ from run to run, the caller's. */
function bytes(run: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.imul(i + 1 + 1_000 * run, 2_654_435_761) >>> 24);
}

const SESSION = new Uint8Array(32).fill(1);
const EMPTY = new Uint8Array(0);
/** As many bytes as node:crypto's HKDF doesn't take. */
const LONG_INFO = new Uint8Array(1_025);

type Operation = (crypto: Crypto, run: number) => Ended | Promise<Ended>;

const OPERATIONS: Record<string, Operation> = {
  "ed25519: a key made, used, exported and turned into the other kind"({ ed25519 }, run) {
    const seed = bytes(run, 32);
    using key = ed25519.fromSeed(seed);
    using made = ed25519.generate();
    const signature = ed25519.sign(key, EMPTY);
    using agreement = ed25519.toAgreement(key);
    const callers = [seed, key.publicKey, key.exportSeed()];
    return { callers, publics: [key.publicKey, made.publicKey, agreement.publicKey, signature] };
  },
  "x25519: a key made, used and exported"({ x25519 }, run) {
    const secret = bytes(run, 32);
    using key = x25519.fromSecret(secret);
    using made = x25519.generate();
    const shared = x25519.agree(key, made.publicKey);
    return { callers: [secret, shared, key.exportSecret()], publics: [key.publicKey, made.publicKey] };
  },
  "hkdf and hmac"({ hash, noise }, run) {
    const ikm = bytes(run, 40);
    const some = [EMPTY, LONG_INFO].map((info) => hash.hkdfSha256({ ikm, salt: EMPTY, info, length: 100 }));
    const macs = [hash.hmacSha256(ikm, ikm), hash.hmacSha512(ikm, ikm)];
    return { callers: [ikm, some, macs, noise.hkdf2(ikm.subarray(0, 32), ikm)], publics: [] };
  },
  "hashes of passwords and seeds"({ hash, password }, run) {
    const secret = bytes(run, 40);
    const options = { password: secret, salt: bytes(9, 16), memoryKib: 8, passes: 1, length: 32 };
    return {
      callers: [secret, hash.shake256(secret, 40), password.argon2id(options)],
      publics: [options.salt],
    };
  },
  "blake3, keyed"({ hash }, run) {
    const [key, data] = [bytes(run, 32), bytes(run, 3_000)];
    const stream = hash.blake3Stream(key);
    stream.update(data);
    stream.update(data);
    return { callers: [key, data, hash.blake3(data, key), stream.digest()], publics: [] };
  },
  "aeads, opened and refused"({ chacha20Poly1305, aes256Gcm }, run) {
    const [key, data] = [bytes(run, 32), bytes(run, 500)];
    const all = [chacha20Poly1305, aes256Gcm].map((aead) => {
      const nonce = new Uint8Array(12);
      const sealed = aead.seal(key, nonce, data, EMPTY);
      const opened = aead.open(key, nonce, sealed, EMPTY);
      aead.open(key, nonce, sealed, Uint8Array.of(1));
      return [sealed, opened];
    });
    return { callers: [key, data, all], publics: all.flatMap(([sealed]) => sealed ?? []) };
  },
  "an aead's stream, opened and refused"({ aes256GcmStream }, run) {
    const [key, data] = [bytes(run, 32), bytes(run, 500)];
    const sealing = aes256GcmStream.seal(key, EMPTY);
    const sealed = [sealing.update(data), sealing.update(data), sealing.finish()] as const;
    const opening = aes256GcmStream.open(key, EMPTY);
    const opened = [...sealed.map((piece) => opening.update(piece)), opening.finish()];
    const refusing = aes256GcmStream.open(key, Uint8Array.of(1));
    for (const piece of sealed) refusing.update(piece);
    refusing.finish();
    return { callers: [key, data, sealed, opened], publics: [sealed[0].slice(0, 32), sealed[2]] };
  },
  kems({ mlKem768, xWing }) {
    const all = [mlKem768, xWing].map((kem) => {
      const pair = kem.generate();
      const sent = kem.encapsulate(pair.publicKey);
      return { pair, sent, opened: kem.decapsulate(pair.secretKey, sent.ciphertext) };
    });
    return { callers: all, publics: all.flatMap(({ pair, sent }) => [pair.publicKey, sent.ciphertext]) };
  },
};

for (const id of [3, 84] as const) {
  OPERATIONS[`MLS suite ${id}: HPKE, signatures and keys`] = async (crypto, run) => {
    const name =
      id === 3
        ? "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519"
        : "MLS_256_XWING_CHACHA20POLY1305_SHA512_Ed25519";
    const suite = await mlsCryptoProvider(crypto).getCiphersuiteImpl({
      name,
      hash: id === 3 ? "SHA-256" : "SHA-512",
      hpke: {
        aead: "CHACHA20POLY1305",
        kdf: id === 3 ? "HKDF-SHA256" : "HKDF-SHA512",
        kem: "DHKEM-X25519-HKDF-SHA256",
      },
      signature: "Ed25519",
    });
    const { hpke, signature, kdf } = suite;
    const ikm = bytes(run, 64);
    const [made, derived] = [await hpke.generateKeyPair(), await hpke.deriveKeyPair(ikm)];
    const plaintext = bytes(run, 90);
    const sent = await hpke.seal(derived.publicKey, plaintext, EMPTY);
    const opened = await hpke.open(derived.privateKey, sent.enc, sent.ct, EMPTY);
    const exported = await hpke.exportSecret(made.publicKey, EMPTY, 32, EMPTY);
    const imported = await hpke.importSecret(made.privateKey, EMPTY, exported.enc, 32, EMPTY);
    const signer = await signature.keygen();
    const signed = await signature.sign(signer.signKey, EMPTY);
    const expanded = await kdf.expand(ikm, EMPTY, 200);
    const publics = [
      await hpke.exportPublicKey(made.publicKey),
      await hpke.exportPublicKey(derived.publicKey),
      sent.enc,
      sent.ct,
      exported.enc,
      signer.publicKey,
      signed,
    ];
    const callers = [ikm, made, derived, plaintext, sent, opened, exported, imported, signer, expanded];
    return { callers, publics };
  };
}

const CRYPTOS = await Promise.all(
  COLUMNS.map(async (backends) => [backends, await openCrypto({ backends, ephemeralsAhead: 0 })] as const),
);

describe.each(CRYPTOS)("with %s backends, nothing secret stays of", (_, crypto) => {
  test.each(Object.entries(OPERATIONS))("%s", async (_name, operation) => {
    expect(await leaks((run) => operation(crypto, run))).toEqual([]);
  });
});

test.each(signers)("nothing secret stays of a signing key of $backend", async ({ it }) => {
  const found = await leaks((run) => {
    const seed = bytes(run, 32);
    using key = it.fromSeed(seed);
    const publics = [key.publicKey, it.sign(key, EMPTY)];
    return { callers: [seed, key.exportSeed()], publics };
  });
  expect(found).toEqual([]);
});

/** Ceremonies that have come as far as each step needs, for a run: made beforehand, so that only the step is seen. */
function prepared(frost: Frost) {
  const settings = { session: SESSION, members: [1, 2, 3], threshold: 2 };
  const members = generatedMembers(frost, settings);
  const { group, share } = get(members, 1);
  const sharing = shareOut(frost, settings);
  const repair = { session: SESSION, group, lost: 3, helpers: [1, 2] };
  const reshare = { ...settings, group, dealers: [1, 2] };
  const nonces = [1, 2].map((member) => get(members, member).share.commit(SESSION));
  const commitments = new Map(nonces.map((one, i) => [i + 1, one.commitments]));
  return {
    settings,
    group,
    share,
    dealt: get(frost.deal(settings), 1),
    beginning: new Map(settings.members.map((member) => [member, frost.generate(settings, member)])),
    sharing,
    repair,
    repairing: repairMessages(repair, members),
    reshare,
    resharing: reshareMessages(reshare, members),
    nonces: nonces[0]!.nonces,
    commitments,
    stored: share.exportSecret(),
  };
}

/** Randomness out of one buffer, which is the source's and too long to be looked at. */
function drawing(): (length: number) => Uint8Array {
  const source = crypto.getRandomValues(new Uint8Array(65_536));
  let at = 0;
  return (length) => source.subarray(at, (at += length));
}

type Prepared = ReturnType<typeof prepared>;

function ofMembership({ share, group }: FrostMembership): readonly Uint8Array[] {
  return [group.encoded, group.publicKey, share.publicKey];
}

const FROST_STEPS: Record<string, (frost: Frost, at: Prepared, run: number) => Ended> = {
  deal(frost, { settings }, run) {
    const secret = bytes(run, 32);
    secret[31] = 0;
    return { callers: [secret, frost.deal(settings, secret)], publics: [] };
  },
  accept(frost, { settings, dealt }) {
    const got = frost.accept(settings, { member: 1, message: dealt });
    return { callers: [dealt], publics: ofMembership(got) };
  },
  "the second step of a key generation"(_, { beginning }) {
    const commitments = new Map([...beginning].map(([member, part]) => [member, part.commitment]));
    const others = new Map([...commitments].filter(([member]) => member !== 1));
    return { callers: get(beginning, 1).share(others), publics: [...commitments.values()] };
  },
  "the last step of a key generation"(_, { sharing }) {
    const received = inbox(sharing.shares, 1);
    return { callers: received, publics: ofMembership(get(sharing.parts, 1).finish(received)) };
  },
  "a share exported and imported"(frost, { share, stored }) {
    const read = frost.importShare(stored);
    return { callers: [stored, share.exportSecret()], publics: [read.publicKey] };
  },
  "a repair's steps"(_, { repair, repairing, share, group }) {
    const { commitments, deltas, sigmas } = repairing;
    const sent = repairDeltas(repair, share);
    const received = inbox(deltas, 1);
    const sigma = repairSigma(repair, { helper: 1, commitments, deltas: received });
    finishRepair(repair, { commitments, sigmas });
    return {
      callers: [repairing, received, sent, sigma],
      publics: [...commitments.values(), sent.commitment, group.encoded, group.publicKey],
    };
  },
  "a resharing's steps"(_, { reshare, resharing, share }) {
    const { commitments, shares } = resharing;
    const sent = dealReshare(reshare, share);
    const received = inbox(shares, 1);
    const got = finishReshare(reshare, { member: 1, commitments, shares: received });
    return {
      callers: [resharing, received, sent],
      publics: [...commitments.values(), sent.commitment, ...ofMembership(got)],
    };
  },
  "a signature"(_, { group, commitments, nonces, share }) {
    const message = new Uint8Array(10);
    const signing = SigningPackage.open({ group, session: SESSION, commitments, message });
    const signed = signing.sign(share, nonces);
    return { callers: [], publics: [...commitments.values(), signed] };
  },
};

describe("nothing secret stays of FROST:", () => {
  test.each(Object.entries(FROST_STEPS))("%s", async (_name, step) => {
    const frost = openFrost({ random: drawing() });
    const all = [0, 1, 2].map(() => prepared(frost));
    expect(await leaks((run) => step(frost, all[run]!, run))).toEqual([]);
  });
});

test("leaks() finds what isn't wiped", async () => {
  const kept = await leaks((run) => ({ callers: [], publics: [bytes(run, 32).subarray(0, 0)] }));
  expect(kept.length).toBe(1);
  const wiped = await leaks((run) => {
    bytes(run, 32).fill(0);
    return { callers: [], publics: [] };
  });
  expect(wiped).toEqual([]);
});
