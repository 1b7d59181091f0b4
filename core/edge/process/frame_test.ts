import { expect, test } from "bun:test";
import fc from "fast-check";
import { randomFrom } from "../../link/_pair.ts";
import { clock, handler, LIMITS, Log } from "../_kit.ts";
import { Admission } from "../admission.ts";
import {
  decodeArrived,
  decodeClose,
  decodeCount,
  decodeStream,
  encodeArrived,
  encodeClose,
  encodeCount,
  encodeStream,
  FrameCutter,
  HEADER_BYTES,
  KIND,
  writeHeader,
} from "./frame.ts";
import { EdgeProcess } from "./home.ts";
import { encodeJson } from "./order.ts";

interface Frame {
  readonly kind: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

function encoded({ kind, id, payload }: Frame): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  writeHeader(bytes, { kind, id, length: payload.length });
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** What a cutter makes of `pieces`, and whether nothing is left over. */
function cut(pieces: Iterable<Uint8Array>): { frames: Frame[]; idle: boolean } {
  const frames: Frame[] = [];
  const cutter = new FrameCutter({
    onFrame: (kind, id, payload) => void frames.push({ kind, id, payload: new Uint8Array(payload) }),
  });
  for (const piece of pieces) cutter.push(piece);
  return { frames, idle: cutter.idle };
}

const frame = fc.record({
  kind: fc.integer({ min: 0, max: 255 }),
  id: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 5000, maxLength: 9000 })),
});

test("FrameCutter gives back what was written, in whatever pieces it comes", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.integer({ min: 1, max: 12_000 }), (frames, step) => {
      const bytes = Buffer.concat(frames.map(encoded));
      const pieces = Array.from({ length: Math.ceil(bytes.length / step) }, (_, at) =>
        bytes.subarray(at * step, (at + 1) * step),
      );
      expect(cut(pieces)).toEqual({ frames, idle: true });
    }),
    { numRuns: 300 },
  );
});

test("FrameCutter keeps every truncation, and gives nothing of it", () => {
  const whole = encoded({ kind: KIND.data, id: 2 ** 40 + 7, payload: new Uint8Array(300).fill(9) });
  for (let length = 0; length < whole.length; length++) {
    const { frames, idle } = cut([whole.subarray(0, length)]);
    expect([frames.length, idle]).toEqual([0, length === 0]);
    expect(cut([whole.subarray(0, length), whole.subarray(length)]).frames).toHaveLength(1);
  }
});

test("FrameCutter reserves for what came, not for what was announced", () => {
  const header = new Uint8Array(HEADER_BYTES);
  writeHeader(header, { kind: KIND.data, id: 1, length: 16 * 1024 * 1024 - 1 });
  const before = process.memoryUsage().arrayBuffers;
  const cutters = Array.from({ length: 100 }, () => new FrameCutter({ onFrame: () => undefined }));
  for (const cutter of cutters) cutter.push(header);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
  expect(cutters.every(({ idle }) => !idle)).toBe(true);
});

test("payloads come back as they were, and no truncation of a fixed part is read", () => {
  const arrived = { port: 65_535, address: "2001:db8::1" };
  expect(decodeArrived(encodeArrived(arrived))).toEqual(arrived);
  const stream = { connection: 2 ** 48 - 1, protocol: "/dchat/mailbox/1" };
  expect(decodeStream(encodeStream(stream))).toEqual(stream);
  const close = { hard: true, reason: "slow reader" };
  expect(decodeClose(encodeClose(close))).toEqual(close);
  expect(decodeCount(encodeCount(2 ** 32 - 1))).toBe(2 ** 32 - 1);
  const short = (decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array, fixed: number): void => {
    for (let length = 0; length < fixed; length++) {
      expect(() => decode(bytes.subarray(0, length))).toThrow("ends");
    }
  };
  short(decodeArrived, encodeArrived(arrived), 2);
  short(decodeStream, encodeStream(stream), 8);
  short(decodeClose, encodeClose(close), 1);
  short(decodeCount, encodeCount(7), 4);
  expect(() => decodeCount(new Uint8Array(5))).toThrow("left over");
});

/** A relay's end without a pipe: what it would send goes nowhere. */
function openHome() {
  const log = new Log();
  const admission = new Admission();
  let open = 0;
  const counting = handler({ onOpen: () => void open++, onClose: () => void open-- });
  const home = new EdgeProcess({
    admission,
    clock,
    events: log,
    protocols: (protocol) => (protocol === "/x" ? counting : null),
    nextId: () => 1,
    limits: () => ({ ...LIMITS, connectionsMax: 50, connectionsPerPeerMax: 5 }),
    askMs: 60_000,
    used: () => undefined,
    start: () => {
      throw new Error("nobody starts here");
    },
  });
  return { home, log, admission, streams: () => open };
}

const seeds = process.env["DCHAT_TEST_LONG"] === "1" ? 100_000 : 300;

test("EdgeProcess takes frames in any order with any content, and leaves the ledger even", () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = randomFrom(seed);
    const below = (end: number): number => Math.floor(random() * end);
    const { home, log, admission, streams } = openHome();
    const kinds = Object.values(KIND).filter((kind) => kind !== KIND.report);
    const payloads = [
      () => encodeArrived({ port: below(65_536), address: `10.0.0.${below(4)}` }),
      () => encodeStream({ connection: below(8), protocol: below(2) === 0 ? "/x" : "/y" }),
      () => encodeCount(below(1000)),
      () => Uint8Array.from({ length: below(40) }, () => below(256)),
    ];
    for (let step = 0; step < 200; step++) {
      const kind = kinds[below(kinds.length)] ?? 0;
      const payload = payloads[below(payloads.length)]?.() ?? new Uint8Array(0);
      try {
        home.onFrame(kind, below(8), payload);
      } catch (error) {
        // What can't be ends the pipe: it is a Fault, and nothing else.
        expect(error, `seed ${seed}`).toMatchObject({ code: expect.stringMatching(/^(wire|edge)\//) });
      }
    }
    home.onGone("over");
    expect([home.connections, streams(), admission.peers], `seed ${seed}`).toEqual([0, 0, 0]);
    expect(log.connections.length, `seed ${seed}`).toBe(log.reasons.length);
    const fullness = {
      limits: { ...LIMITS, connectionsMax: 1, acceptsPerSecondMax: 0 },
      handshakes: null,
      now: 0,
    };
    expect(typeof admission.admit("10.0.0.1", fullness), `seed ${seed}`).toBe("object");
  }
});

test("EdgeProcess tells how often something happened in one go, however often it was", () => {
  const { home, log } = openHome();
  const told: unknown[] = [];
  log.limited = (...all) => void told.push(all);
  log.failed = (...all) => void told.push(all);
  const tally = {
    received: 0,
    sent: 0,
    failed: { "connection closed": 1e6 },
    limited: { STREAMS_MAX: { times: 1e6, address: "192.0.2.1" } },
  };
  home.onFrame(KIND.report, 0, encodeJson({ is: "tally", tally }));
  expect(told).toEqual([
    ["connection closed", 1e6],
    ["STREAMS_MAX", "192.0.2.1", 1e6],
  ]);
});
