/** RFC 9591's vector for FROST(Ed25519, SHA-512), and those that its authors' library publishes. */
import { describe, expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sharedVector, Vector, vectorsPresent } from "../_vectors.ts";
import { BUILDS } from "../wasm/_builds.ts";
import type { WasmBuild } from "../wasm/mod.ts";
import { get, randomBytes, without } from "./_ceremony.ts";
import { type Frost, finishRepair, openFrost, repairDeltas, repairSigma, SigningPackage } from "./mod.ts";

/** RFC 9591, appendix E.1. */
const RFC_9591 = {
  config: { MIN_PARTICIPANTS: "2" },
  inputs: {
    group_secret_key: "7b1c33d3f5291d85de664833beb1ad469f7fb6025a0ec78b3a790c6e13a98304",
    verifying_key_key: "15d21ccd7ee42959562fc8aa63224c8851fb3ec85a3faf66040d380fb9738673",
    message: "74657374",
    share_polynomial_coefficients: ["178199860edd8c62f5212ee91eff1295d0d670ab4ed4506866bae57e7030b204"],
    participant_shares: [
      {
        identifier: 1,
        participant_share: "929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509",
      },
      {
        identifier: 2,
        participant_share: "a91e66e012e4364ac9aaa405fcafd370402d9859f7b6685c07eed76bf409e80d",
      },
      {
        identifier: 3,
        participant_share: "d3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02",
      },
    ],
  },
  round_one_outputs: {
    outputs: [
      {
        identifier: 1,
        hiding_nonce_randomness: "0fd2e39e111cdc266f6c0f4d0fd45c947761f1f5d3cb583dfcb9bbaf8d4c9fec",
        binding_nonce_randomness: "69cd85f631d5f7f2721ed5e40519b1366f340a87c2f6856363dbdcda348a7501",
        hiding_nonce_commitment: "b5aa8ab305882a6fc69cbee9327e5a45e54c08af61ae77cb8207be3d2ce13de3",
        binding_nonce_commitment: "67e98ab55aa310c3120418e5050c9cf76cf387cb20ac9e4b6fdb6f82a469f932",
      },
      {
        identifier: 3,
        hiding_nonce_randomness: "86d64a260059e495d0fb4fcc17ea3da7452391baa494d4b00321098ed2a0062f",
        binding_nonce_randomness: "13e6b25afb2eba51716a9a7d44130c0dbae0004a9ef8d7b5550c8a0e07c61775",
        hiding_nonce_commitment: "cfbdb165bd8aad6eb79deb8d287bcc0ab6658ae57fdcc98ed12c0669e90aec91",
        binding_nonce_commitment: "7487bc41a6e712eea2f2af24681b58b1cf1da278ea11fe4e8b78398965f13552",
      },
    ],
  },
  round_two_outputs: {
    outputs: [
      { identifier: 1, sig_share: "001719ab5a53ee1a12095cd088fd149702c0720ce5fd2f29dbecf24b7281b603" },
      { identifier: 3, sig_share: "bd86125de990acc5e1f13781d8e32c03a9bbd4c53539bbc106058bfd14326007" },
    ],
  },
  final_output: {
    sig: "36282629c383bb820a88b71cae937d41f2f2adfcc3d02e55507e2fb9e2dd3cbebd9d2b0844e49ae0f3fa935161e1419aab7b47d21a37ebeae1f17d4987b3160b",
  },
};

const SESSION = new Uint8Array(32);
const { Fn } = ed25519.Point;

/** Hands out what it is given, in turn. */
function replay(...parts: readonly Uint8Array[]): (length: number) => Uint8Array {
  const all = Buffer.concat(parts);
  let at = 0;
  return (length) => {
    at += length;
    if (at > all.length) throw new Error("more randomness than the vector has");
    return new Uint8Array(all.subarray(at - length, at));
  };
}

/** A scalar as the 64 random bytes that reduce to it. */
function wide(scalar: Uint8Array): Uint8Array {
  return Uint8Array.from([...scalar, ...new Uint8Array(32)]);
}

function little(value: number): readonly [number, number] {
  return [value & 0xff, value >> 8];
}

/** The bytes behind a message's version, kind, session and sender. */
function body(message: Uint8Array): Uint8Array {
  return message.subarray(2 + 32 + 2);
}

