import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { crypto } from "../../test/harness/party.ts";
import { evidenceOfEachKind, logOf, proofIn, SigningNode } from "../../test/harness/evidence.ts";
import { DAY_MS, filled, NOW_MS } from "../../test/harness/vector_value.ts";
import { isFault, mailboxId } from "../ground/mod.ts";
import { planConsistency, planInclusion, rootOfLeaves } from "../merkle/mod.ts";
import { PATH_HASHES_MAX } from "../wire/mod.ts";
import { type Evidence, evidenceFields, evidenceFlaw, parseEvidence, subjectOf } from "./mod.ts";

const all = evidenceOfEachKind(crypto);
const kinds = all.map((evidence) => [evidence.kind, evidence] as const);
const node = new SigningNode(crypto, { identity: 0x04, head: 0x05, peer: 0x70 });
const other = new SigningNode(crypto, { identity: 0x04, head: 0x06, peer: 0x71 });
const stranger = new SigningNode(crypto, { identity: 0x07, head: 0x05, peer: 0x70 });

function textOf(evidence: Evidence): string {
  return `${JSON.stringify(evidenceFields(evidence), null, 2)}\n`;
}

/** What a text proves nothing by, or null where it proves something. */
function flawOf(text: string): string | null {
  try {
    return evidenceFlaw(crypto, parseEvidence(text));
  } catch (error) {
    if (isFault(error, "mailbox/evidence")) return error.message;
    throw error;
  }
}

describe("evidenceFlaw()", () => {
  test.each(kinds)("finds none in two statements that contradict each other: %s", (_, evidence) => {
    expect(evidenceFlaw(crypto, evidence)).toBeNull();
    expect(parseEvidence(textOf(evidence))).toEqual(evidence);
    expect(flawOf(textOf(evidence))).toBeNull();
    expect(subjectOf(evidence).relay).toEqual(node.certificate.relay);
  });

  const [three, six] = [logOf(crypto, 3), logOf(crypto, 6)];
  const split = logOf(crypto, 6, 1);
  const path = proofIn(crypto, six, planInclusion(2, 6));
  const root = rootOfLeaves(crypto.hash, three);
  const grown = proofIn(crypto, six, planConsistency(3, 6));
  const leaf = split[2]!;
  const splitPath = proofIn(crypto, split, planInclusion(2, 6));
  const promise = node.promise(three, 2);
  const cases: readonly (readonly [string, Evidence, string])[] = [
    [
      "a promise given twice",
      { kind: "promises", first: promise, second: other.promise(six, 2, { timeMs: NOW_MS + 1 }) },
      "agree",
    ],
    [
      "promises for two numbers",
      { kind: "promises", first: promise, second: node.promise(six, 3) },
      "two different numbers",
    ],
    [
      "a number promised again after a restore",
      { kind: "promises", first: promise, second: node.promise(split, 2, { generation: 3 }) },
      "two generations",
    ],
    ["a head signed twice", { kind: "heads", first: node.head(six), second: other.head(six) }, "agree"],
    [
      "a head of a log that has grown",
      { kind: "heads", first: node.head(three), second: node.head(six) },
      "sizes",
    ],
    [
      "heads of another generation",
      { kind: "heads", first: node.head(six), second: node.head(split, { generation: 3 }) },
      "two generations",
    ],
    [
      "heads of two mailboxes",
      {
        kind: "heads",
        first: node.head(six),
        second: node.head(split, { mailbox: mailboxId(filled(32, 1)) }),
      },
      "mailboxes",
    ],
    [
      "heads of two relays",
      { kind: "heads", first: node.head(six), second: stranger.head(split) },
      "two different relays",
    ],
    [
      "a head that has what was promised",
      { kind: "broken", first: promise, second: node.head(six), leaf: six[2]!, path },
      "has what was promised",
    ],
    [
      "a leaf that the head doesn't have",
      { kind: "broken", first: promise, second: node.head(six), leaf, path },
      "path",
    ],
    [
      "an older head",
      { kind: "broken", first: promise, second: node.head(split.slice(0, 2)), leaf, path: [] },
      "ends before",
    ],
    [
      "a head after a restore",
      {
        kind: "broken",
        first: promise,
        second: node.head(split, { generation: 3 }),
        leaf,
        path: splitPath,
      },
      "two generations",
    ],
    [
      "a log that has grown",
      { kind: "rewritten", first: node.head(three), second: node.head(six), root, path: grown },
      "begins with the first",
    ],
    [
      "a root that it doesn't begin with",
      {
        kind: "rewritten",
        first: node.head(three),
        second: node.head(six),
        root: rootOfLeaves(crypto.hash, split.slice(0, 3)),
        path: grown,
      },
      "path",
    ],
    [
      "an empty log, which every log begins with",
      { kind: "rewritten", first: node.head([]), second: node.head(six), root, path: [] },
      "larger size",
    ],
    [
      "heads in the wrong order",
      { kind: "rewritten", first: node.head(six), second: node.head(three), root, path: [] },
      "larger size",
    ],
    [
      "a statement that was signed when its certificate was over",
      { kind: "heads", first: node.head(six), second: node.head(split, { timeMs: NOW_MS + 91 * DAY_MS }) },
      "certificate",
    ],
    [
      "a certificate of another node",
      {
        kind: "heads",
        first: node.head(six),
        second: { ...node.head(split), certificate: other.certificate },
      },
      "isn't signed",
    ],
  ];
  test.each(cases)("finds one in %s", (_, evidence, why) => {
    expect(evidenceFlaw(crypto, evidence)).toContain(why);
  });

  test.each(kinds)("finds one wherever a bit of the document was flipped: %s", (_, evidence) => {
    const text = new TextEncoder().encode(textOf(evidence));
    const decoder = new TextDecoder();
    for (let at = 0; at < text.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = text.slice();
        changed[at]! ^= 1 << bit;
        expect([at, bit, flawOf(decoder.decode(changed))]).not.toEqual([at, bit, null]);
      }
    }
  });

  test.each(kinds)("finds one wherever the document was cut: %s", (_, evidence) => {
    const text = textOf(evidence).trimEnd();
    for (let length = 0; length < text.length; length++) expect(flawOf(text.slice(0, length))).not.toBeNull();
  });

  test("finds one wherever a byte of what was signed is another", () => {
    const spot = fc.record({ which: fc.nat(all.length - 1), at: fc.nat(), value: fc.integer({ max: 255 }) });
    fc.assert(
      fc.property(spot, ({ which, at, value }) => {
        const text = textOf(all[which]!);
        const places = [...text.matchAll(/(?<=")(?:[0-9a-f]{2}){32,}(?=")/g)].flatMap(({ index, 0: hex }) =>
          Array.from({ length: hex.length / 2 }, (_, byte) => index + byte * 2),
        );
        const place = places[at % places.length]!;
        const byte = (value & 0xff).toString(16).padStart(2, "0");
        if (text.slice(place, place + 2) === byte) return;
        expect(flawOf(text.slice(0, place) + byte + text.slice(place + 2))).not.toBeNull();
      }),
      { numRuns: 300 },
    );
  });
});

