import { describe, expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import {
  type Pair,
  Recorder,
  type Side,
  deliver,
  frame,
  inject,
  openPair,
  pattern,
  pullAll,
} from "./_pair.ts";
import type { LinkLimits } from "./muxer.ts";
import type { LinkStream } from "./stream.ts";
import { FLAG, TYPE } from "./yamux.ts";

const WINDOW = limit.YAMUX_WINDOW_BYTES;
const OPENS_BURST = (limit.STREAM_OPENS_PER_SECOND_DEFAULT * limit.RATE_BURST_MS) / 1000;

interface Opened {
  readonly pair: Pair;
  readonly near: Recorder;
  readonly far: Recorder;
  readonly stream: LinkStream<Side>;
  readonly farStream: LinkStream<Side>;
}

/** A pair with one stream that the dialler has opened; the listener's end is `far`. */
function openStream(limits: Partial<LinkLimits> = {}): Opened {
  const far = new Recorder();
  const pair = openPair({ limits, protocols: (name) => (name === "/test/1" ? far : null) });
  const near = new Recorder();
  const stream = pair.dialler.link.open<unknown>("/test/1", near, null);
  pair.run();
  const farStream = far.streams[0];
  if (farStream === undefined) throw new Error("no stream came");
  return { pair, near, far, stream, farStream };
}

describe("LinkStream", () => {
  test("write() takes a window's bytes and no more; consume() by the peer reopens it", () => {
    const { pair, near, far, stream, farStream } = openStream();
    far.consuming = false;
    let written = 0;
    const bytes = pattern(2 * WINDOW);
    const writeOn = (): void => {
      while (written < bytes.length) {
        const taken = stream.write(bytes.subarray(written));
        written += taken;
        if (taken === 0) return;
      }
    };
    near.onDrainDo = writeOn;
    writeOn();
    pair.run();
    const proposal = "\u0013/multistream/1.0.0\n\u0008/test/1\n".length;
    expect([written, far.received.length]).toEqual([WINDOW - proposal, WINDOW - proposal]);
    expect(stream.writable).toBe(0);
    farStream.consume(WINDOW / 2);
    pair.run();
    expect(far.received.length).toBeGreaterThanOrEqual(WINDOW + WINDOW / 2 - 2 * proposal);
    for (let left = far.received.length - WINDOW / 2; left > 0;) {
      farStream.consume(left);
      const before = far.received.length;
      pair.run();
      left = far.received.length - before;
    }
    expect(far.received.equals(Buffer.from(bytes))).toBe(true);
  });

  test("a window above yamux's own is granted on both sides' streams, used whole and reopened", () => {
    const { pair, far, stream, farStream } = openStream({
      streamWindowBytes: 4 * WINDOW,
      outputBytesMax: 8 * WINDOW,
    });
    far.consuming = false;
    const proposal = "\u0013/multistream/1.0.0\n\u0008/test/1\n".length;
    expect([stream.writable, farStream.writable]).toEqual([4 * WINDOW - proposal, 4 * WINDOW - proposal]);
    expect(stream.write(pattern(5 * WINDOW))).toBe(4 * WINDOW - proposal);
    pair.run();
    expect([far.received.length, stream.writable]).toEqual([4 * WINDOW - proposal, 0]);
    farStream.consume(far.received.length);
    pair.run();
    expect(stream.writable).toBe(4 * WINDOW);
    expect([pair.listener.closed, ...pair.listener.limited, ...pair.listener.errors]).toEqual([null]);
  });

  test("consume() of more than came is a mistake that shows", () => {
    const { farStream } = openStream();
    expect(() => farStream.consume(WINDOW)).toThrow("no more than came");
  });

  test("end() comes after every byte that write() took, with the window full", () => {
    const { pair, far, stream, farStream } = openStream();
    far.consuming = false;
    const bytes = pattern(WINDOW);
    const taken = stream.write(bytes);
    stream.end();
    expect(stream.write(bytes)).toBe(0);
    pair.run((flight) => [flight.subarray(0, 5), flight.subarray(5)]);
    expect(far.events).toEqual(["open", "data", "end"]);
    expect(far.received.length).toBe(taken);
    farStream.write(pattern(10));
    farStream.end();
    pair.run();
    expect(far.events.at(-1)).toBe("close: ended");
    expect([pair.listener.link.streams, pair.dialler.link.streams]).toEqual([0, 0]);
  });

  test("half-closes: the other direction goes on for as long as it likes", () => {
    const { pair, near, far, stream, farStream } = openStream();
    stream.end();
    pair.run();
    expect(far.events).toEqual(["open", "end"]);
    for (let round = 0; round < 5; round++) {
      farStream.write(pattern(1000, round));
      pair.run();
    }
    expect(near.received.length).toBe(5000);
    expect(near.events).toEqual(["open", "data"]);
    farStream.end();
    pair.run();
    expect(near.events.slice(-2)).toEqual(["end", "close: ended"]);
  });

  test("reset() ends both sides at once, and bytes still on their way are skipped", () => {
    const { pair, near, far, stream, farStream } = openStream();
    farStream.write(pattern(5000));
    stream.reset();
    pair.run();
    expect(near.events).toEqual(["open", "close: reset here"]);
    expect(far.events).toEqual(["open", "close: reset by the peer"]);
    expect([pair.listener.closed, pair.dialler.closed]).toEqual([null, null]);
    expect(stream.write(pattern(1))).toBe(0);
  });

  test("a refused protocol closes the stream with that reason, what was written before it included", () => {
    const pair = openPair();
    const recorder = new Recorder();
    pair.dialler.link.open("/nobody/1", recorder, null).write(pattern(2000));
    pair.run();
    expect(recorder.events).toEqual(["close: protocol refused"]);
    expect(pair.listener.link.streams).toBe(0);
    expect(pair.listener.closed).toBeNull();
  });

  test("onDrain comes when the output mark was the limit, after a pull", () => {
    const { pair, near, stream } = openStream();
    const others = Array.from({ length: 3 }, () => pair.dialler.link.open("/test/1", new Recorder(), null));
    let filled = 0;
    for (const other of others) filled += other.write(pattern(WINDOW));
    expect(filled).toBeLessThanOrEqual(limit.LINK_OUTPUT_MARK_BYTES);
    expect(pair.dialler.limited).toEqual(["LINK_OUTPUT_MARK_BYTES"]);
    expect(stream.write(pattern(10))).toBe(0);
    let drained = 0;
    near.onDrainDo = (which) => {
      drained++;
      expect(which.writable).toBeGreaterThan(0);
    };
    pair.run();
    expect(drained).toBe(1);
  });

  test("a write that fills the output counts its frames' headers and stays below the mark", () => {
    for (const size of [WINDOW, 16_383, 16_373, 16_372, 100, 1]) {
      const { pair, stream } = openStream();
      const other = pair.dialler.link.open<unknown>("/test/1", new Recorder(), null);
      pair.run();
      const { queue } = pair.dialler.link;
      for (const each of [stream, other]) {
        for (let taken = 1; taken > 0;) {
          const { writable } = each;
          taken = each.write(pattern(size));
          expect(taken).toBe(Math.min(size, writable));
        }
      }
      expect(queue.length).toBeLessThanOrEqual(limit.LINK_OUTPUT_MARK_BYTES);
      expect(queue.length).toBeGreaterThanOrEqual(limit.LINK_OUTPUT_MARK_BYTES - 12);
    }
  });

  test("streams that wait for room have it in turn", () => {
    const water = new Uint8Array(16 * 1024);
    const { pair, far } = openStream();
    const got: number[] = [];
    far.onData = (stream, bytes) => {
      got[stream.id] = (got[stream.id] ?? 0) + bytes.length;
      stream.consume(bytes.length);
    };
    const pouring = new Recorder();
    pouring.onOpen = pouring.onDrain = (stream) => {
      while (stream.write(water) > 0) continue;
    };
    for (let at = 0; at < 4; at++) pair.dialler.link.open<unknown>("/test/1", pouring, null);
    const into = new Uint8Array(66 * 1024);
    for (let round = 0; round < 400; round++) {
      deliver(pair.dialler.link, pullAll(pair.listener.link), 0);
      deliver(pair.listener.link, into.slice(0, pair.dialler.link.pull(into)), 0);
    }
    const each = got.filter((bytes) => bytes > 0);
    expect(each.length).toBe(4);
    expect(Math.min(...each)).toBeGreaterThan(Math.max(...each) / 2);
  });

  test("a closed connection tells each stream once, and its own error stays its own", () => {
    const { pair, near, stream } = openStream();
    pair.dialler.link.abort("gone");
    pair.dialler.link.abort("again");
    stream.end();
    stream.reset();
    expect(near.events).toEqual(["open", "close: gone"]);
    expect(() => pair.dialler.link.open("/test/1", near, null)).toThrow("not open");
  });
});

/** A frame that breaks the protocol, and what the victim says then. */
const VIOLATIONS: readonly [string, Uint8Array, string][] = [
  ["another version", Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0), "yamux: another version"],
  ["an unknown type", frame(4, 0, 1, 0), "yamux: unknown frame type"],
  ["data on stream 0", frame(TYPE.data, 0, 0, 0), "yamux: stream 0"],
  [
    "a frame longer than the limit",
    frame(TYPE.data, 0, 1, limit.STREAM_FRAME_BYTES_MAX_DEFAULT + 1),
    "yamux: frame too long",
  ],
  ["a stream id of the wrong side", frame(TYPE.data, FLAG.syn, 2, 0), "yamux: stream id"],
  ["a stream that is there already", frame(TYPE.data, FLAG.syn, 1, 0), "yamux: stream id"],
  ["a window beyond 32 bits", frame(TYPE.windowUpdate, 0, 1, 0xffff_ffff), "yamux: window too wide"],
  ["more than the window", frame(TYPE.data, 0, 1, WINDOW), "yamux: window overrun"],
  ["GoAway with an error", frame(TYPE.goAway, 0, 0, 1), "peer went away with an error"],
];

