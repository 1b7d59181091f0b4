import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { refusal as anyRefusal, reply as anyReply } from "../../test/harness/arbitrary.ts";
import { isFault, limit, publicKey } from "../ground/mod.ts";
import { REFUSAL_CODE, REPLY_KIND } from "./constant.ts";
import { FrameReader } from "./frame.ts";
import type { Reply } from "./reply.ts";
import { decodeReply, encodeReply } from "./reply_codec.ts";

/** Of an entry reply, before the body. */
const LEAF_BYTES = 81;

interface Frame {
  readonly kind: number;
  readonly request: number;
  readonly payload: Uint8Array;
}

function frameOf(reply: Reply): Frame {
  const all: Frame[] = [];
  new FrameReader({ onFrame: (kind, request, payload) => all.push({ kind, request, payload }) }).push(
    encodeReply(reply, 12),
  );
  const [frame] = all;
  if (frame === undefined) throw new Error("a reply is one frame");
  return frame;
}

const malformed = (decode: () => unknown): boolean => {
  try {
    decode();
  } catch (error) {
    if (isFault(error, "wire/malformed")) return true;
    throw error;
  }
  return false;
};

/** One of each reply, and one refusal of each code. */
const samples = new Map<string, Reply>();
const refused = anyRefusal.map((refusal): Reply => ({ is: "refused", refusal }));
for (const each of fc.sample(fc.oneof(anyReply, refused), { numRuns: 2000, seed: 2 })) {
  const name = "refusal" in each ? `${each.is} ${each.refusal.code}` : each.is;
  const known = samples.get(name);
  if (known === undefined || encodeReply(each, 0).length < encodeReply(known, 0).length)
    samples.set(name, each);
}

describe("decodeReply()", () => {
  test("is tried with every reply and every refusal", () => {
    const replies = new Set([...samples.values()].map((each) => each.is));
    expect([...replies].sort()).toEqual(Object.keys(REPLY_KIND).sort() as Reply["is"][]);
    for (const code in REFUSAL_CODE) expect(samples.has(`refused ${code}`)).toBe(true);
  });

  test("gives back what was encoded, and encodes to the same bytes", () => {
    fc.assert(
      fc.property(anyReply, (reply) => {
        const frame = frameOf(reply);
        expect(frame.request).toBe(12);
        expect(decodeReply(frame)).toEqual(reply);
      }),
      { numRuns: 1000 },
    );
  });

  test("refuses every truncation and every trailing byte of every reply", () => {
    for (const reply of samples.values()) {
      const { kind, payload } = frameOf(reply);
      for (let length = 0; length < payload.length; length += 1) {
        const decode = () => decodeReply({ kind, payload: payload.slice(0, length) });
        // An entry that is cut to its leaf is a tombstone: that is what the stream below protects against.
        const tombstone = reply.is === "entry" && length === LEAF_BYTES;
        expect(malformed(decode)).toBe(!tombstone);
      }
      const longer = new Uint8Array(payload.length + 1);
      longer.set(payload);
      expect(malformed(() => decodeReply({ kind, payload: longer }))).toBe(true);
    }
  });

  test("answers random bytes with a value that encodes to them, or wire/malformed, nothing else", () => {
    const kind = fc.constantFrom(...Object.values(REPLY_KIND), 0, 1, 0x8e, 0xff);
    fc.assert(
      fc.property(kind, fc.uint8Array({ maxLength: 300 }), (number, array) => {
        const payload = new Uint8Array(array);
        malformed(() => {
          const reply = decodeReply({ kind: number, payload });
          expect(frameOf(reply).payload).toEqual(payload);
        });
      }),
      { numRuns: 3000 },
    );
  });

  test("takes a description with as many readers as a mailbox may have, in one frame", () => {
    const described = samples.get("described");
    if (described?.is !== "described") throw new Error("no description");
    const readers = Array.from({ length: limit.MAILBOX_READERS_MAX }, (_, at) => ({
      key: publicKey(new Uint8Array(32).fill(at % 256)),
      cursor: Number.MAX_SAFE_INTEGER,
      lapsed: true,
    }));
    const full = { ...described, readers };
    expect(decodeReply(frameOf(full))).toEqual(full);
  });
});
