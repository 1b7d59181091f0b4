/**
 * The mailbox protocol's decoders under damaged input: valid frames with bytes flipped, cut, doubled and spliced, in
 * streams cut anywhere. DCHAT_TEST_LONG=1 tries a million of each; DCHAT_TEST_SEED=n tries another sequence, and a
 * failure names the seed and the case.
 */
import { describe, expect, test } from "bun:test";
import { openCrypto } from "@dchat/crypto-wasm";
import * as fc from "fast-check";
import { commandBody, reply, streamControl } from "../../test/harness/arbitrary.ts";
import { isFault, mailboxId, nonce, publicKey } from "../ground/mod.ts";
import { decodeCommand, decodeStreamControl, encodeStreamControl, isStreamControl } from "./command_codec.ts";
import { FrameReader } from "./frame.ts";
import { decodeReply, encodeReply } from "./reply_codec.ts";
import { encodeCommand, signCommand } from "./sign.ts";
import { mailboxIdOf } from "./statement.ts";

const CASES = process.env["DCHAT_TEST_LONG"] === "1" ? 1_000_000 : 6_000;
const SEED = Number(process.env["DCHAT_TEST_SEED"] ?? 1);
const crypto = await openCrypto({ needs: [] });
const relay = publicKey(new Uint8Array(32).fill(7));
const context = { relay, nonce: nonce(new Uint8Array(32)), digest: crypto.hash };
const key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(3));

const commands = fc.sample(commandBody(relay), { numRuns: 150, seed: 1 }).map((body) =>
  signCommand(
    {
      body,
      mailbox: body.op === "create" ? mailboxIdOf(body.record, crypto.hash) : mailboxId(new Uint8Array(32)),
      generation: 1,
      notAfterMs: 1,
      relay,
      nonce: context.nonce,
      key,
      request: 1,
    },
    crypto,
  ),
);
const controls = fc.sample(streamControl, { numRuns: 20, seed: 1 }).map(encodeStreamControl);
const replies = fc.sample(reply, { numRuns: 150, seed: 1 }).map((value) => encodeReply(value, 1));

/** xorshift32: fast, seeded, good enough to choose where to break things. */
function chance(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function oneOf(frames: readonly Uint8Array[], pick: (below: number) => number): Uint8Array {
  return frames[pick(frames.length)] ?? new Uint8Array(0);
}

/** A damaged copy: a few times one of flip, set, cut, double, or splice with another frame. */
function damaged(frames: readonly Uint8Array[], pick: (below: number) => number): Uint8Array {
  let bytes = new Uint8Array(oneOf(frames, pick));
  for (let times = pick(4); times >= 0 && bytes.length > 0; times -= 1) {
    const at = pick(bytes.length);
    const way = pick(6);
    if (way === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8));
    else if (way === 1) bytes[at] = [0, 1, 0x7f, 0x80, 0xff][pick(5)] ?? 0;
    else if (way === 2) bytes = bytes.slice(0, at);
    else if (way === 3) bytes = new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at >> 1)]);
    else if (way === 4) bytes.fill(pick(256), at, at + pick(16));
    else bytes = new Uint8Array([...bytes.subarray(0, at), ...oneOf(frames, pick).subarray(at)]);
  }
  // Most of the time the header is made true again, so that the payload's decoder is reached.
  if (bytes.length >= 8 && pick(4) !== 0) {
    new DataView(bytes.buffer).setUint32(0, ((bytes.length - 8) << 8) | (bytes[3] ?? 0));
  }
  return bytes;
}

interface Frame {
  readonly kind: number;
  readonly request: number;
  readonly payload: Uint8Array;
}

/** Feeds `bytes` in pieces; what isn't wire/malformed is a failure. True where something was decoded. */
function feed(bytes: Uint8Array, pick: (below: number) => number, decode: (frame: Frame) => void): boolean {
  let decoded = false;
  const reader = new FrameReader({
    onFrame(kind, request, payload) {
      try {
        decode({ kind, request, payload });
        decoded = true;
      } catch (error) {
        if (!isFault(error, "wire/malformed")) throw error;
      }
    },
  });
  try {
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + 1 + pick(bytes.length));
      reader.push(bytes.subarray(at, end));
      at = end;
    }
  } catch (error) {
    if (!isFault(error, "wire/malformed")) throw error;
  }
  return decoded;
}

function fuzz(frames: readonly Uint8Array[], decode: (frame: Frame) => void): number {
  const pick = chance(SEED);
  let decoded = 0;
  for (let number = 0; number < CASES; number += 1) {
    try {
      if (feed(damaged(frames, pick), pick, decode)) decoded += 1;
    } catch (error) {
      throw new Error(`case ${number} of DCHAT_TEST_SEED=${SEED}`, { cause: error });
    }
  }
  return decoded;
}

/** Compared by hand: a matcher for each of a million cases would be most of the time. */
function same(encoded: Uint8Array, payload: Uint8Array): void {
  if (Buffer.compare(encoded.subarray(8), payload) !== 0) throw new Error("it encodes to other bytes");
}

describe("damaged streams", () => {
  test("of commands give commands that encode to the same bytes, or wire/malformed", () => {
    const decoded = fuzz([...commands, ...controls], (frame) => {
      if (isStreamControl(frame.kind)) same(encodeStreamControl(decodeStreamControl(frame)), frame.payload);
      else same(encodeCommand(decodeCommand(frame, context), frame.request), frame.payload);
    });
    expect(decoded).toBeGreaterThan(CASES / 50);
  });

  test("of replies give replies that encode to the same bytes, or wire/malformed", () => {
    const decoded = fuzz(replies, (frame) => {
      same(encodeReply(decodeReply(frame), frame.request), frame.payload);
    });
    expect(decoded).toBeGreaterThan(CASES / 50);
  });
});