describe("Muxer", () => {
  for (const [name, bytes, reason] of VIOLATIONS) {
    test(`closes on ${name}, says GoAway and leaves no stream`, () => {
      const { pair, far } = openStream();
      inject(pair, pair.dialler, bytes);
      expect(pair.listener.closed).toBe(reason);
      expect(far.events.at(-1)).toBe(`close: ${reason}`);
      expect(pair.listener.link.queue.length).toBeGreaterThanOrEqual(12);
    });
  }

  test("holds a peer to the window over many frames", () => {
    const { pair, far } = openStream();
    far.consuming = false;
    const body = pattern(16_384);
    for (let sent = 0; sent + body.length < WINDOW; sent += body.length) {
      inject(pair, pair.dialler, frame(TYPE.data, 0, 1, body.length, body));
    }
    expect(pair.listener.closed).toBeNull();
    inject(pair, pair.dialler, frame(TYPE.data, 0, 1, body.length, body));
    expect(pair.listener.closed).toBe("yamux: window overrun");
    expect(pair.listener.limited).toEqual(["STREAM_WINDOW_BYTES"]);
    expect(far.received.length).toBeLessThan(WINDOW);
  });

  test("takes frames of length 0 and of the maximum, cut anywhere", () => {
    const { pair, far } = openStream();
    inject(pair, pair.dialler, frame(TYPE.data, 0, 1, 0));
    inject(pair, pair.dialler, frame(TYPE.windowUpdate, 0, 1, 0));
    const body = pattern(WINDOW - 100);
    const whole = frame(TYPE.data, 0, 1, body.length, body);
    for (let at = 0; at < whole.length;) {
      const length = at < 20 ? 1 : 30_001;
      inject(pair, pair.dialler, whole.subarray(at, at + length));
      at += length;
    }
    expect(far.received.equals(Buffer.from(body))).toBe(true);
    inject(pair, pair.dialler, frame(TYPE.data, FLAG.fin, 1, 0));
    expect(far.events).toEqual(["open", "data", "end"]);
    expect(pair.listener.closed).toBeNull();
  });

  test("refuses the stream after the last, and says which limit", () => {
    const far = new Recorder();
    const pair = openPair({ protocols: () => far, limits: { streamsMax: 3 } });
    for (const id of [1, 3, 5, 7]) inject(pair, pair.dialler, frame(TYPE.windowUpdate, FLAG.syn, id, 0));
    expect(pair.listener.link.streams).toBe(3);
    expect(pair.listener.limited).toEqual(["STREAMS_MAX"]);
    expect(pair.listener.closed).toBeNull();
  });

  test("refuses every stream while memory is full, and leaves those that are there", () => {
    const far = new Recorder();
    let hasMemory = true;
    const pair = openPair({ protocols: () => far, hasMemory: () => hasMemory });
    inject(pair, pair.dialler, frame(TYPE.windowUpdate, FLAG.syn, 1, 0));
    hasMemory = false;
    inject(pair, pair.dialler, frame(TYPE.windowUpdate, FLAG.syn, 3, 0));
    expect(pair.listener.link.streams).toBe(1);
    expect(pair.listener.limited).toEqual(["MEMORY_BYTES_MAX"]);
    expect(pair.listener.closed).toBeNull();
  });

  test("holds a peer to the frame's length and the rate of opens that it is told", () => {
    const limits = { streamFrameBytesMax: 65_536, streamOpensPerSecond: 1, streamsMax: 2 };
    const slow = openPair({ protocols: () => new Recorder(), limits });
    for (const id of [1, 3, 5]) {
      const opened = frame(TYPE.windowUpdate, FLAG.syn, id, 0);
      inject(slow, slow.dialler, Buffer.concat([opened, frame(TYPE.windowUpdate, FLAG.rst, id, 0)]));
    }
    expect(slow.listener.limited).toEqual([]);
    for (const id of [7, 9]) {
      const opened = frame(TYPE.windowUpdate, FLAG.syn, id, 0);
      inject(slow, slow.dialler, Buffer.concat([opened, frame(TYPE.windowUpdate, FLAG.rst, id, 0)]));
    }
    expect(slow.listener.limited).toEqual(["STREAM_OPENS_PER_SECOND"]);
    inject(slow, slow.dialler, frame(TYPE.data, 0, 99, 65_537));
    expect(slow.listener.closed).toBe("yamux: frame too long");
    expect(slow.listener.limited.at(-1)).toBe("STREAM_FRAME_BYTES_MAX");
  });

  test("rapid reset: opens beyond the bucket are refused until time refills it", () => {
    const pair = openPair({ protocols: () => new Recorder() });
    const flood = (from: number, count: number): void => {
      const frames: Uint8Array[] = [];
      for (let index = 0; index < count; index++) {
        const id = 2 * (from + index) + 1;
        frames.push(frame(TYPE.windowUpdate, FLAG.syn, id, 0), frame(TYPE.windowUpdate, FLAG.rst, id, 0));
      }
      inject(pair, pair.dialler, Buffer.concat(frames));
    };
    flood(0, 1000);
    expect(pair.listener.limited.length).toBe(1000 - OPENS_BURST);
    expect(pair.listener.link.streams).toBe(0);
    pair.now += 1000;
    pair.run();
    flood(1000, 1000);
    const refused = pair.listener.limited.length - (1000 - OPENS_BURST);
    expect(refused).toBe(1000 - limit.STREAM_OPENS_PER_SECOND_DEFAULT);
    expect(pair.listener.closed).toBeNull();
  });

  test("skips data of streams that are gone, and answers pings between", () => {
    const { pair } = openStream();
    inject(pair, pair.dialler, frame(TYPE.data, 0, 99, 50, pattern(50)));
    inject(pair, pair.dialler, frame(TYPE.windowUpdate, FLAG.rst, 77, 0));
    inject(pair, pair.dialler, frame(TYPE.ping, FLAG.syn, 0, 0xdead_beef));
    expect(pair.listener.link.queue.length).toBe(12);
    expect([...pair.listener.link.queue.peek(12).subarray(8)]).toEqual([0xde, 0xad, 0xbe, 0xef]);
    expect(pair.listener.closed).toBeNull();
  });

  test("resets a stream that ends before it names a protocol, and one that writes after its end", () => {
    const pair = openPair({ protocols: () => new Recorder() });
    inject(pair, pair.dialler, frame(TYPE.data, FLAG.syn | FLAG.fin, 1, 0));
    expect(pair.listener.link.streams).toBe(0);
    const { pair: other, far } = openStream();
    inject(other, other.dialler, frame(TYPE.data, FLAG.fin, 1, 0));
    inject(other, other.dialler, frame(TYPE.data, 0, 1, 3, pattern(3)));
    expect(far.events).toEqual(["open", "end", "close: data after the end"]);
  });
});
