import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { BUILDS } from "../wasm/_builds.ts";
import { openWasm } from "../wasm/mod.ts";
import {
  agreed,
  dealtMembers,
  flipped,
  generatedMembers,
  get,
  inbox,
  randomBytes,
  refusal,
  replaced,
  shareOut,
  signature,
  without,
} from "./_ceremony.ts";
import { openFrost } from "./mod.ts";

const MESSAGE = new TextEncoder().encode("what the members agreed on");

describe.each(BUILDS)("FROST keys on the %s build", (build) => {
  const wasm = openWasm({ build });
  const frost = openFrost({ build });

  test("deal() splits a given scalar: the group's key is its point, and no one else's share is accepted", () => {
    const settings = agreed(3, 2);
    const secret = new Uint8Array(32);
    secret[0] = 7;
    const members = dealtMembers(frost, settings, secret);
    const seven = dealtMembers(frost, agreed(2, 2), secret);
    expect(get(members, 1).group.publicKey).toEqual(get(seven, 1).group.publicKey);
    const dealt = frost.deal(settings);
    const message = get(dealt, 2);
    const wrong = refusal(() => frost.accept(settings, { member: 1, message }));
    expect([wrong.reason, wrong.culprits]).toEqual(["misdirected", [0]]);
  });

  test("accept() refuses every turned byte, every truncation and another session, and blames the dealer", () => {
    const settings = agreed(3, 2);
    const message = get(frost.deal(settings), 1);
    for (let at = 0; at < message.length; at++) {
      const refused = refusal(() => frost.accept(settings, { member: 1, message: flipped(message, at) }));
      expect(refused.culprits).toEqual([0]);
    }
    for (let length = 0; length < message.length; length++) {
      const refused = refusal(() =>
        frost.accept(settings, { member: 1, message: message.subarray(0, length) }),
      );
      expect([refused.reason, refused.culprits]).toEqual(["malformed", [0]]);
    }
    const replay = refusal(() =>
      frost.accept({ ...settings, session: randomBytes(32) }, { member: 1, message }),
    );
    expect([replay.reason, replay.culprits]).toEqual(["replayed", [0]]);
  });

  test("generate(): all members end in the same group, and any t of them sign", () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 2, max: 6 })
          .chain((n) => fc.record({ n: fc.constant(n), t: fc.integer({ min: 2, max: n }) })),
        ({ n, t }) => {
          const members = generatedMembers(frost, agreed(n, t));
          const { group } = get(members, 1);
          for (const member of members.values()) expect(member.group.encoded).toEqual(group.encoded);
          const signers = [...members.keys()].slice(n - t);
          expect(wasm.ed25519.verify(group.publicKey, MESSAGE, signature(members, signers, MESSAGE))).toBe(
            true,
          );
        },
      ),
      { numRuns: build === "wide" ? 8 : 3 },
    );
  });

  test("generate() among 16, of whom 16 must sign", () => {
    const members = generatedMembers(frost, agreed(16, 16));
    const { group } = get(members, 1);
    const signed = signature(members, [...members.keys()], MESSAGE);
    expect(wasm.ed25519.verify(group.publicKey, MESSAGE, signed)).toBe(true);
  });

  test("a turned byte of a commitment or its proof is refused by share(), or by finish() where it is still a point", () => {
    const settings = agreed(3, 2);
    const { commitments, shares } = shareOut(frost, settings);
    const sent = get(commitments, 2);
    for (let at = 0; at < sent.length; at += build === "wide" ? 1 : 7) {
      using first = frost.generate(settings, 1);
      const refused = refusal(() => {
        first.share(replaced(without(commitments, 1), 2, flipped(sent, at)));
        first.finish(inbox(shares, 1));
      });
      expect(refused.culprits).toEqual([2]);
    }
  });

  test("share() names whose commitment is missing, and can be tried again", () => {
    const settings = agreed(3, 2);
    const { commitments } = shareOut(frost, settings);
    const first = frost.generate(settings, 1);
    const others = without(commitments, 1);
    expect(refusal(() => first.share(without(others, 3)))).toMatchObject({
      reason: "missing",
      culprits: [3],
    });
    expect([...first.share(others).keys()]).toEqual([2, 3]);
  });

  test("share() refuses a proof of possession by another: a rogue key can't be chosen after the others'", () => {
    const settings = agreed(2, 2);
    const [first, second] = settings.members.map((member) => frost.generate(settings, member));
    // The second member shows the first one's commitment and proof as its own.
    const rogue = first!.commitment.slice();
    rogue[34] = 2;
    const refused = refusal(() => first!.share(new Map([[2, rogue]])));
    expect([refused.reason, refused.culprits]).toEqual(["bad-proof", [2]]);
    expect(second!.member).toBe(2);
  });

  test("messages of another ceremony are replays and name their sender", () => {
    const settings = agreed(2, 2);
    const old = shareOut(frost, settings);
    const fresh = { ...settings, session: randomBytes(32) };
    const first = frost.generate(fresh, 1);
    const second = frost.generate(fresh, 2);
    const replay = refusal(() => first.share(new Map([[2, get(old.commitments, 2)]])));
    expect([replay.reason, replay.culprits]).toEqual(["replayed", [2]]);
    first.share(new Map([[2, second.commitment]]));
    const again = refusal(() => first.finish(inbox(old.shares, 1)));
    expect([again.reason, again.culprits]).toEqual(["replayed", [2]]);
  });

  test("finish() names who sent a bad share; all can judge the complaint; the mended share goes on", () => {
    const settings = agreed(3, 2);
    const { parts, commitments, shares } = shareOut(frost, settings);
    const good = inbox(shares, 1);
    const bad = flipped(get(good, 3), -30);
    const refused = refusal(() => get(parts, 1).finish(replaced(good, 3, bad)));
    expect([refused.reason, refused.culprits]).toEqual(["bad-share", [3]]);

    const complaint = { ...settings, accused: 3, accuser: 1, commitment: get(commitments, 3) };
    expect(frost.judgeComplaint({ ...complaint, share: bad })).toBe("accused");
    expect(frost.judgeComplaint({ ...complaint, share: get(good, 3) })).toBe("accuser");
    // A share for someone else is no answer.
    const evading = refusal(() => frost.judgeComplaint({ ...complaint, share: get(inbox(shares, 2), 3) }));
    expect([evading.reason, evading.culprits]).toEqual(["misdirected", [3]]);

    const first = get(parts, 1).finish(good);
    const second = get(parts, 2).finish(inbox(shares, 2));
    expect(first.group.encoded).toEqual(second.group.encoded);
  });

  test("different commitments to different members show in their groups", () => {
    const settings = agreed(3, 2);
    const { parts, commitments, shares } = shareOut(frost, settings);
    const liar = frost.generate(settings, 3);
    const otherShares = liar.share(without(commitments, 3));
    const deceived = frost.generate(settings, 1);
    const theirs = new Map([
      [2, get(commitments, 2)],
      [3, liar.commitment],
    ]);
    deceived.share(theirs);
    const one = deceived.finish(
      new Map([
        [2, get(inbox(shares, 1), 2)],
        [3, get(otherShares, 1)],
      ]),
    );
    const two = get(parts, 2).finish(inbox(shares, 2));
    expect(one.group.encoded).not.toEqual(two.group.encoded);
  });

  test("steps out of their order are refused by name, and the one that is due still goes", () => {
    const settings = agreed(2, 2);
    const { commitments, shares } = shareOut(frost, settings);
    const part = frost.generate(settings, 1);
    const early = () => part.finish(inbox(shares, 1));
    expect(early).toThrow(
      expect.objectContaining({ code: "argument", message: expect.stringMatching(/^finish/) }),
    );
    part.share(without(commitments, 1));
    const twice = () => part.share(without(commitments, 1));
    expect(twice).toThrow(
      expect.objectContaining({ code: "argument", message: expect.stringMatching(/^share/) }),
    );
    expect(part.finish(inbox(shares, 1)).share.member).toBe(1);
  });

  test("a ceremony's parts can't be used after they ended", () => {
    const { parts, shares } = shareOut(frost, agreed(2, 2));
    const part = get(parts, 1);
    part.finish(inbox(shares, 1));
    expect(() => part.finish(inbox(shares, 1))).toThrow(expect.objectContaining({ code: "disposed" }));
  });

  test.each([
    ["no member but one", { members: [1], threshold: 2 }],
    ["a threshold above the members", { members: [1, 2], threshold: 3 }],
    ["a member twice", { members: [1, 1, 2], threshold: 2 }],
  ])("refuses %s", (_, settings) => {
    expect(refusal(() => frost.deal({ session: randomBytes(32), ...settings })).reason).toBe("bad-numbers");
  });

  test.each([
    ["threshold", { members: [1, 2], threshold: 1 }],
    ["threshold", { members: [1, 2], threshold: 1.5 }],
    ["members", { members: [0, 2], threshold: 2 }],
    ["members", { members: [1, 65_536], threshold: 2 }],
    ["members", { members: Array.from({ length: 17 }, (_, i) => i + 1), threshold: 2 }],
  ])("throws CryptoError naming %s for %o", (name, settings) => {
    const deal = () => frost.deal({ session: randomBytes(32), ...settings });
    expect(deal).toThrow(
      expect.objectContaining({ code: "argument", message: expect.stringContaining(name) }),
    );
  });
});
