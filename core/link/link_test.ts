import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { limit } from "../ground/mod.ts";
import {
  LIMITS,
  Pair,
  Recorder,
  type Side,
  crypto,
  deliver,
  frame,
  inject,
  openPair,
  pattern,
  pullAll,
  randomFrom,
} from "./_pair.ts";
import { PING_PROTOCOL } from "./builtin.ts";
import { TYPE } from "./yamux.ts";
import type { LinkStream, LinkStreamHandler } from "./stream.ts";

const ECHO = "/test/echo/1";

/** Echoes, and half-closes when the peer has. */
class Echo extends Recorder {
  override onData(stream: LinkStream<Side>, bytes: Uint8Array): void {
    super.onData(stream, bytes);
    if (stream.write(bytes) !== bytes.length) throw new Error("an echo is short here");
  }
}

function echoOf(pair: Pair, message: Uint8Array): Recorder {
  const recorder = new Recorder();
  pair.dialler.link.open(ECHO, recorder, null).write(message);
  return recorder;
}

const NOTHING = new Uint8Array(0);
const WATER = new Uint8Array(64 * 1024);

/** Writes as much as is taken. */
function pour(stream: LinkStream<Side>): void {
  while (stream.write(WATER) > 0) continue;
}

const protocols = (protocol: string) => (protocol === ECHO ? new Echo() : null);

/** Cuts into pieces of `size`. */
function every(size: number): (bytes: Uint8Array) => Uint8Array[] {
  return (bytes) => {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
    return pieces;
  };
}

