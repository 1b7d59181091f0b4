import { describe, expect, test } from "bun:test";
import { openCrypto } from "@dchat/crypto-wasm";
import * as fc from "fast-check";
import { commandBody, streamControl } from "../../test/harness/arbitrary.ts";
import { isFault, limit, mailboxId, nonce, publicKey } from "../ground/mod.ts";
import type { Command, CommandBody } from "./command.ts";
import {
  AUTHORITY_BYTES,
  decodeCommand,
  decodeStreamControl,
  encodeStreamControl,
  isStreamControl,
} from "./command_codec.ts";
import { COMMAND_KIND, CONTROL_KIND } from "./constant.ts";
import { FrameReader, setRequest } from "./frame.ts";
import { encodeCommand, signCommand } from "./sign.ts";
import { mailboxIdOf, needsNonce, STATEMENT_BYTES } from "./statement.ts";

const crypto = await openCrypto({ needs: [] });
const relay = publicKey(new Uint8Array(32).fill(7));
const streamNonce = nonce(new Uint8Array(32).fill(9));
const context = { relay, nonce: streamNonce, digest: crypto.hash };
const key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(3));
const body = commandBody(relay);

interface Frame {
  readonly kind: number;
  readonly request: number;
  readonly payload: Uint8Array;
}

function frames(bytes: Uint8Array): Frame[] {
  const all: Frame[] = [];
  const sink = {
    onFrame: (kind: number, request: number, payload: Uint8Array) => all.push({ kind, request, payload }),
  };
  new FrameReader(sink).push(bytes);
  return all;
}

function sign(command: CommandBody, generation = 1): Uint8Array {
  const mailbox =
    command.op === "create"
      ? mailboxIdOf(command.record, crypto.hash)
      : mailboxId(new Uint8Array(32).fill(5));
  const notAfterMs = 1_900_000_000_000;
  const options = {
    body: command,
    mailbox,
    generation,
    notAfterMs,
    relay,
    nonce: streamNonce,
    key,
    request: 77,
  };
  return signCommand(options, crypto);
}

function frameOf(command: CommandBody): Frame {
  const [frame] = frames(sign(command));
  if (frame === undefined) throw new Error("a signed command is one frame");
  return frame;
}

const verifies = (command: Command): boolean =>
  crypto.ed25519.verify(command.authority.key, command.statement, command.authority.signature);

