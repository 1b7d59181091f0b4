import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { isFault, limit } from "../ground/mod.ts";
import { encodeFrame, FrameReader } from "./frame.ts";

interface Frame {
  readonly kind: number;
  readonly request: number;
  readonly payload: Uint8Array;
}

function collect() {
  const all: Frame[] = [];
  const reader = new FrameReader({
    onFrame: (kind, request, payload) => all.push({ kind, request, payload }),
  });
  return { all, reader };
}

const frame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.nat(255),
  request: fc.integer({ min: 0, max: 0xffff_ffff }),
  payload: fc
    .oneof(fc.nat(40), fc.nat(9000), fc.constant(limit.FRAME_BYTES_MAX - limit.FRAME_HEADER_BYTES))
    .map((length) => new Uint8Array(length).fill(length % 251)),
});

const encode = (each: Frame): Uint8Array =>
  encodeFrame({ kind: each.kind, request: each.request }, (writer) => writer.put(each.payload));

describe("FrameReader", () => {
  test("finds the same frames however the stream is cut, in buffers that aren't the input's", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(5000)), (frames, cuts) => {
        const stream = Buffer.concat(frames.map(encode));
        const { all, reader } = collect();
        let at = 0;
        for (const cut of [...cuts, stream.length]) {
          // A Buffer, as Bun's sockets give them: its slice() is a view.
          const piece = Buffer.from(stream.subarray(at, at + cut));
          reader.push(piece);
          piece.fill(0xee);
          at += cut;
        }
        expect(all).toEqual(frames);
        expect(reader.idle).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("finds them byte by byte, and isn't idle within one", () => {
    const frames = [
      { kind: 1, request: 2, payload: new Uint8Array(0) },
      { kind: 255, request: 0xffff_ffff, payload: new Uint8Array([1, 2, 3]) },
    ];
    const stream = Buffer.concat(frames.map(encode));
    const { all, reader } = collect();
    for (let at = 0; at < stream.length; at += 1) {
      reader.push(stream.subarray(at, at + 1));
      expect(reader.idle).toBe(at === 7 || at === stream.length - 1);
    }
    expect(all).toEqual(frames);
  });

  test("cuts nothing more once it is stopped, of what came with the last frame neither", () => {
    let taken = 0;
    const reader = new FrameReader({
      onFrame: () => {
        taken += 1;
        if (taken === 3) reader.stop();
      },
    });
    const one = encode({ kind: 1, request: 2, payload: new Uint8Array(0) });
    reader.push(Buffer.concat(Array.from({ length: 9 }, () => one)));
    reader.push(one);
    expect(taken).toBe(3);
  });

  test("refuses a frame that is one byte too large from its header alone", () => {
    const header = new Uint8Array(8);
    new DataView(header.buffer).setUint32(0, (limit.FRAME_BYTES_MAX - 8 + 1) << 8);
    let thrown: unknown;
    try {
      collect().reader.push(header);
    } catch (error) {
      thrown = error;
    }
    expect(isFault(thrown, "wire/malformed")).toBe(true);
  });

  test("goes on behind a frame whose sink threw", () => {
    let frames = 0;
    const reader = new FrameReader({
      onFrame() {
        frames += 1;
        if (frames === 1) throw new Error("the sink's own");
      },
    });
    const one = encodeFrame({ kind: 1, request: 1 }, (writer) => writer.u8(1));
    expect(() => reader.push(one)).toThrow("the sink's own");
    reader.push(one);
    expect(frames).toBe(2);
  });
});
