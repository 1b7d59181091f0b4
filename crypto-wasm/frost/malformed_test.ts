/**
 * Every kind of message that members send one another, from member 2 (a dealer for the one that it sends): truncated,
 * longer, with each bit turned, of another kind, version, session, sender or recipient. Each is refused naming its
 * sender, and the step can be done again with what the sender really sent.
 */
import { describe, expect, test } from "bun:test";
import { BUILDS } from "../wasm/_builds.ts";
import {
  agreed,
  dealtMembers,
  get,
  inbox,
  randomBytes,
  repairMessages,
  replaced,
  reshareMessages,
  shareOut,
  signAll,
  without,
} from "./_ceremony.ts";
import {
  type Frost,
  finishRepair,
  finishReshare,
  FrostRefusal,
  openFrost,
  repairSigma,
  SigningPackage,
} from "./mod.ts";

const SESSION_AT = 2;
const SENDER_AT = 34;
const RECIPIENT_AT = 36;

/** A step that takes one message, whoever it is from, with honest ones of all others; it may be done many times. */
interface Step {
  readonly kind: number;
  readonly message: Uint8Array;
  readonly sender: number;
  readonly take: (message: Uint8Array) => void;
  /** Its bytes from here on may be turned into what is as good: another point that its sender may have committed to. */
  readonly freeFrom?: number;
  readonly names: "recipient" | "nobody";
}

function steps(frost: Frost): Record<string, Step> {
  const settings = agreed(3, 2);
  const members = dealtMembers(frost, settings);
  const { group } = get(members, 1);
  const both = [1, 2].map((member) => get(members, member));
  const text = new Uint8Array(9);

  const session = randomBytes(32);
  const committed = new Map(both.map(({ share }) => [share.member, share.commit(session).commitments]));
  const { signing, shares } = signAll(both, group, text);
  const dealt = get(frost.deal(settings), 2);
  const ceremony = shareOut(frost, settings);
  const first = get(ceremony.parts, 1);
  const repair = { session: randomBytes(32), group, lost: 3, helpers: [1, 2] };
  const repairing = repairMessages(repair, members);
  const reshare = { ...settings, session: randomBytes(32), group, dealers: [1, 2] };
  const resharing = reshareMessages(reshare, members);
  const of = (messages: ReadonlyMap<number, Uint8Array>) => get(messages, 2);

  return {
    "nonce commitments": {
      kind: 3,
      message: of(committed),
      sender: 2,
      take(message) {
        const commitments = replaced(committed, 2, message);
        SigningPackage.open({ group, session, commitments, message: text })[Symbol.dispose]();
      },
      freeFrom: 52,
      names: "nobody",
    },
    "signature share": {
      kind: 4,
      message: of(shares),
      sender: 2,
      take: (message) => signing.aggregate(replaced(shares, 2, message)),
      names: "nobody",
    },
    "key generation, commitment": {
      kind: 5,
      message: of(ceremony.commitments),
      sender: 2,
      take(message) {
        using part = frost.generate(settings, 1);
        part.share(replaced(without(ceremony.commitments, 1), 2, message));
        // A coefficient's point may be any: the share that it contradicts shows it.
        const { share, group: made } = part.finish(inbox(ceremony.shares, 1));
        share[Symbol.dispose]();
        made[Symbol.dispose]();
      },
      names: "nobody",
    },
    "key generation, share": {
      kind: 6,
      message: of(inbox(ceremony.shares, 1)),
      sender: 2,
      take: (message) => first.finish(replaced(inbox(ceremony.shares, 1), 2, message)),
      names: "recipient",
    },
    "dealt share": {
      kind: 7,
      message: dealt,
      sender: 0,
      take(message) {
        const { share, group: got } = frost.accept(settings, { member: 2, message });
        share[Symbol.dispose]();
        got[Symbol.dispose]();
      },
      names: "recipient",
    },
    "repair, commitment": {
      kind: 8,
      message: of(repairing.commitments),
      sender: 2,
      take(message) {
        const commitments = replaced(repairing.commitments, 2, message);
        repairSigma(repair, { helper: 1, commitments, deltas: inbox(repairing.deltas, 1) });
      },
      names: "nobody",
    },
    "repair, delta": {
      kind: 9,
      message: of(inbox(repairing.deltas, 1)),
      sender: 2,
      take(message) {
        const deltas = replaced(inbox(repairing.deltas, 1), 2, message);
        repairSigma(repair, { helper: 1, commitments: repairing.commitments, deltas });
      },
      names: "recipient",
    },
    "repair, sigma": {
      kind: 10,
      message: of(repairing.sigmas),
      sender: 2,
      take(message) {
        const sigmas = replaced(repairing.sigmas, 2, message);
        finishRepair(repair, { commitments: repairing.commitments, sigmas })[Symbol.dispose]();
      },
      names: "recipient",
    },
    "resharing, commitment": {
      kind: 11,
      message: of(resharing.commitments),
      sender: 2,
      take(message) {
        const commitments = replaced(resharing.commitments, 2, message);
        finishReshare(reshare, { member: 1, commitments, shares: inbox(resharing.shares, 1) });
      },
      names: "nobody",
    },
    "resharing, share": {
      kind: 12,
      message: of(inbox(resharing.shares, 1)),
      sender: 2,
      take(message) {
        const received = replaced(inbox(resharing.shares, 1), 2, message);
        finishReshare(reshare, { member: 1, commitments: resharing.commitments, shares: received });
      },
      names: "recipient",
    },
  };
}

