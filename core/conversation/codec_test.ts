import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { crypto, makePlace, mls, randomId, randomKey } from "../../test/harness/party.ts";
import { entryId, hash, isFault, limit, mailboxId } from "../ground/mod.ts";
import {
  bundleHash,
  type Content,
  CONTENT_TIME_MS_MAX,
  decodeContent,
  decodePairInfo,
  decodePlace,
  encodeContent,
  encodeInvite,
  encodePairInfo,
  encodePlace,
  type Invite,
  inviteKeys,
  openFromInbox,
  parseInvite,
  sealForInbox,
} from "./mod.ts";
import { openSealed, SEAL_BYTES, sealEntry, SEALED_MESSAGE_BYTES_MAX } from "./seal.ts";

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((one) => Uint8Array.from(one));
const content: fc.Arbitrary<Content> = fc.record({
  id: bytes(16).map(entryId),
  timeMs: fc.maxSafeNat().map((ms) => ms % (CONTENT_TIME_MS_MAX + 1)),
  head: fc.option(fc.record({ generation: fc.nat(), size: fc.maxSafeNat(), root: bytes(32).map(hash) })),
  text: fc.string({ unit: "grapheme" }),
});

function isMalformed(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    return isFault(error, "conversation/malformed");
  }
}

describe("encodeContent() and decodeContent()", () => {
  test("bring back every content", () => {
    fc.assert(fc.property(content, (one) => expect(decodeContent(encodeContent(one))).toEqual(one)));
  });

  test("take the last time that a date knows, and refuse what is after it", () => {
    const at = (timeMs: number) => encodeContent({ id: randomId(), timeMs, head: null, text: "" });
    expect(new Date(decodeContent(at(CONTENT_TIME_MS_MAX)).timeMs).toISOString()).toStartWith("+275760");
    for (const timeMs of [CONTENT_TIME_MS_MAX + 1, Number.MAX_SAFE_INTEGER])
      expect(isMalformed(() => decodeContent(at(timeMs)))).toBe(true);
  });

  test("refuse every truncation of the fixed part, unknown versions and kinds, and text that isn't UTF-8", () => {
    const whole = encodeContent({ id: randomId(), timeMs: 1, head: null, text: "" });
    for (let length = 0; length < whole.length; length++) {
      expect(isMalformed(() => decodeContent(whole.subarray(0, length)))).toBe(true);
    }
    for (const [at, value] of [
      [0, 2],
      [1, 9],
      [26, 2],
    ] as const) {
      const bent = whole.slice();
      bent[at] = value;
      expect(isMalformed(() => decodeContent(bent))).toBe(true);
    }
    expect(isMalformed(() => decodeContent(Uint8Array.from([...whole, 0xff])))).toBe(true);
  });

  test("answer random bytes with a value or a Fault, never otherwise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (random) => {
        try {
          decodeContent(random);
        } catch (error) {
          expect(isFault(error, "conversation/malformed")).toBe(true);
        }
      }),
    );
  });
});

describe("encodePlace() and encodePairInfo()", () => {
  test("bring back place and owner key, and refuse truncations and trailing bytes", () => {
    const info = { place: makePlace(), ownerSeed: crypto.random.bytes(32) };
    const whole = encodePairInfo(info);
    expect(decodePairInfo(whole)).toEqual(info);
    for (let length = 0; length < whole.length; length++) {
      expect(isMalformed(() => decodePairInfo(whole.subarray(0, length)))).toBe(true);
    }
    expect(isMalformed(() => decodePlace(Uint8Array.from([...encodePlace(info.place), 0])))).toBe(true);
  });
});