/** Signs as a vector of RFC 9591's form says, with its randomness, and compares every value on the way. */
function followSigning(vector: Vector, build: WasmBuild): void {
  const inputs = vector.object("inputs");
  const key = inputs.bytes("verifying_key_key");
  const all = new Map(inputs.list("participant_shares").map((share) => [share.number("identifier"), share]));
  const rounds = vector.object("round_one_outputs").list("outputs");
  const threshold = Number(vector.object("config").text("MIN_PARTICIPANTS"));
  const randomness = rounds.flatMap((one) => [
    one.bytes("hiding_nonce_randomness"),
    one.bytes("binding_nonce_randomness"),
  ]);
  const frost = openFrost({ build, random: replay(...randomness) });
  const group = frost.importGroup(
    storedGroup(all, { key, threshold, signers: rounds.map((r) => r.number("identifier")) }),
  );

  const signers = rounds.map((one) => {
    const member = one.number("identifier");
    const secret = get(all, member).bytes("participant_share");
    const share = frost.importShare(
      Uint8Array.from([1, 1, ...little(member), ...little(threshold), ...secret, ...key]),
    );
    const { nonces, commitments } = share.commit(SESSION);
    const expected = [one.bytes("hiding_nonce_commitment"), one.bytes("binding_nonce_commitment")];
    // Behind the tag of the share.
    expect(body(commitments).subarray(16)).toEqual(new Uint8Array(Buffer.concat(expected)));
    return { member, share, nonces, commitments };
  });
  const signing = SigningPackage.open({
    group,
    session: SESSION,
    commitments: new Map(signers.map(({ member, commitments }) => [member, commitments])),
    message: inputs.bytes("message"),
  });
  const shares = new Map(signers.map(({ member, share, nonces }) => [member, signing.sign(share, nonces)]));
  for (const two of vector.object("round_two_outputs").list("outputs")) {
    const share = get(shares, two.number("identifier"));
    // Behind the tag of its package.
    expect(body(share).subarray(16)).toEqual(two.bytes("sig_share"));
  }
  expect(signing.aggregate(shares)).toEqual(vector.object("final_output").bytes("sig"));
}

/** A group of the signers alone, whose public shares are their secret ones times the base point. */
function storedGroup(
  all: ReadonlyMap<number, Vector>,
  { key, threshold, signers }: { key: Uint8Array; threshold: number; signers: readonly number[] },
): Uint8Array {
  const publics = signers.flatMap((member) => {
    const secret = get(all, member).text("participant_share");
    const scalar = BigInt(`0x${Uint8Array.fromHex(secret).toReversed().toHex()}`);
    return [...little(member), ...ed25519.Point.BASE.multiply(scalar).toBytes()];
  });
  return Uint8Array.from([1, 2, ...little(threshold), signers.length, ...key, ...publics]);
}

/** Deals as the vector says and compares the shares of the first three. */
function followDealing(vector: Vector, build: WasmBuild): void {
  const inputs = vector.object("inputs");
  const coefficient = wide(inputs.byteList("share_polynomial_coefficients")[0] ?? new Uint8Array());
  const frost = openFrost({ build, random: replay(coefficient) });
  const settings = { session: randomBytes(32), members: [1, 2, 3], threshold: 2 };
  const dealt = frost.deal(settings, inputs.bytes("group_secret_key"));
  for (const vector of inputs.list("participant_shares").slice(0, 3)) {
    const member = vector.number("identifier");
    const { share, group } = frost.accept(settings, { member, message: get(dealt, member) });
    expect(share.exportSecret().subarray(6, 38)).toEqual(vector.bytes("participant_share"));
    expect(group.publicKey).toEqual(inputs.bytes("verifying_key_key"));
  }
}

/** One member's key generation with the vector's polynomial, and the others' messages as the vector has them. */
function followGeneration(
  vector: Vector,
  own: number,
  frost: (random: (n: number) => Uint8Array) => Frost,
): void {
  const inputs = vector.object("inputs");
  const session = randomBytes(32);
  const header = (kind: number, from: number) => [2, kind, ...session, ...little(from)];
  const all = new Map([1, 2, 3].map((member) => [member, inputs.object(String(member))]));
  const mine = get(all, own);
  const random = replay(wide(mine.bytes("signing_key")), wide(mine.bytes("coefficient")), randomBytes(64));
  const settings = { session, members: [1, 2, 3], threshold: 2 };
  const part = frost(random).generate(settings, own);
  const points = new Uint8Array(Buffer.concat(mine.byteList("vss_commitments")));
  expect(body(part.commitment).subarray(2, 66)).toEqual(points);

  const commitments = new Map(
    [...without(all, own)].map(([from, other]) => [
      from,
      Uint8Array.from([
        ...header(5, from),
        ...little(2),
        ...Buffer.concat(other.byteList("vss_commitments")),
        ...other.bytes("proof_of_knowledge"),
      ]),
    ]),
  );
  const sent = part.share(commitments);
  // The vector lists a member's shares by the member that sent them.
  for (const [to, message] of sent) {
    const due = get(all, to).object("signing_shares").bytes(String(own));
    expect(body(message).subarray(2)).toEqual(due);
  }
  const shares = new Map(
    [...commitments.keys()].map((from) => {
      const share = mine.object("signing_shares").bytes(String(from));
      return [from, Uint8Array.from([...header(6, from), ...little(own), ...share])];
    }),
  );
  const { share, group } = part.finish(shares);
  expect(share.exportSecret().subarray(6, 38)).toEqual(mine.bytes("signing_share"));
  expect(group.publicKey).toEqual(inputs.bytes("verifying_key"));
}

describe.each(BUILDS)("FROST on the %s build follows", (build) => {
  test("RFC 9591, appendix E.1: signing", () => followSigning(new Vector(RFC_9591), build));
  test("RFC 9591, appendix E.1: dealing", () => followDealing(new Vector(RFC_9591), build));
});

