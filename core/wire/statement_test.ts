import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { digest } from "../../test/harness/digest.ts";
import { leaf, promise } from "../../test/harness/arbitrary.ts";
import { PROTOCOL_ID, parseProtocolVersion, TAG, TAG_BYTES } from "./constant.ts";
import { leafBytes, promiseBytes } from "./statement.ts";

describe("TAG", () => {
  test("has tags of one length, no two alike", () => {
    const tags = Object.values(TAG);
    expect(tags.every((tag) => tag.length === TAG_BYTES)).toBe(true);
    expect(new Set(tags.map((tag) => tag.toHex())).size).toBe(tags.length);
  });
});

describe("leafBytes() and promiseBytes()", () => {
  test("have one length, and other bytes for every other value", () => {
    fc.assert(
      fc.property(leaf, leaf, promise, promise, (a, b, c, d) => {
        expect(leafBytes(a)).toHaveLength(104);
        expect(promiseBytes(c)).toHaveLength(100);
        expect(digest.sha256(leafBytes(a)).toHex() === digest.sha256(leafBytes(b)).toHex()).toBe(
          Bun.deepEquals(a, b),
        );
        const facts = [c, d].map(({ mailbox, generation, seq, leaf: of, keptUntilMs }) => ({
          mailbox,
          generation,
          seq,
          leaf: of,
          keptUntilMs,
        }));
        expect(promiseBytes(c).toHex() === promiseBytes(d).toHex()).toBe(Bun.deepEquals(facts[0], facts[1]));
      }),
    );
  });
});

describe("parseProtocolVersion()", () => {
  test.each([
    [PROTOCOL_ID, 1],
    ["/dchat/mailbox/2", 2],
    ["/dchat/mailbox/65000", 65000],
    ["/dchat/mailbox/", null],
    ["/dchat/mailbox/0", null],
    ["/dchat/mailbox/01", null],
    ["/dchat/mailbox/1/x", null],
    ["/dchat/mailbox/-1", null],
    ["/dchat/mailbox/1000000", null],
    ["/ipfs/ping/1.0.0", null],
  ])("of %s is %p", (protocol, version) => {
    expect(parseProtocolVersion(protocol)).toBe(version);
  });
});