test("docs/protocol/evidence.md names the format, its version and every kind", async () => {
  const page = await Bun.file(join(import.meta.dir, "../../docs/protocol/evidence.md")).text();
  const rows = ["format", "version"].map((name) => {
    const value = JSON.stringify(evidenceFields(all[0]!)[name]);
    return `| \`${name}\` | \`${value}\` |`;
  });
  expect(page).toContain(rows.join("\n"));
  const named = Array.from(page.matchAll(/^\| `(\w+)` \| (?:promise|head) \|/gm), ([, kind]) => kind);
  expect(named).toEqual(all.map(({ kind }) => kind));
  expect(page).toContain("at most 65,536 characters");
  expect(page).toContain(`at most ${PATH_HASHES_MAX} hashes`);
});

test("docs/protocol/vector/evidence.json: what proves something and what doesn't", async () => {
  const path = join(import.meta.dir, "../../docs/protocol/vector/evidence.json");
  const { proves, provesNothing } = JSON.parse(await Bun.file(path).text());
  expect([proves.length, provesNothing.length]).toEqual([4, 4]);
  for (const { relay, mailbox, generation, number, document } of proves) {
    expect(flawOf(JSON.stringify(document))).toBeNull();
    const subject = subjectOf(parseEvidence(JSON.stringify(document)));
    expect([subject.relay.toHex(), subject.mailbox.toHex()]).toEqual([relay, mailbox]);
    expect([subject.generation, subject.number]).toEqual([generation, number]);
  }
  for (const { name, document } of provesNothing) {
    expect([name, flawOf(JSON.stringify(document))]).not.toEqual([name, null]);
  }
});

describe("parseEvidence()", () => {
  test.each([
    ["nothing", "", "isn't JSON"],
    ["a list", "[]", "isn't an object"],
    ["another document", '{"format":"dchat-keystore","version":1}', "format"],
    ["a later version", '{"format":"dchat-evidence","version":2}', "version 1 expected, got 2"],
    ["another kind", '{"format":"dchat-evidence","version":1,"kind":"rumour"}', "kind"],
    ["half of it", '{"format":"dchat-evidence","version":1,"kind":"heads","first":{}}', "second is missing"],
    ["more than fits", " ".repeat(65_537), "65536 characters"],
  ])("refuses %s", (_, text, why) => {
    expect(flawOf(text)).toContain(why);
  });

  test("refuses a key of its own, upper-case hex and a path without end", () => {
    const fields = evidenceFields(all[2]!);
    for (const [changed, why] of [
      [{ ...fields, note: "believe me" }, '"note"'],
      [{ ...fields, leaf: String(fields["leaf"]).toUpperCase() }, "lower-case hex"],
      [{ ...fields, leaf: "00" }, "1 bytes, expected 32"],
      [{ ...fields, path: Array.from({ length: 111 }, () => "00".repeat(32)) }, "more than 110"],
      [{ ...fields, path: "00" }, "isn't a list"],
    ] as const) {
      expect(flawOf(JSON.stringify(changed))).toContain(why);
    }
  });
});
