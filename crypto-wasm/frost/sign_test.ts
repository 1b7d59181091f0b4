import { describe, expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import * as fc from "fast-check";
import { BUILDS } from "../wasm/_builds.ts";
import { openWasm } from "../wasm/mod.ts";
import {
  agreed,
  choices,
  dealtMembers,
  flipped,
  get,
  randomBytes,
  refusal,
  replaced,
  signAll,
  signature,
  without,
} from "./_ceremony.ts";
import { FROST_SIGNED_BYTES_MAX, openFrost, SigningPackage } from "./mod.ts";
import { FrostHandle, Request } from "./request.ts";
import { SigningNonces } from "./sign.ts";

/** Version, kind, session, sender, the package's tag, a scalar. */
const FROST_SHARE_BYTES = 2 + 32 + 2 + 16 + 32;
const SESSION = new Uint8Array(32).fill(3);

const LONG = process.env["DCHAT_TEST_LONG"] === "1";
const MESSAGE = new TextEncoder().encode("what the members agreed on");

describe.each(BUILDS)("FROST signatures on the %s build", (build) => {
  const wasm = openWasm({ build });
  const frost = openFrost({ build });

  test("any t of n sign, for n to 5, and it verifies as plain Ed25519", () => {
    for (let n = 2; n <= 5; n++) {
      for (let t = 2; t <= n; t++) {
        const members = dealtMembers(frost, agreed(n, t));
        const { publicKey } = get(members, 1).group;
        for (const signers of choices([...members.keys()], t)) {
          const signed = signature(members, signers, MESSAGE);
          expect(ed25519.verify(signed, MESSAGE, publicKey, { zip215: false })).toBe(true);
          expect(wasm.ed25519.verify(publicKey, MESSAGE, signed)).toBe(true);
        }
      }
    }
  });

  test("any t or more of n sign, for n to 16 and any identifiers and messages", () => {
    const group = fc
      .uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 2, maxLength: 16 })
      .chain((members) =>
        fc.record({
          members: fc.constant(members),
          threshold: fc.integer({ min: 2, max: members.length }),
        }),
      )
      .chain(({ members, threshold }) =>
        fc.record({
          members: fc.constant(members),
          threshold: fc.constant(threshold),
          signers: fc.subarray(members, { minLength: threshold }),
          message: fc.uint8Array({ maxLength: 200 }),
        }),
      );
    fc.assert(
      fc.property(group, ({ members, threshold, signers, message }) => {
        const all = dealtMembers(frost, { session: randomBytes(32), members, threshold });
        const signed = signature(all, signers, message);
        const { group } = get(all, signers[0]!);
        expect(wasm.ed25519.verify(group.publicKey, message, signed)).toBe(true);
        expect(group.members).toEqual(members.toSorted((a, b) => a - b));
      }),
      { numRuns: LONG ? 300 : build === "wide" ? 12 : 5 },
    );
  });

  test("messages of every length around a block, to a mebibyte, sign as plain Ed25519", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const { publicKey } = get(members, 1).group;
    for (const length of [0, 1, 63, 64, 65, 127, 128, 129, 4_095, 4_096, 4_097, FROST_SIGNED_BYTES_MAX]) {
      const message = new Uint8Array(length).fill(length);
      const signed = signature(members, [1, 3], message);
      expect([length, wasm.ed25519.verify(publicKey, message, signed)]).toEqual([length, true]);
    }
  });

  test("t - 1 make no package, and their shares under a lower threshold make no signature", () => {
    const members = dealtMembers(frost, agreed(4, 3));
    const { group } = get(members, 1);
    const two = [1, 2].map((signer) => get(members, signer));
    expect(refusal(() => signAll(two, group, MESSAGE)).reason).toBe("bad-numbers");

    // The same shares and group, stored with a threshold of two.
    const lowered = frost.importGroup(lower(group.encoded, 2));
    const forged = two.map(({ share }) => ({
      share: frost.importShare(lower(share.exportSecret(), 4)),
      group: lowered,
    }));
    const { signing, shares } = signAll(forged, lowered, MESSAGE);
    // Both shares are honest, yet two points don't lie on what three define.
    const refused = refusal(() => signing.aggregate(shares));
    expect(refused.reason).toBe("bad-signature");
  });

  test("nonces sign once: the second use throws, from an alias too", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const { share, group } = get(members, 1);
    const mine = share.commit(SESSION);
    const other = get(members, 2).share.commit(SESSION);
    const commitments = new Map([
      [1, mine.commitments],
      [2, other.commitments],
    ]);
    const first = SigningPackage.open({ group, session: SESSION, commitments, message: MESSAGE });
    const second = SigningPackage.open({ group, session: SESSION, commitments, message: randomBytes(8) });
    const alias = mine.nonces;
    const before = frost.handles;
    first.sign(share, mine.nonces);
    expect(frost.handles).toBe(before - 1);
    expect(() => second.sign(share, alias)).toThrow(expect.objectContaining({ code: "nonce-reused" }));
    expect(() => first.sign(share, mine.nonces)).toThrow(expect.objectContaining({ code: "nonce-reused" }));
  });

  test("nonces that only stand for used ones sign nothing: a proxy, an heir, another handle of the same number", () => {
    const members = dealtMembers(frost, agreed(2, 2));
    const { share, group } = get(members, 1);
    const { nonces, commitments } = share.commit(SESSION);
    const all = new Map([
      [1, commitments],
      [2, get(members, 2).share.commit(SESSION).commitments],
    ]);
    const signing = SigningPackage.open({ group, session: SESSION, commitments: all, message: MESSAGE });
    const stand = [new Proxy(nonces, {}), Object.create(nonces), Object.create(SigningNonces.prototype)];
    const refused = (wrong: SigningNonces, code: string) =>
      expect(() => signing.sign(share, wrong)).toThrow(expect.objectContaining({ code }));
    for (const wrong of stand) refused(wrong, "argument");
    // None of them used the nonces up.
    expect(signing.sign(share, nonces)).toHaveLength(FROST_SHARE_BYTES);
    for (const wrong of stand) refused(wrong, "argument");

    const request = new Request().bytes(SESSION).handle("share", share.handle);
    const answer = request.ask("frost_commit", "commit to nonces");
    const number = answer.u32();
    const [one, two] = [1, 2].map(
      () => new SigningNonces(new FrostHandle(answer.instance, number, "nonces")),
    );
    all.set(1, answer.blob());
    using again = SigningPackage.open({ group, session: SESSION, commitments: all, message: MESSAGE });
    expect(again.sign(share, one!)).toHaveLength(FROST_SHARE_BYTES);
    // The module's place of the used ones is given to the next, which the old number doesn't name.
    const next = share.commit(SESSION);
    const before = frost.handles;
    refused(two!, "backend");
    expect(frost.handles).toBe(before);
    refused(two!, "nonce-reused");
    all.set(1, next.commitments);
    using last = SigningPackage.open({ group, session: SESSION, commitments: all, message: MESSAGE });
    expect(last.sign(share, next.nonces)).toHaveLength(FROST_SHARE_BYTES);
  });

  test("nonces are gone after a signature that was refused, and after dispose", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const { share, group } = get(members, 1);
    const others = new Map(
      [2, 3].map((member) => [member, get(members, member).share.commit(SESSION).commitments]),
    );
    const signing = SigningPackage.open({ group, session: SESSION, commitments: others, message: MESSAGE });
    const { nonces } = share.commit(SESSION);
    expect(refusal(() => signing.sign(share, nonces)).reason).toBe("other-nonces");
    expect(() => signing.sign(share, nonces)).toThrow(expect.objectContaining({ code: "nonce-reused" }));
    const unused = share.commit(SESSION).nonces;
    unused[Symbol.dispose]();
    expect(() => signing.sign(share, unused)).toThrow(expect.objectContaining({ code: "nonce-reused" }));
  });

  test("nonces have no form that could be stored or sent: a clone holds nothing", () => {
    const { share } = get(dealtMembers(frost, agreed(2, 2)), 1);
    const { nonces } = share.commit(SESSION);
    expect(JSON.stringify(nonces)).toBe("{}");
    expect(Object.keys(structuredClone(nonces))).toEqual([]);
  });

  test("nonces of one package don't sign another that commits to others", () => {
    const members = dealtMembers(frost, agreed(2, 2));
    const { share, group } = get(members, 1);
    const commitments = new Map(
      [...members].map(([member, { share }]) => [member, share.commit(SESSION).commitments]),
    );
    const signing = SigningPackage.open({ group, session: SESSION, commitments, message: MESSAGE });
    expect(refusal(() => signing.sign(share, share.commit(SESSION).nonces)).reason).toBe("other-nonces");
  });

  test("aggregate() names every signer whose share is wrong, and holds() tells before", () => {
    const members = dealtMembers(frost, agreed(5, 4));
    const { group } = get(members, 1);
    const { signing, shares } = signAll([...members.values()], group, MESSAGE);
    const bad = replaced(replaced(shares, 2, flipped(get(shares, 2), -32)), 5, flipped(get(shares, 5), -20));
    const refused = refusal(() => signing.aggregate(bad));
    expect([refused.reason, refused.culprits]).toEqual(["bad-signature", [2, 5]]);
    expect([...bad].filter(([member, share]) => !signing.holds(member, share)).map(([m]) => m)).toEqual([
      2, 5,
    ]);
    expect(wasm.ed25519.verify(group.publicKey, MESSAGE, signing.aggregate(shares))).toBe(true);
  });

  test("a share of another package is a replay and names its sender", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const { group } = get(members, 1);
    const both = [1, 3].map((member) => get(members, member));
    const old = signAll(both, group, MESSAGE);
    const { signing, shares } = signAll(both, group, MESSAGE);
    const refused = refusal(() => signing.aggregate(replaced(shares, 3, get(old.shares, 3))));
    expect([refused.reason, refused.culprits]).toEqual(["replayed", [3]]);
  });

  test("a message by another than its sender, a missing one and a stranger's are named", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const { group } = get(members, 1);
    const { signing, shares } = signAll(
      [1, 2].map((member) => get(members, member)),
      group,
      MESSAGE,
    );
    const swapped = replaced(shares, 1, get(shares, 2));
    expect(refusal(() => signing.aggregate(swapped))).toMatchObject({ reason: "misdirected", culprits: [1] });
    const missing = refusal(() => signing.aggregate(without(shares, 2)));
    expect([missing.reason, missing.culprits]).toEqual(["missing", [2]]);
    const stranger = refusal(() => signing.aggregate(new Map([...shares, [3, get(shares, 2)]])));
    expect([stranger.reason, stranger.culprits]).toEqual(["not-member", [3]]);
  });

  test("commitments: every bit turned, every truncation and what follows is refused naming the sender, or signs nothing", () => {
    const members = dealtMembers(frost, agreed(2, 2));
    const { group, share } = get(members, 1);
    const mine = share.commit(SESSION).commitments;
    const other = get(members, 2).share.commit(SESSION).commitments;
    const open = (commitments: Uint8Array) =>
      SigningPackage.open({
        session: SESSION,
        group,
        message: MESSAGE,
        commitments: new Map([
          [1, mine],
          [2, commitments],
        ]),
      });
    for (let length = 0; length < other.length; length++) {
      expect(refusal(() => open(other.subarray(0, length)))).toMatchObject({ culprits: [2] });
    }
    expect(refusal(() => open(Uint8Array.from([...other, 0])))).toMatchObject({
      reason: "malformed",
      culprits: [2],
    });
    let opened = 0;
    for (let at = 0; at < other.length; at++) {
      try {
        open(flipped(other, at))[Symbol.dispose]();
        opened++;
      } catch (error) {
        expect(error).toMatchObject({ code: "protocol", culprits: [2] });
      }
    }
    // A turned bit leaves a point in the prime-order group about one time in sixteen.
    expect(opened).toBeLessThan(24);
  });
});

/** A stored share or group with a threshold of two in the place of its own. */
function lower(stored: Uint8Array, at: number): Uint8Array {
  const copy = stored.slice();
  copy[at] = 2;
  return copy;
}
