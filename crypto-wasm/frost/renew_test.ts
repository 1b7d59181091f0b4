/** A key's later life: repair of a lost share, refresh, other members, another threshold. */
import { describe, expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { BUILDS } from "../wasm/_builds.ts";
import { openWasm } from "../wasm/mod.ts";
import {
  agreed,
  dealtMembers,
  flipped,
  generatedMembers,
  get,
  inbox,
  type Members,
  randomBytes,
  refusal,
  repaired,
  repairMessages,
  replaced,
  resharedMembers,
  reshareMessages,
  signAll,
  signature,
} from "./_ceremony.ts";
import { dealReshare, finishRepair, finishReshare, openFrost, repairDeltas, repairSigma } from "./mod.ts";

const { Point } = ed25519;
const MESSAGE = new TextEncoder().encode("what the members agreed on");

describe.each(BUILDS)("FROST on the %s build", (build) => {
  const wasm = openWasm({ build });
  const frost = openFrost({ build });
  const key = (members: Members) => [...members.values()][0]!.group.publicKey;
  const refresh = (members: Members, dealers: readonly number[]) => {
    const { group } = [...members.values()][0]!;
    return { session: randomBytes(32), group, dealers, members: group.members, threshold: group.threshold };
  };

  test("a repaired share is the lost one, from any enough helpers", () => {
    const members = generatedMembers(frost, agreed(5, 3));
    const { group } = get(members, 1);
    for (const helpers of [
      [1, 2, 3],
      [5, 1, 3],
      [1, 2, 3, 5],
    ]) {
      const share = repaired({ session: randomBytes(32), group, lost: 4, helpers }, members);
      expect(share.exportSecret()).toEqual(get(members, 4).share.exportSecret());
    }
  });

  test("a repair names who sent a bad commitment, delta or sigma, or one of another repair", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const { group } = get(members, 1);
    const repair = { session: randomBytes(32), group, lost: 3, helpers: [1, 2] };
    const { commitments, deltas, sigmas } = repairMessages(repair, members);
    const mine = inbox(deltas, 1);
    const sigma = (changed: object) => () =>
      repairSigma(repair, { helper: 1, commitments, deltas: mine, ...changed });

    const delta = replaced(mine, 2, flipped(get(mine, 2), -32));
    expect(refusal(sigma({ deltas: delta }))).toMatchObject({ reason: "bad-share", culprits: [2] });
    const other = repairDeltas(repair, get(members, 2).share);
    const swapped = replaced(commitments, 2, other.commitment);
    expect(refusal(sigma({ commitments: swapped }))).toMatchObject({ reason: "bad-share", culprits: [2] });
    const lying = replaced(
      commitments,
      2,
      Uint8Array.from([...other.commitment.subarray(0, -32), ...group.publicKey]),
    );
    expect(refusal(sigma({ commitments: lying }))).toMatchObject({ reason: "bad-share", culprits: [2] });

    const wrong = replaced(sigmas, 1, flipped(get(sigmas, 1), -32));
    expect(refusal(() => finishRepair(repair, { commitments, sigmas: wrong }))).toMatchObject({
      reason: "bad-share",
      culprits: [1],
    });
    const next = { ...repair, session: randomBytes(32) };
    expect(refusal(() => finishRepair(next, { commitments, sigmas }))).toMatchObject({ reason: "replayed" });
    expect(finishRepair(repair, { commitments, sigmas }).member).toBe(3);
  });

  test("a repair needs enough helpers, the loser not among them, all of the group", () => {
    const members = dealtMembers(frost, agreed(3, 2));
    const { group, share } = get(members, 1);
    const repair = { session: randomBytes(32), group, lost: 3, helpers: [1, 2] };
    for (const bad of [{ helpers: [1] }, { helpers: [1, 3] }]) {
      expect(refusal(() => repairDeltas({ ...repair, ...bad }, share)).reason).toBe("bad-numbers");
    }
    expect(refusal(() => repairDeltas({ ...repair, helpers: [1, 9] }, share))).toMatchObject({
      reason: "not-member",
      culprits: [9],
    });
  });

  test("a refresh keeps the key; new shares sign together, old with new don't", () => {
    const old = generatedMembers(frost, agreed(3, 2));
    const fresh = resharedMembers(refresh(old, [1, 3]), old);
    expect(key(fresh)).toEqual(key(old));
    for (const { group } of fresh.values()) expect(group.encoded).toEqual(get(fresh, 1).group.encoded);
    expect(get(fresh, 1).group.encoded).not.toEqual(get(old, 1).group.encoded);
    expect(wasm.ed25519.verify(key(old), MESSAGE, signature(fresh, [2, 3], MESSAGE))).toBe(true);

    const mixed = [get(fresh, 1), get(old, 2)];
    expect(refusal(() => signAll(mixed, get(fresh, 1).group, MESSAGE))).toMatchObject({
      reason: "other-group",
      culprits: [2],
    });
  });

  test("resharing to other members and another threshold keeps the key, and fewer than it can't sign", () => {
    const old = generatedMembers(frost, agreed(3, 2));
    const { group } = get(old, 2);
    const reshare = {
      session: randomBytes(32),
      group,
      dealers: [1, 2],
      members: [3, 40, 500, 6000],
      threshold: 3,
    };
    const fresh = resharedMembers(reshare, old);
    expect(key(fresh)).toEqual(key(old));
    expect(get(fresh, 40).group).toMatchObject({ threshold: 3, members: [3, 40, 500, 6000] });
    expect(wasm.ed25519.verify(key(old), MESSAGE, signature(fresh, [3, 500, 6000], MESSAGE))).toBe(true);
    expect(refusal(() => signature(fresh, [3, 500], MESSAGE)).reason).toBe("bad-numbers");

    const lowered = {
      session: randomBytes(32),
      group: get(fresh, 3).group,
      dealers: [3, 40, 6000],
      members: [1, 2],
      threshold: 2,
    };
    const again = resharedMembers(lowered, fresh);
    expect(wasm.ed25519.verify(key(old), MESSAGE, signature(again, [1, 2], MESSAGE))).toBe(true);
  });

  test("a resharing names the dealer of a bad commitment or share, or of another resharing's", () => {
    const old = dealtMembers(frost, agreed(3, 2));
    const reshare = refresh(old, [1, 2]);
    const { commitments, shares } = reshareMessages(reshare, old);
    const finish = (changed: object) => () =>
      finishReshare(reshare, { member: 3, commitments, shares: inbox(shares, 3), ...changed });

    // Another polynomial for another secret: member 3's in the place of member 2's.
    const other = dealReshare({ ...reshare, dealers: [1, 3] }, get(old, 3).share).commitment.slice();
    other[34] = 2;
    expect(refusal(finish({ commitments: replaced(commitments, 2, other) }))).toMatchObject({
      reason: "bad-proof",
      culprits: [2],
    });
    const bad = replaced(inbox(shares, 3), 1, flipped(get(inbox(shares, 3), 1), -32));
    expect(refusal(finish({ shares: bad }))).toMatchObject({ reason: "bad-share", culprits: [1] });
    const stale = reshareMessages({ ...reshare, session: randomBytes(32) }, old);
    expect(refusal(finish({ commitments: stale.commitments }))).toMatchObject({ reason: "replayed" });
    const misdirected = replaced(inbox(shares, 3), 1, get(inbox(shares, 2), 1));
    expect(refusal(finish({ shares: misdirected }))).toMatchObject({ reason: "misdirected", culprits: [1] });
    expect(finish({})().share.member).toBe(3);
  });

  test("a resharing's coefficient with a part of small order is malformed, and its dealer named", () => {
    const old = dealtMembers(frost, agreed(3, 2));
    // Multiples of eight: at them the committed polynomial has the same points as without the torsion.
    const reshare = { ...refresh(old, [1, 2]), members: [8, 16] };
    const { commitments, shares } = reshareMessages(reshare, old);
    const finish = (from: ReadonlyMap<number, Uint8Array>) =>
      finishReshare(reshare, { member: 8, commitments: from, shares: inbox(shares, 8) });
    const torsion = Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", true);
    for (const [dealer, order] of [
      [1, 8],
      [2, 4],
      [2, 2],
    ] as const) {
      const commitment = get(commitments, dealer).slice();
      const added = torsion.multiplyUnsafe(BigInt(8 / order));
      commitment.set(Point.fromBytes(commitment.subarray(-32)).add(added).toBytes(), commitment.length - 32);
      const refused = refusal(() => finish(replaced(commitments, dealer, commitment)));
      expect([order, refused.reason, refused.culprits]).toEqual([order, "malformed", [dealer]]);
    }
    expect(finish(commitments).share.member).toBe(8);
  });

  test("an old share can't deal for a refreshed group, and too few dealers can't at all", () => {
    const old = dealtMembers(frost, agreed(3, 2));
    const fresh = resharedMembers(refresh(old, [1, 2]), old);
    const next = refresh(fresh, [1, 2]);
    expect(refusal(() => dealReshare(next, get(old, 1).share))).toMatchObject({
      reason: "other-group",
      culprits: [1],
    });
    expect(refusal(() => dealReshare({ ...next, dealers: [1] }, get(fresh, 1).share)).reason).toBe(
      "bad-numbers",
    );
  });

  test("shares and groups are stored with a version and read back; every truncation and a later version are refused", () => {
    const { share, group } = get(dealtMembers(frost, agreed(3, 2)), 2);
    const stored = share.exportSecret();
    const read = frost.importShare(stored);
    expect(read).toMatchObject({ member: 2, threshold: 2, publicKey: group.publicKey });
    expect(read.exportSecret()).toEqual(stored);
    expect(frost.importGroup(group.encoded).encoded).toEqual(group.encoded);
    for (const [bytes, from] of [
      [stored, (bytes: Uint8Array) => frost.importShare(bytes)],
      [group.encoded, (bytes: Uint8Array) => frost.importGroup(bytes)],
    ] as const) {
      expect(bytes[0]).toBe(1);
      for (let length = 0; length < bytes.length; length++) {
        expect(() => from(bytes.subarray(0, length))).toThrow(
          expect.objectContaining({ name: "CryptoError" }),
        );
      }
      expect(() => from(Uint8Array.from([...bytes, 0]))).toThrow(
        expect.objectContaining({ name: "CryptoError" }),
      );
      expect(refusal(() => from(Uint8Array.from([2, ...bytes.subarray(1)]))).reason).toBe("malformed");
    }
  });

  test("what was disposed says so", () => {
    const { share, group } = get(dealtMembers(frost, agreed(2, 2)), 1);
    share[Symbol.dispose]();
    group[Symbol.dispose]();
    expect(() => share.commit(randomBytes(32))).toThrow(expect.objectContaining({ code: "disposed" }));
    expect(() => dealReshare(refresh(new Map([[1, { share, group }]]), [1, 2]), share)).toThrow(
      expect.objectContaining({ code: "disposed" }),
    );
  });
});
