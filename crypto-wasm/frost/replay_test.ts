/** Messages of another signing, group or ceremony, ones that are far too long, and what memory is bounded to. */
import { describe, expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { BUILDS } from "../wasm/_builds.ts";
import { openWasm } from "../wasm/mod.ts";
import {
  agreed,
  dealtMembers,
  get,
  inbox,
  type Members,
  randomBytes,
  refusal,
  replaced,
  resharedMembers,
  signAll,
} from "./_ceremony.ts";
import {
  dealReshare,
  finishReshare,
  FROST_SIGNED_BYTES_MAX,
  frostOn,
  openFrost,
  SigningPackage,
} from "./mod.ts";

const { Fn, BASE } = ed25519.Point;
const MESSAGE = new TextEncoder().encode("what the members agreed on");

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toReversed().toHex()}`);
}

function littleBytes(scalar: bigint): Uint8Array {
  return Uint8Array.fromHex(scalar.toString(16).padStart(64, "0")).toReversed();
}

/** Opens a package of members 1 and 2 for `session`, with `second` as what member 2 committed to. */
function open(members: Members, session: Uint8Array, second: Uint8Array): SigningPackage {
  const { share, group } = get(members, 1);
  const commitments = new Map([
    [1, share.commit(session).commitments],
    [2, second],
  ]);
  return SigningPackage.open({ group, session, commitments, message: MESSAGE });
}

describe.each(BUILDS)("FROST on the %s build", (build) => {
  const frost = openFrost({ build });

  test("SigningPackage.open() refuses commitments of an earlier signing, naming their sender", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const earlier = get(members, 2).share.commit(randomBytes(32)).commitments;
    expect(refusal(() => open(members, randomBytes(32), earlier))).toMatchObject({
      reason: "replayed",
      culprits: [2],
    });
  });

  test("SigningPackage.open() refuses commitments of another group, or from before a refresh, naming their sender", () => {
    const session = randomBytes(32);
    const members = dealtMembers(frost, agreed(3, 2));
    const others = dealtMembers(frost, agreed(3, 2));
    const { group } = get(members, 1);
    const fresh = resharedMembers(
      { session, group, dealers: [1, 2], members: group.members, threshold: 2 },
      members,
    );
    for (const stranger of [others, fresh]) {
      const { commitments } = get(stranger, 2).share.commit(session);
      expect(refusal(() => open(members, session, commitments))).toMatchObject({
        reason: "other-group",
        culprits: [2],
      });
    }
  });

  test("sign() names the member whose commitments in the package are of other nonces of the same signing", () => {
    const members = dealtMembers(frost, agreed(2, 2));
    const session = randomBytes(32);
    const { share } = get(members, 2);
    const signing = open(members, session, share.commit(session).commitments);
    expect(refusal(() => signing.sign(share, share.commit(session).nonces))).toMatchObject({
      reason: "other-nonces",
      culprits: [2],
    });
  });

  test("finishReshare() names the member that a dealer who dealt last left with a share of zero", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const { group } = get(members, 1);
    const reshare = { session: randomBytes(32), group, dealers: [1, 2], members: [1, 2, 3], threshold: 2 };
    const honest = dealReshare(reshare, get(members, 1).share);
    // Member 2 waits for its own share from member 1 and takes a polynomial that has its negative at 2.
    const stored = get(members, 2).share.exportSecret();
    const secret = Fn.create(-number(stored.subarray(6, 38)));
    const fromHonest = number(get(honest.shares, 2).subarray(-32));
    const slope = Fn.mul(Fn.create(-fromHonest - secret), Fn.inv(2n));
    const head = (kind: number): number[] => [2, kind, ...reshare.session, 2, 0];
    const points = [secret, slope].flatMap((scalar) => [...BASE.multiply(scalar).toBytes()]);
    const commitment = Uint8Array.from([...head(11), 2, 0, ...points]);
    for (const member of [1, 3]) {
      const share = littleBytes(Fn.create(secret + slope * BigInt(member)));
      const message = Uint8Array.from([...head(12), member, 0, ...share]);
      const received = {
        member,
        commitments: new Map([
          [1, honest.commitment],
          [2, commitment],
        ]),
        shares: new Map([...inbox(new Map([[1, honest.shares]]), member), [2, message]]),
      };
      expect(refusal(() => finishReshare(reshare, received))).toMatchObject({
        reason: "bad-share",
        culprits: [2],
      });
    }
  });

  test("a message of 64 MiB is malformed as any other, and names its sender", () => {
    const members = dealtMembers(frost, agreed(2, 2));
    const { signing, shares } = signAll([...members.values()], get(members, 1).group, MESSAGE);
    const long = new Uint8Array((1 << 26) + 1);
    long.set(get(shares, 2));
    expect(refusal(() => signing.aggregate(replaced(shares, 2, long)))).toMatchObject({
      reason: "malformed",
      culprits: [2],
    });
  });

  test("SigningPackage.open() takes a message of a mebibyte and no longer; as many as memory has room for, then refuses", () => {
    const own = openFrost({ build });
    const members = dealtMembers(own, agreed(2, 2));
    const session = randomBytes(32);
    const { group } = get(members, 1);
    const commitments = new Map(
      [...members].map(([member, { share }]) => [member, share.commit(session).commitments]),
    );
    const package_ = (bytes: number) =>
      SigningPackage.open({ group, session, commitments, message: new Uint8Array(bytes) });
    expect(() => package_(FROST_SIGNED_BYTES_MAX + 1)).toThrow(
      expect.objectContaining({ code: "argument", message: expect.stringContaining("message must be") }),
    );
    const opened: SigningPackage[] = [];
    expect(() => {
      for (;;) opened.push(package_(FROST_SIGNED_BYTES_MAX));
    }).toThrow(
      expect.objectContaining({
        code: "backend",
        message: expect.stringMatching(/^Cannot open a signing package: .* dispose packages/),
      }),
    );
    expect(opened.length).toBeGreaterThan(50);
    // Nothing is lost, and there is room again.
    expect(get(members, 1).share.exportSecret()).toHaveLength(70);
    for (const each of opened) each[Symbol.dispose]();
    package_(FROST_SIGNED_BYTES_MAX)[Symbol.dispose]();
  });

  test("a source of randomness that gives too little, too much or nothing at all is refused by name, and no nonces come of it", () => {
    const stored = get(dealtMembers(frost, agreed(2, 2)), 1).share.exportSecret();
    const sources: ((length: number) => unknown)[] = [
      () => new Uint8Array(0),
      () => new Uint8Array(1),
      (length) => new Uint8Array(length + 1).fill(1),
      () => undefined,
      () => "x",
      (length) => new Uint8Array(length),
    ];
    for (const source of sources) {
      const own = openFrost({ build, random: source as (length: number) => Uint8Array });
      expect(() => own.importShare(stored).commit(randomBytes(32))).toThrow(
        expect.objectContaining({ code: "argument", message: expect.stringContaining("random") }),
      );
      expect(() => own.deal(agreed(2, 2))).toThrow(expect.objectContaining({ code: "argument" }));
    }
    const none = { build, random: 7 as unknown as () => Uint8Array };
    expect(() => openFrost(none)).toThrow(expect.objectContaining({ code: "argument" }));
  });

  test("nonces are gone after a trap, and a package that was open with them too", () => {
    const { runtime } = openWasm({ build });
    const own = frostOn(runtime);
    const members = dealtMembers(own, agreed(2, 2));
    const session = randomBytes(32);
    const { share } = get(members, 2);
    const { nonces, commitments } = share.commit(session);
    const signing = open(members, session, commitments);
    const { operations } = runtime.instance;
    const trap = () => {
      throw new WebAssembly.RuntimeError("unreachable");
    };
    const { frost_commit } = operations;
    Object.assign(operations, { frost_commit: trap });
    expect(() => share.commit(session)).toThrow(expect.objectContaining({ code: "poisoned" }));
    Object.assign(operations, { frost_commit });
    expect(() => signing.sign(share, nonces)).toThrow(expect.objectContaining({ code: "poisoned" }));
    expect(() => signing.sign(share, nonces)).toThrow(expect.objectContaining({ code: "nonce-reused" }));
  });
});
