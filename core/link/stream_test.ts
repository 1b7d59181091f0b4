/** Streams that do as they like beside one another: bulk, shut windows, half-closes and resets, in any order. */
import { describe, expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { type Pair, type Side, deliver, openPair, pullAll, randomFrom } from "./_pair.ts";
import type { Link } from "./link.ts";
import type { LinkStream, LinkStreamHandler } from "./stream.ts";

const WINDOW = limit.YAMUX_WINDOW_BYTES;
/** What a side writes on a stream tells the place and the side, so that a byte lost or doubled shows. */
const PERIOD = 251;
const WATER = Uint8Array.from({ length: PERIOD * 300 }, (_, at) => at % PERIOD);

/** One end of a stream: what it has still to say, what it heard, and whether it keeps the window shut. */
class Talk {
  readonly stream: LinkStream<Side>;
  wanted = 0;
  wrote = 0;
  ending = false;
  shut = false;
  got = 0;
  owed = 0;
  hasHeardEnd = false;
  closed: string | null = null;

  constructor(stream: LinkStream<Side>) {
    this.stream = stream;
  }

  /** Writes what it has to say, and ends when it is to. */
  pump(): void {
    while (this.wrote < this.wanted) {
      const from = this.wrote % PERIOD;
      const length = Math.min(this.wanted - this.wrote, WATER.length - from);
      const taken = this.stream.write(WATER.subarray(from, from + length));
      this.wrote += taken;
      if (taken < length) return;
    }
    if (this.ending) this.stream.end();
  }

  heard(bytes: Uint8Array): void {
    expect([this.hasHeardEnd, this.closed]).toEqual([false, null]);
    const from = this.got % PERIOD;
    expect(Buffer.compare(bytes, WATER.subarray(from, from + bytes.length))).toBe(0);
    this.got += bytes.length;
    this.owed += bytes.length;
    if (!this.shut) this.reopen();
  }

  reopen(): void {
    this.shut = false;
    const owed = this.owed;
    this.owed = 0;
    this.stream.consume(owed);
  }
}

/** The ends that one side has, by the stream's number. */
class Talks implements LinkStreamHandler<Side> {
  readonly all = new Map<number, Talk>();

  of(stream: LinkStream<Side>): Talk {
    const there = this.all.get(stream.id) ?? new Talk(stream);
    this.all.set(stream.id, there);
    return there;
  }

  onOpen(stream: LinkStream<Side>): void {
    this.of(stream);
  }

  onData(stream: LinkStream<Side>, bytes: Uint8Array): void {
    this.of(stream).heard(bytes);
  }

  onEnd(stream: LinkStream<Side>): void {
    const talk = this.of(stream);
    expect([talk.hasHeardEnd, talk.closed]).toEqual([false, null]);
    talk.hasHeardEnd = true;
  }

  onClose(stream: LinkStream<Side>, reason: string): void {
    const talk = this.of(stream);
    expect(talk.closed).toBeNull();
    talk.closed = reason;
  }

  onDrain(stream: LinkStream<Side>): void {
    this.of(stream).pump();
  }
}

/** A pair with a narrow transport between, in which bytes stay until they are moved. */
class Scene {
  readonly near = new Talks();
  readonly far = new Talks();
  readonly pair: Pair = openPair({ protocols: () => this.far });
  readonly #ways = [
    this.#way(this.pair.dialler, this.pair.listener),
    this.#way(this.pair.listener, this.pair.dialler),
  ];
  readonly #into = new Uint8Array(66 * 1024);

  #way(from: Side, to: Side): { from: Link<Side>; to: Link<Side>; held: Uint8Array } {
    return { from: from.link, to: to.link, held: new Uint8Array(0) };
  }

  open(): Talk {
    return this.near.of(this.pair.dialler.link.open("/talk", this.near, null));
  }

  get talks(): Talk[] {
    return [...this.near.all.values(), ...this.far.all.values()];
  }

  /** Moves what `part` of what is under way comes to, in one direction; how much. */
  move(index: number, part = 1): number {
    const way = this.#ways[index];
    if (way === undefined) return 0;
    if (way.held.length === 0) way.held = this.#into.slice(0, way.from.pull(this.#into));
    const taken = deliver(way.to, way.held.subarray(0, Math.ceil(way.held.length * part)), 0, true);
    way.held = way.held.slice(taken);
    return taken;
  }

  /** Moves all until nothing moves. */
  settle(): void {
    while (this.move(0) + this.move(1) > 0) continue;
  }
}