describe.skipIf(!vectorsPresent).each(BUILDS)(
  "FROST on the %s build follows the published vectors",
  (build) => {
    test.each(["ed25519-vectors", "ed25519-vectors-big-identifier"])("of %s", (name) => {
      const vector = sharedVector(`frost/${name}.json`);
      followSigning(vector, build);
      followDealing(vector, build);
    });

    test.each([1, 2, 3])("of key generation, as member %i", (own) => {
      const vector = sharedVector("frost/ed25519-vectors_dkg.json");
      followGeneration(vector, own, (random) => openFrost({ build, random }));
    });

    test("of repair: the last delta is what the drawn ones leave, and helpers' sigmas and the share are the vector's", () => {
      followRepair(sharedVector("frost/ed25519-repair-share.json"), build);
    });
  },
);

/**
 * The vector has a helper's drawn scalars and their sum, and four helpers' sigmas and theirs. Here: members 1 to 4 help
 * 5, whose share is the vector's sum of sigmas; the deltas are made so that each helper must get the vector's sigma.
 */
function followRepair(vector: Vector, build: WasmBuild): void {
  const drawn = vector.object("scalar_generation");
  const scalars = [1, 2, 3].map((i) => drawn.bytes(`random_scalar_${i}`));
  const sigmas = vector.object("sigma_generation");
  const helpers = [1, 2, 3, 4];
  const [slope, curve] = [3n, 7n];
  const secret = Fn.create(number(sigmas.bytes("sigma_sum")) - 5n * slope - 25n * curve);
  const share = (x: number) => Fn.create(secret + BigInt(x) * slope + BigInt(x * x) * curve);
  const session = randomBytes(32);
  const settings = { session, members: [1, 2, 3, 4, 5], threshold: 3 };
  const random = replay(...[slope, curve].map((scalar) => wide(little32(scalar))), ...scalars.map(wide));
  const frost = openFrost({ build, random });
  const dealt = frost.deal(settings, little32(secret));
  const first = frost.accept(settings, { member: 1, message: get(dealt, 1) });
  expect(number(first.share.exportSecret().subarray(6, 38))).toBe(share(1));
  const repair = { session, group: first.group, lost: 5, helpers };

  // The first step draws the vector's scalars; its last delta is what their sum leaves of the share's part.
  const { deltas } = repairDeltas(repair, first.share);
  const part = (helper: number) => Fn.mul(share(helper), lagrange(helpers, helper, 5));
  for (const [i, scalar] of scalars.entries()) expect(body(get(deltas, i + 1)).subarray(2)).toEqual(scalar);
  const last = number(body(get(deltas, 4)).subarray(2));
  expect(Fn.create(last + number(drawn.bytes("random_scalar_sum")))).toBe(part(1));

  // The second and third step, upon deltas that add up to the vector's sigmas.
  const sent = [1, 2, 3].map((helper) => {
    const some = [1, 2, 3].map((to) => BigInt(helper * 10 + to));
    return [...some, Fn.create(part(helper) - some.reduce((sum, each) => sum + each))];
  });
  const due = helpers.map((to) => number(sigmas.bytes(`sigma_${to}`)));
  sent.push(due.map((sigma, to) => Fn.create(sigma - sent.reduce((sum, of) => sum + of[to]!, 0n))));
  const head = (kind: number, from: number) => [2, kind, ...session, ...little(from)];
  const commitments = new Map(
    helpers.map((from) => {
      const points = sent[from - 1]!.flatMap((delta) => [...ed25519.Point.BASE.multiply(delta).toBytes()]);
      return [from, Uint8Array.from([...head(8, from), ...points])];
    }),
  );
  const answered = new Map(
    helpers.map((helper) => {
      const received = new Map(
        helpers.map((from) => [
          from,
          Uint8Array.from([...head(9, from), ...little(helper), ...little32(sent[from - 1]![helper - 1]!)]),
        ]),
      );
      return [helper, repairSigma(repair, { helper, commitments, deltas: received })];
    }),
  );
  for (const [helper, sigma] of answered) {
    expect(body(sigma).subarray(2)).toEqual(sigmas.bytes(`sigma_${helper}`));
  }
  const repaired = finishRepair(repair, { commitments, sigmas: answered });
  expect(repaired.exportSecret().subarray(6, 38)).toEqual(sigmas.bytes("sigma_sum"));
}

/** Lagrange's coefficient of `member` among `members` for the value at `at`. */
function lagrange(members: readonly number[], member: number, at: number): bigint {
  return members
    .filter((other) => other !== member)
    .reduce(
      (product, other) =>
        Fn.mul(product, Fn.mul(Fn.create(BigInt(at - other)), Fn.inv(Fn.create(BigInt(member - other))))),
      1n,
    );
}

function little32(scalar: bigint): Uint8Array {
  return Uint8Array.fromHex(scalar.toString(16).padStart(64, "0")).toReversed();
}

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toReversed().toHex()}`);
}