/** One of each op, the smallest that chance gave, so that every truncation is cheap. */
const oneOfEach = new Map<string, CommandBody>();
for (const each of fc.sample(body, { numRuns: 400, seed: 1 })) {
  const size = (one: CommandBody | undefined): number => (one === undefined ? Infinity : sign(one).length);
  if (size(each) < size(oneOfEach.get(each.op))) oneOfEach.set(each.op, each);
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

describe("decodeCommand()", () => {
  test("is tried with every op", () => {
    expect([...oneOfEach.keys()].sort()).toEqual(Object.keys(COMMAND_KIND).sort());
  });

  test("gives back what was signed, with a statement that verifies, and encodes to the same bytes", () => {
    fc.assert(
      fc.property(body, (command) => {
        const frame = sign(command);
        const [only, ...more] = frames(frame);
        expect(more).toEqual([]);
        if (only === undefined) throw new Error("no frame");
        expect(only.request).toBe(77);
        const decoded = decodeCommand(only, context);
        expect(decoded.body).toEqual(command);
        expect(decoded.statement).toHaveLength(STATEMENT_BYTES);
        expect(decoded.entryHash === null).toBe(command.op !== "append");
        expect(verifies(decoded)).toBe(true);
        expect(encodeCommand(decoded, 77)).toEqual(frame);
      }),
      { numRuns: 300 },
    );
  });

  test("gives no authentic command for another relay, nor for another stream where the op signs the nonce", () => {
    for (const [op, command] of oneOfEach) {
      const frame = frameOf(command);
      const other = nonce(new Uint8Array(32).fill(1));
      expect(verifies(decodeCommand(frame, { ...context, nonce: other }))).toBe(!needsNonce(command.op));
      const elsewhere = { ...context, relay: publicKey(new Uint8Array(32)) };
      if (op === "create") expect(malformed(() => decodeCommand(frame, elsewhere))).toBe(true);
      else expect(verifies(decodeCommand(frame, elsewhere))).toBe(false);
    }
  });

  test("gives no authentic command when any byte before the key, or of signature or body, is another", () => {
    for (const command of oneOfEach.values()) {
      const frame = frameOf(command);
      for (let at = 0; at < frame.payload.length; at += 1) {
        const payload = frame.payload.slice();
        payload[at] = (payload[at] ?? 0) ^ 1;
        const ok = !malformed(() => {
          if (verifies(decodeCommand({ ...frame, payload }, context))) throw new Error(`byte ${at}`);
        });
        // Entries are long and all their bytes alike to the hash: a few of them do.
        if (ok && at > AUTHORITY_BYTES + 64) at += 61;
      }
    }
  });

  test("refuses every truncation and every trailing byte of every op", () => {
    for (const command of oneOfEach.values()) {
      const { kind, payload } = frameOf(command);
      for (let length = 0; length < payload.length; length += 1) {
        expect(malformed(() => decodeCommand({ kind, payload: payload.slice(0, length) }, context))).toBe(
          true,
        );
      }
      const longer = new Uint8Array(payload.length + 1);
      longer.set(payload);
      expect(malformed(() => decodeCommand({ kind, payload: longer }, context))).toBe(true);
    }
  });

  test("answers random bytes of every kind with a command or wire/malformed, nothing else", () => {
    const kind = fc.constantFrom(...Object.values(COMMAND_KIND), 0, 0x0c, 0x40, 0xff);
    fc.assert(
      fc.property(kind, fc.uint8Array({ maxLength: 400 }), (number, payload) => {
        malformed(() => decodeCommand({ kind: number, payload: new Uint8Array(payload) }, context));
      }),
      { numRuns: 2000 },
    );
  });

  test("refuses generation 0, numbers over 2^53 - 1, a key that stands twice, a slot without a package", () => {
    const append = oneOfEach.get("append");
    const read = oneOfEach.get("read");
    if (append?.op !== "append" || read === undefined) throw new Error("no such op");
    const generation = frameOf(read);
    generation.payload.fill(0, 32, 36);
    expect(malformed(() => decodeCommand(generation, context))).toBe(true);
    const huge = frameOf(read);
    huge.payload.fill(0xff, AUTHORITY_BYTES, AUTHORITY_BYTES + 8);
    expect(malformed(() => decodeCommand(huge, context))).toBe(true);
    const plain = { ...append, kind: "plain" as const, slot: 0, change: null };
    const twice = { writer: relay, added: [relay], removed: [relay] };
    expect(
      malformed(() => decodeCommand(frameOf({ ...plain, kind: "control", change: twice }), context)),
    ).toBe(true);
    expect(malformed(() => decodeCommand(frameOf({ ...plain, slot: 1 }), context))).toBe(true);
    expect(malformed(() => decodeCommand(frameOf(plain), context))).toBe(false);
  });

  test("refuses a mailbox id that isn't the record's hash", () => {
    const create = oneOfEach.get("create");
    if (create === undefined) throw new Error("no create");
    const frame = frameOf(create);
    frame.payload[0] = (frame.payload[0] ?? 0) ^ 1;
    expect(malformed(() => decodeCommand(frame, context))).toBe(true);
  });

  test("takes the largest of each: entry with all its reader changes, and a full house of readers", () => {
    const many = (count: number, from: number) =>
      Array.from({ length: count }, (_, at) => {
        const bytes = new Uint8Array(32);
        new DataView(bytes.buffer).setUint32(0, from + at);
        return publicKey(bytes);
      });
    const append = oneOfEach.get("append");
    const create = oneOfEach.get("create");
    if (append?.op !== "append" || create?.op !== "create") throw new Error("no such op");
    const change = {
      writer: relay,
      added: many(limit.CONTROL_READERS_MAX - 28, 0),
      removed: many(28, 1000),
    };
    const largest: CommandBody = {
      ...append,
      kind: "control",
      slot: 0,
      change,
      entry: new Uint8Array(limit.ENTRY_BYTES_MAX),
    };
    expect(decodeCommand(frameOf(largest), context).body).toEqual(largest);
    const more = { ...change, removed: many(29, 1000) };
    const over: CommandBody = { ...largest, change: more, entry: new Uint8Array(1024) };
    expect(malformed(() => decodeCommand(frameOf(over), context))).toBe(true);
    const house: CommandBody = { ...create, readers: many(limit.MAILBOX_READERS_MAX, 0) };
    expect(decodeCommand(frameOf(house), context).body).toEqual(house);
  });
});

describe("setRequest()", () => {
  test("changes the request id alone: a kept frame goes out on any stream", () => {
    const append = oneOfEach.get("append");
    if (append === undefined) throw new Error("no append");
    const frame = sign(append);
    setRequest(frame, 0xdead_beef);
    const [first] = frames(frame);
    expect(first?.request).toBe(0xdead_beef);
    expect(first !== undefined && verifies(decodeCommand(first, context))).toBe(true);
  });
});

describe("decodeStreamControl()", () => {
  test("gives back what was encoded, and refuses every truncation, a trailing byte, and other kinds", () => {
    fc.assert(
      fc.property(streamControl, (control) => {
        const [frame] = frames(encodeStreamControl(control));
        if (frame === undefined) throw new Error("no frame");
        expect(isStreamControl(frame.kind)).toBe(true);
        expect(decodeStreamControl(frame)).toEqual(control);
        for (const length of [0, 1, 2, 3, 5]) {
          const payload = new Uint8Array(length);
          expect(malformed(() => decodeStreamControl({ kind: frame.kind, payload }))).toBe(true);
        }
      }),
    );
    expect(malformed(() => decodeStreamControl({ kind: 0x42, payload: new Uint8Array(4) }))).toBe(true);
    expect(Object.values(COMMAND_KIND).some(isStreamControl)).toBe(false);
    expect(Object.values(CONTROL_KIND).every(isStreamControl)).toBe(true);
  });
});