describe("Link", () => {
  for (const listenerEarly of [true, false]) {
    for (const diallerEarly of [true, false]) {
      test(`opens where the listener ${listenerEarly ? "offers" : "lacks"} and the dialler ${diallerEarly ? "offers" : "lacks"} the early muxer`, () => {
        const pair = openPair({ listenerEarly, diallerEarly, protocols });
        expect([pair.listener.opened, pair.dialler.opened]).toEqual([1, 1]);
        expect(pair.listener.link.peerBytes).toEqual(pair.dialler.peer.bytes);
        expect(pair.dialler.link.peerBytes).toEqual(pair.listener.peer.bytes);
        const message = pattern(300);
        const recorder = echoOf(pair, message);
        pair.run();
        expect(recorder.received).toEqual(Buffer.from(message));
        expect(pair.listener.errors).toEqual([]);
      });
    }
  }

  test("opens and echoes with the bytes cut into pieces of every small size", () => {
    for (const size of [1, 2, 3, 5, 7, 11, 13, 17, 64, 100]) {
      const pair = new Pair({ protocols, diallerEarly: size % 2 === 0 }).run(every(size));
      const recorder = echoOf(pair, pattern(500));
      pair.run(every(size));
      expect(recorder.received).toEqual(Buffer.from(pattern(500)));
    }
  });

  test("opens and echoes with each flight cut once, at every place", () => {
    for (let cut = 1; cut < 420; cut++) {
      const chop = (bytes: Uint8Array) => [bytes.subarray(0, cut), bytes.subarray(cut)];
      const pair = new Pair({ protocols, listenerEarly: cut % 2 === 0 }).run(chop);
      const recorder = echoOf(pair, pattern(200));
      pair.run(chop);
      expect(recorder.received).toEqual(Buffer.from(pattern(200)));
    }
  });

  test("takes what a dialler pipelines behind the muxer's proposal, as rust-libp2p does", () => {
    const pair = new Pair({ protocols, diallerEarly: false, listenerEarly: false });
    deliver(pair.listener.link, pullAll(pair.dialler.link), 0);
    deliver(pair.dialler.link, pullAll(pair.listener.link), 0);
    // The third message and the proposal wait; a first stream rides with them.
    const syn = frame(0, 1, 1, 0);
    pair.dialler.link.queue.append(syn);
    deliver(pair.listener.link, pullAll(pair.dialler.link), 0);
    expect(pair.listener.opened).toBe(1);
    expect(pair.listener.link.streams).toBe(1);
  });

  test("refuses a dialler's wrong listener before it says who it is", () => {
    const stranger = new Uint8Array(38);
    const pair = new Pair({ expected: stranger }).run();
    expect(pair.dialler.closed).toBe("noise: another peer answered");
    expect(pair.dialler.opened + pair.listener.opened).toBe(0);
  });

  test("refuses a replayed handshake: the answer is to another ephemeral key", () => {
    const first = openPair({ protocols });
    const second = new Pair({ protocols });
    for (const bytes of first.up) deliver(second.listener.link, bytes, 0);
    expect(second.listener.opened).toBe(0);
    expect(second.listener.closed).toBe("noise: third message does not hold");
  });

  test("closes on garbage at every step of the handshake, and never throws", () => {
    const random = randomFrom(7);
    for (let step = 0; step < 4; step++) {
      for (let round = 0; round < 50; round++) {
        const pair = new Pair({ protocols });
        for (let at = 0; at < step; at++) {
          const [from, to] = at % 2 === 0 ? [pair.dialler, pair.listener] : [pair.listener, pair.dialler];
          deliver(to.link, pullAll(from.link), 0);
        }
        const victim = step % 2 === 0 ? pair.listener : pair.dialler;
        const garbage = Uint8Array.from({ length: 70_000 }, () => random() * 256);
        deliver(victim.link, garbage, 0);
        expect(victim.closed).not.toBeNull();
      }
    }
  });

  test("closes where any byte of the handshake is changed", () => {
    const clean = openPair();
    const lengths = [clean.up, clean.down].map((flights) => flights.map((bytes) => bytes.length));
    const first = (lengths[0] ?? [])[0] ?? 0;
    const second = (lengths[1] ?? [])[0] ?? 0;
    for (let at = 0; at < first + second; at++) {
      const pair = new Pair();
      const up = pullAll(pair.dialler.link);
      if (at < first) up[at] = (up[at] ?? 0) ^ 1;
      deliver(pair.listener.link, up, 0);
      const down = pullAll(pair.listener.link);
      if (at >= first) down[at - first] = (down[at - first] ?? 0) ^ 1;
      deliver(pair.dialler.link, down, 0);
      deliver(pair.listener.link, pullAll(pair.dialler.link), 0);
      expect(pair.listener.opened).toBe(0);
    }
  });

  test("tick() ends a handshake at its deadline, in each of its steps", () => {
    for (let step = 0; step < 3; step++) {
      const pair = new Pair({ now: 1000 });
      if (step > 0) deliver(pair.listener.link, pullAll(pair.dialler.link).subarray(0, step * 30), 1500);
      expect(pair.listener.link.deadline).toBe(1000 + limit.HANDSHAKE_TIMEOUT_MS);
      pair.listener.link.tick(999 + limit.HANDSHAKE_TIMEOUT_MS);
      expect(pair.listener.closed).toBeNull();
      pair.listener.link.tick(1000 + limit.HANDSHAKE_TIMEOUT_MS);
      expect(pair.listener.closed).toBe("handshake timed out");
    }
  });

  test("tick() asks a silent peer whether it lives, and closes where no answer comes", () => {
    const pair = openPair();
    const link = pair.listener.link;
    expect(link.deadline).toBe(LIMITS.keepaliveIntervalMs);
    pair.now = LIMITS.keepaliveIntervalMs;
    link.tick(pair.now);
    pair.run();
    expect(link.deadline).toBe(pair.now + LIMITS.keepaliveIntervalMs);
    link.tick(link.deadline);
    pullAll(link);
    link.tick(link.deadline);
    expect(pair.listener.closed).toBe("peer did not answer");
  });

  test("receive() takes no more where answers fill half the output mark again, and goes on after a pull", () => {
    const pair = openPair();
    const pings = Buffer.concat(Array.from({ length: 5000 }, () => frame(2, 1, 0, 9)));
    pair.dialler.link.queue.append(Buffer.concat(Array.from({ length: 8 }, () => pings)));
    const sealed = pullAll(pair.dialler.link);
    const taken = deliver(pair.listener.link, sealed, 0, true);
    expect(taken).toBeLessThan(sealed.length);
    expect(pair.listener.limited).toEqual(["LINK_OUTPUT_MARK_BYTES"]);
    const waiting = pair.listener.link.queue.length;
    expect(waiting).toBeGreaterThan(1.5 * limit.LINK_OUTPUT_MARK_BYTES);
    expect(waiting).toBeLessThan(1.5 * limit.LINK_OUTPUT_MARK_BYTES + limit.NOISE_FRAME_BYTES_MAX);
    const answered = pullAll(pair.listener.link).length;
    expect(deliver(pair.listener.link, sealed.subarray(taken), 0)).toBe(sealed.length - taken);
    expect(answered + pullAll(pair.listener.link).length).toBeGreaterThan(8 * 5000 * 12);
  });

  test("receive() stops behind as many frames or bytes as it may take, and hits no limit by that", () => {
    const { dialler, listener } = openPair();
    const sealed: Uint8Array[] = [];
    for (let at = 0; at < 10; at++) {
      dialler.link.queue.append(frame(1, 0, 99, 0));
      sealed.push(pullAll(dialler.link));
    }
    const bytes = Buffer.concat(sealed);
    const each = bytes.length / 10;
    const most = { frames: Infinity, bytes: Infinity };
    expect(listener.link.receive(bytes.slice(), 0, { ...most, frames: 3 })).toBe(3 * each);
    const rest = bytes.slice(3 * each);
    expect(listener.link.receive(rest, 0, { ...most, bytes: each + 1 })).toBe(2 * each);
    expect(listener.link.receive(rest.slice(2 * each), 0)).toBe(5 * each);
    expect([listener.limited, listener.closed]).toEqual([[], null]);
  });

  test("bulk flows both ways at once, over a transport that holds little of it", () => {
    const got = { up: 0, down: 0 };
    const pouring = (way: "up" | "down"): LinkStreamHandler<Side> => ({
      onOpen: pour,
      onDrain: pour,
      onData(stream, bytes) {
        got[way] += bytes.length;
        stream.consume(bytes.length);
      },
      onEnd() {},
      onClose() {},
    });
    const pair = openPair({ protocols: () => pouring("up") });
    for (let at = 0; at < 8; at++) pair.dialler.link.open("/pour", pouring("down"), null);
    const ways = [
      { from: pair.dialler.link, to: pair.listener.link, held: NOTHING },
      { from: pair.listener.link, to: pair.dialler.link, held: NOTHING },
    ];
    const into = new Uint8Array(66 * 1024);
    for (let round = 0; round < 400; round++) {
      for (const way of ways) {
        if (way.held.length === 0) way.held = into.slice(0, way.from.pull(into));
        way.held = way.held.slice(deliver(way.to, way.held, 0, true));
      }
    }
    expect(Math.min(got.up, got.down)).toBeGreaterThan(16 * 1024 * 1024);
  });

  test("a ping is answered when there is room for it, and who pings on meanwhile loses the stream", () => {
    for (const more of [0, 32]) {
      const pair = openPair({ protocols: () => new Recorder() });
      const bulk = pair.dialler.link.open("/bulk", new Recorder(), null);
      const recorder = new Recorder();
      const pinging = pair.dialler.link.open<unknown>(PING_PROTOCOL, recorder, null);
      pair.run();
      // What was said for it leaves no room for an echo.
      const { queue } = pair.listener.link;
      queue.append(
        frame(TYPE.data, 0, 2, limit.LINK_OUTPUT_MARK_BYTES - 30, pattern(limit.LINK_OUTPUT_MARK_BYTES - 30)),
      );
      const ping = pattern(32);
      pinging.write(ping);
      if (more > 0) pinging.write(pattern(more));
      pinging.end();
      deliver(pair.listener.link, pullAll(pair.dialler.link), 0);
      pair.run();
      if (more > 0) expect(recorder.events.at(-1)).toBe("close: reset by the peer");
      else
        expect([recorder.received.equals(Buffer.from(ping)), recorder.events.at(-1)]).toEqual([
          true,
          "close: ended",
        ]);
      bulk.reset();
    }
  });

  test("holds no buffer at rest", () => {
    const pair = openPair({ protocols });
    echoOf(pair, pattern(1000));
    pair.run();
    expect(pair.listener.link.queue.length).toBe(0);
    const { pool } = pair.listener.link.profile;
    const kept = pool.take(1024);
    const large = pool.take(1024);
    pool.give(kept);
    pool.give(large);
    pair.run();
    expect(pool.take(1024)).toBe(large);
  });

  test("goAway() lets streams end and then closes; close() ends them and says GoAway", () => {
    const pair = openPair({ protocols });
    const recorder = echoOf(pair, pattern(10));
    pair.run();
    pair.listener.link.goAway();
    pair.run();
    expect(pair.listener.closed).toBeNull();
    expect(() => pair.dialler.link.open(ECHO, recorder, null)).toThrow("going away");
    recorder.streams[0]?.reset();
    pair.run();
    expect([pair.listener.closed, pair.dialler.closed]).toEqual(["went away", "peer went away"]);
    const other = openPair({ protocols });
    const cut = echoOf(other, pattern(10));
    other.run();
    other.listener.link.close("tired");
    other.run();
    expect(other.listener.closed).toBe("tired");
    expect(other.listener.link.streams).toBe(0);
    expect(() => other.dialler.link.open(ECHO, cut, null)).toThrow("going away");
    other.dialler.link.abort("connection closed");
    expect(cut.events.at(-1)).toBe("close: connection closed");
  });

  test("a handler that throws loses its stream and nothing else", () => {
    class Broken extends Recorder {
      override onData(): void {
        throw new Error("broken");
      }
    }
    const pair = openPair({ protocols: (name) => (name === "/broken" ? new Broken() : protocols(name)) });
    const broken = new Recorder();
    pair.dialler.link.open("/broken", broken, null).write(pattern(3));
    const recorder = echoOf(pair, pattern(3));
    pair.run();
    expect(broken.events.at(-1)).toBe("close: reset by the peer");
    expect(recorder.received.length).toBe(3);
    expect(pair.listener.errors).toHaveLength(1);
  });

  test("carries any writes on any streams in any pieces, in order and whole, both ways", () => {
    const operation = fc.record({
      stream: fc.nat(4),
      length: fc.nat(70_000),
      chop: fc.integer({ min: 1, max: 40_000 }),
    });
    const run = (operations: readonly { stream: number; length: number; chop: number }[]): void => {
      const heard = new Map<number, Recorder>();
      const pair = openPair({
        protocols: (name) => {
          const recorder = new Recorder();
          heard.set(Number(name.slice(1)), recorder);
          return recorder;
        },
      });
      const sent = new Map<number, Uint8Array[]>();
      const streams = new Map<number, LinkStream<Side>>();
      for (const { stream, length, chop } of operations) {
        const ours: LinkStream<Side> =
          streams.get(stream) ?? pair.dialler.link.open<unknown>(`/${stream}`, new Recorder(), null);
        streams.set(stream, ours);
        const bytes = pattern(length, stream);
        const taken = ours.write(bytes);
        sent.set(stream, [...(sent.get(stream) ?? []), bytes.subarray(0, taken)]);
        pair.run(every(chop));
      }
      for (const stream of streams.values()) stream.end();
      pair.run();
      for (const [stream, parts] of sent) {
        const recorder = heard.get(stream);
        expect(recorder?.received.equals(Buffer.concat(parts))).toBe(true);
        expect(recorder?.events.at(-1)).toBe("end");
      }
    };
    fc.assert(fc.property(fc.array(operation, { minLength: 1, maxLength: 12 }), run), { numRuns: 60 });
  });

  test("nests: a link inside a stream of another link, with the same buffers", () => {
    const outer = openPair({ protocols: () => tunnel });
    const inner = new Pair({ protocols });
    const tunnel = new Recorder();
    tunnel.onData = (stream, bytes) => {
      stream.consume(bytes.length);
      inner.listener.link.receive(bytes, 0);
      stream.write(pullAll(inner.listener.link));
    };
    const near = new Recorder();
    near.onData = (stream, bytes) => {
      stream.consume(bytes.length);
      inner.dialler.link.receive(bytes, 0);
      stream.write(pullAll(inner.dialler.link));
    };
    const stream = outer.dialler.link.open("/tunnel", near, null);
    stream.write(pullAll(inner.dialler.link));
    outer.run();
    const recorder = echoOf(inner, pattern(5000));
    stream.write(pullAll(inner.dialler.link));
    outer.run();
    expect(recorder.received).toEqual(Buffer.from(pattern(5000)));
  });

  test("refuses frames shorter than a tag and takes empty ones", () => {
    const pair = openPair();
    deliver(pair.listener.link, Uint8Array.of(0, 0), 0);
    expect(pair.listener.closed).toBe("noise: a frame is not authentic");
    const other = openPair();
    inject(other, other.dialler, new Uint8Array(0));
    expect(other.listener.closed).toBeNull();
    expect(crypto).toBeDefined();
  });
});