/** `message` with other bytes at `at`. */
function changed(message: Uint8Array, at: number, bytes: readonly number[] | Uint8Array): Uint8Array {
  const copy = message.slice();
  copy.set(bytes, at);
  return copy;
}

/** Why `step` refuses `message`, whose sender it must name alone; null where it takes it. */
function reasonFor(step: Step, message: Uint8Array): string | null {
  try {
    step.take(message);
    return null;
  } catch (error) {
    if (!(error instanceof FrostRefusal)) throw error;
    expect(error.culprits).toEqual([step.sender]);
    return error.reason;
  }
}

describe.each(BUILDS)("on the %s build, a message of each kind is refused naming its sender:", (build) => {
  const frost = openFrost({ build });
  const all = Object.entries(steps(frost));

  test("all ten kinds are here", () => {
    expect(all.map(([, { kind }]) => kind)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    for (const [, { kind, message }] of all) expect([message[0], message[1]]).toEqual([2, kind]);
  });

  test.each(all)("%s, truncated anywhere or longer", (_, step) => {
    for (let length = 0; length < step.message.length; length++) {
      expect(reasonFor(step, step.message.subarray(0, length))).toBe("malformed");
    }
    for (const more of [[0], [1], new Uint8Array(32), new Uint8Array(5_000)]) {
      expect(reasonFor(step, Uint8Array.from([...step.message, ...more]))).toBe("malformed");
    }
  });

  test.each(all)("%s, of another version, kind, session, sender or recipient", (_, step) => {
    const { message, kind, sender } = step;
    for (const version of [0, 1, 3, 255])
      expect(reasonFor(step, changed(message, 0, [version]))).toBe("malformed");
    for (let other = 0; other < 16; other++) {
      if (other !== kind) expect(reasonFor(step, changed(message, 1, [other]))).toBe("malformed");
    }
    expect(reasonFor(step, changed(message, SESSION_AT, randomBytes(32)))).toBe("replayed");
    for (const other of [0, 1, 3, 65_535].filter((one) => one !== sender)) {
      expect(reasonFor(step, changed(message, SENDER_AT, [other & 255, other >> 8]))).toBe("misdirected");
    }
    if (step.names === "nobody") return;
    for (const other of [0, 65_535]) {
      expect(reasonFor(step, changed(message, RECIPIENT_AT, [other & 255, other >> 8]))).toBe("misdirected");
    }
  });

  test.each(all)("%s, with any bit turned", (_, step) => {
    let taken = 0;
    // A key generation is begun for each turn of its commitment, so not every bit is tried of every byte.
    const bits = step.kind === 5 ? 1 : 8;
    for (let at = 0; at < step.message.length; at++) {
      for (let bit = 0; bit < bits; bit++) {
        const turned = changed(step.message, at, [(step.message[at] ?? 0) ^ (1 << ((at + bit) % 8))]);
        const reason = reasonFor(step, turned);
        if (reason !== null) continue;
        expect([at, at >= (step.freeFrom ?? Infinity)]).toEqual([at, true]);
        taken++;
      }
    }
    // A turned bit leaves a point in the prime-order group about one time in sixteen.
    expect(taken).toBeLessThan(step.freeFrom === undefined ? 1 : 64);
  });

  test.each(all)("%s: what was really sent is taken after all of it", (_, step) => {
    expect(reasonFor(step, step.message)).toBeNull();
  });
});