describe("sealEntry() and openSealed()", () => {
  const key = crypto.random.bytes(32);
  const place = () => ({
    mailbox: mailboxId(crypto.random.bytes(32)),
    id: randomId(),
    kind: "plain" as const,
  });

  test("fill exactly a size class at every edge, and look alike inside it", () => {
    for (const size of limit.ENTRY_SIZE_CLASSES_BYTES) {
      for (const length of [size - SEAL_BYTES, size - SEAL_BYTES - 1]) {
        const at = place();
        const message = crypto.random.bytes(length);
        const entry = sealEntry(crypto, key, { ...at, message });
        expect(entry.length).toBe(size);
        expect(openSealed(crypto, key, { ...at, entry })).toEqual(message);
      }
    }
    expect(sealEntry(crypto, key, { ...place(), message: new Uint8Array() }).length).toBe(1024);
  });

  test("refuse what is a byte too long", () => {
    const message = new Uint8Array(SEALED_MESSAGE_BYTES_MAX + 1);
    expect(() => sealEntry(crypto, key, { ...place(), message })).toThrow(
      "Sealed it has 65537 bytes, at most 65536",
    );
  });

  test("open nothing under another key, mailbox, id or kind", () => {
    const at = place();
    const entry = sealEntry(crypto, key, { ...at, message: Uint8Array.of(1) });
    expect(openSealed(crypto, crypto.random.bytes(32), { ...at, entry })).toBeNull();
    expect(openSealed(crypto, key, { ...place(), entry })).toBeNull();
    expect(openSealed(crypto, key, { ...at, id: randomId(), entry })).toBeNull();
    expect(openSealed(crypto, key, { ...at, kind: "control", entry })).toBeNull();
    expect(openSealed(crypto, key, { ...at, entry: new Uint8Array(3) })).toBeNull();
  });
});

describe("encodeInvite() and parseInvite()", () => {
  const invite: Invite = {
    expiresMs: 1_800_000_000_000,
    relay: randomKey().publicKey,
    addresses: [
      "/ip4/127.0.0.1/tcp/7070/p2p/12D3KooWHAvwTKwhL12X2vcZD3C2SU6tuzREZrup5MW2gCdsv9Wz",
      "/dns4/relay.example/tcp/443/ws",
    ],
    inbox: mailboxId(crypto.random.bytes(32)),
    secret: crypto.random.bytes(16),
    bundle: bundleHash(crypto, [Uint8Array.of(1)]),
  };
  const uri = encodeInvite(crypto, invite);

  test("bring back the invitation, whatever spaces and case of the scheme", () => {
    expect(parseInvite(crypto, uri)).toEqual(invite);
    expect(parseInvite(crypto, `  ${uri.replace("dchat:", "DCHAT:")}\n`)).toEqual(invite);
  });

  test("refuse every truncation and every changed character", () => {
    const refused = (text: string) => {
      try {
        parseInvite(crypto, text);
        return false;
      } catch (error) {
        return isFault(error, "conversation/invite");
      }
    };
    for (let length = 0; length < uri.length; length++) expect(refused(uri.slice(0, length))).toBe(true);
    for (let at = 6; at < uri.length - 1; at++) {
      const bent = uri.slice(0, at) + (uri[at] === "A" ? "B" : "A") + uri.slice(at + 1);
      expect(refused(bent)).toBe(true);
    }
  });

  test("say what is wrong", () => {
    expect(() => parseInvite(crypto, "https://example.org")).toThrow(
      'must start with dchat:, got "https://exam"',
    );
    expect(() => parseInvite(crypto, "dchat:A*BC")).toThrow("characters that don't belong");
    expect(() => parseInvite(crypto, uri.slice(0, -8))).toThrow(
      "checksum doesn't hold; copy it again as a whole",
    );
    expect(() => parseInvite(crypto, `dchat:${"A".repeat(5000)}`)).toThrow("at most 4096 characters");
    const next = Uint8Array.fromBase64(uri.slice(6), { alphabet: "base64url" });
    next[0] = 2;
    const newer = `dchat:${next.toBase64({ alphabet: "base64url", omitPadding: true })}`;
    expect(() => parseInvite(crypto, newer)).toThrow("version 2, this program reads version 1");
  });
});

describe("inviteKeys()", () => {
  test("differ from one another and from secret to secret; what one seals the other can't open", () => {
    const [one, other] = [crypto.random.bytes(16), crypto.random.bytes(16)];
    const keys = [inviteKeys(crypto, one), inviteKeys(crypto, other)].flatMap(({ writerSeed, sealKey }) => [
      writerSeed.toHex(),
      sealKey.toHex(),
    ]);
    expect(new Set(keys).size).toBe(4);
    const at = { inbox: mailboxId(crypto.random.bytes(32)), id: randomId(), kind: "package" as const };
    const entry = sealForInbox(mls, one, { ...at, message: Uint8Array.of(7) });
    expect(openFromInbox(mls, one, { ...at, entry })).toEqual(Uint8Array.of(7));
    expect(openFromInbox(mls, other, { ...at, entry })).toBeNull();
  });
});