describe("LinkStream", () => {
  test("a window that stays shut holds back its own stream alone, which goes on when it opens", () => {
    const scene = new Scene();
    const [shut, open] = [scene.open(), scene.open()];
    scene.settle();
    for (const [id, talk] of scene.far.all) talk.shut = id === shut.stream.id;
    for (const talk of [shut, open]) {
      talk.wanted = 10 * WINDOW;
      talk.pump();
    }
    scene.settle();
    const far = scene.far.all.get(shut.stream.id);
    expect([scene.far.all.get(open.stream.id)?.got, far?.got]).toEqual([10 * WINDOW, shut.wrote]);
    expect(shut.wrote).toBeLessThanOrEqual(WINDOW);
    shut.ending = true;
    far?.reopen();
    scene.settle();
    expect([far?.got, far?.hasHeardEnd]).toEqual([10 * WINDOW, true]);
  });

  test("keeps every byte in order through bulk, shut windows, half-closes and resets in any mix", () => {
    const cases = process.env["DCHAT_TEST_LONG"] === "1" ? 10_000 : 60;
    for (let seed = 1; seed <= cases; seed++) {
      try {
        mix(seed);
      } catch (error) {
        throw new Error(`the mix of seed ${seed} fails`, { cause: error });
      }
    }
  });
});

function mix(seed: number): void {
  const random = randomFrom(seed);
  const below = (most: number): number => Math.floor(random() * most);
  const scene = new Scene();
  const wasReset = new Set<number>();
  for (let step = 0; step < 150; step++) {
    const talk = scene.talks[below(scene.talks.length)];
    const kind = below(20);
    if (kind < 10) scene.move(below(2), random());
    else if (talk === undefined || kind === 10) {
      if (scene.pair.dialler.link.streams < 6) scene.open();
    } else act(talk, { kind, bytes: below(2 * WINDOW), wasReset });
  }
  for (const talk of scene.talks) talk.reopen();
  scene.settle();
  for (const talk of scene.talks) {
    talk.ending = true;
    talk.pump();
  }
  scene.settle();
  const { listener, dialler } = scene.pair;
  expect([listener.closed, dialler.closed, ...listener.errors, ...dialler.errors]).toEqual([null, null]);
  expect([listener.link.streams, dialler.link.streams]).toEqual([0, 0]);
  expect([pullAll(listener.link).length, pullAll(dialler.link).length]).toEqual([0, 0]);
  for (const [id, near] of scene.near.all) {
    const far = scene.far.all.get(id);
    if (wasReset.has(id)) expect([near.closed === null, far?.closed === null]).toEqual([false, false]);
    else {
      expect([near.closed, far?.closed]).toEqual(["ended", "ended"]);
      expect([near.got, far?.got]).toEqual([far?.wanted, near.wanted]);
    }
  }
}

function act(talk: Talk, options: { kind: number; bytes: number; wasReset: Set<number> }): void {
  const { kind, bytes, wasReset } = options;
  if (talk.closed !== null) return;
  if (kind < 15) {
    if (talk.ending) return;
    talk.wanted += bytes;
    talk.pump();
  } else if (kind === 15) {
    talk.ending = true;
    talk.pump();
  } else if (kind === 16) {
    wasReset.add(talk.stream.id);
    talk.stream.reset();
  } else if (kind < 19) talk.shut = true;
  else talk.reopen();
}
