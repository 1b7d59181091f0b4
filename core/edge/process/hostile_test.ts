/** Streams that end, half-close and are reset by either side in every order, on connections that an edge process holds. */
import { expect, test } from "bun:test";
import { randomFrom } from "../../link/_pair.ts";
import { clock, crypto, handler, LIMITS, until } from "../_kit.ts";
import { ping } from "../ask.ts";
import { openDialler } from "../dialler.ts";
import type { EdgeConnection, EdgeStream, StreamHandler } from "../port.ts";
import { dialInto, listenShared } from "./_kit.ts";

const CONNECTIONS = 4;
const STREAMS = 24;
/** Less than a window, which who consumes at the end fills. */
const BYTES_MAX = 200_000;

/** Of all bytes that a stream carries each is one more than the one before, so that none can be lost or another's. */
function pattern(first: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (first + at) & 0xff);
}

/** One side of a stream: what it has heard. */
class Side {
  first: number | null = null;
  came = 0;
  ended = false;
  closed: string | null = null;
  wrong: string | null = null;
  /** Not echoed yet. */
  readonly parts: Uint8Array[] = [];

  heard(bytes: Uint8Array): void {
    this.first ??= bytes[0] ?? 0;
    const expected = pattern((this.first + this.came) & 0xff, bytes.length);
    if (Buffer.compare(bytes, expected) !== 0) this.wrong ??= `other bytes at ${this.came}`;
    this.came += bytes.length;
    this.step("data");
    if (this.ended) this.wrong ??= "data after the end";
  }

  step(what: string): void {
    if (this.closed !== null) this.wrong ??= `${what} after the close`;
  }
}

type Echo = EdgeStream<Side>;

function echoOn(stream: Echo): void {
  const { context } = stream;
  for (let part = context.parts[0]; part !== undefined; part = context.parts[0]) {
    const taken = stream.write(part);
    stream.consume(taken);
    if (taken < part.length) {
      context.parts[0] = part.subarray(taken);
      return;
    }
    context.parts.shift();
  }
  if (context.ended) stream.end();
}

/** Does with a stream what its first byte says: echoes it; says nothing; ends at once; resets it; consumes at its end. */
function moody(sides: Side[]): StreamHandler<unknown> {
  return handler<Side>({
    onOpen(stream) {
      stream.context = new Side();
      sides.push(stream.context);
    },
    onData(stream, bytes) {
      const { context } = stream;
      context.heard(bytes);
      const mood = (context.first ?? 0) % 5;
      if (mood === 0) context.parts.push(new Uint8Array(bytes));
      else if (mood !== 4) stream.consume(bytes.length);
      if (mood === 0) echoOn(stream);
      if (mood === 2) stream.end();
      if (mood === 3 && context.came > 1000) stream.reset();
    },
    onEnd(stream) {
      const { context } = stream;
      context.step("end");
      context.ended = true;
      if ((context.first ?? 0) % 5 === 0) echoOn(stream);
      else stream.end();
    },
    onDrain: (stream) => echoOn(stream),
    onClose({ context }, reason) {
      context.step("close");
      context.closed = reason;
    },
  });
}

interface Plan {
  readonly bytes: Uint8Array;
  /** What it does when all is written, or, for a reset, so much. */
  readonly last: "end" | "reset" | "nothing";
  readonly stopAt: number;
}

/** A device's stream that does as planned. */
class Doing extends Side {
  readonly plan: Plan;
  written = 0;

  constructor(plan: Plan) {
    super();
    this.plan = plan;
  }
}

function push(stream: EdgeStream<Doing>): void {
  const { context } = stream;
  const { bytes, stopAt, last } = context.plan;
  context.step("drain");
  // In pieces of all sizes, so that frames of the pipe are too.
  for (let taken = 1; taken > 0 && context.written < stopAt; context.written += taken) {
    taken = stream.write(bytes.subarray(context.written, context.written + 1 + (context.written % 50_000)));
  }
  if (context.written < stopAt) return;
  if (last === "end") stream.end();
  else if (last === "reset") stream.reset();
}

const doing = handler<Doing>({
  onOpen: push,
  onDrain: push,
  onData(stream, bytes) {
    stream.context.heard(bytes);
    stream.consume(bytes.length);
  },
  onEnd({ context }) {
    context.step("end");
    context.ended = true;
  },
  onClose({ context }, reason) {
    context.step("close");
    context.closed = reason;
  },
});

function planned(random: () => number): Plan {
  const bytes = pattern(Math.floor(random() * 256), 1 + Math.floor(random() * BYTES_MAX));
  const last = (["end", "end", "reset", "nothing"] as const)[Math.floor(random() * 4)] ?? "end";
  return { bytes, last, stopAt: last === "reset" ? Math.ceil(random() * bytes.length) : bytes.length };
}

const seeds = process.env["DCHAT_TEST_LONG"] === "1" ? 50 : 1;

test.each(Array.from({ length: seeds }, (_, seed) => seed + 1))(
  "streams that end, half-close and are reset in every order are each told so once, and lose nothing before: seed %i",
  async (seed) => {
    const random = randomFrom(seed);
    const served: Side[] = [];
    const moods = moody(served);
    await using shared = await listenShared({ protocols: () => moods });
    await using dialler = openDialler({ crypto, limits: LIMITS, clock });
    const last = await dialInto(shared, dialler);
    const made: Doing[] = [];
    // All before the load: a process whose pipe is full takes nobody.
    const connections: EdgeConnection[] = [];
    while (connections.length < CONNECTIONS) connections.push(await dialInto(shared, dialler));
    for (const [round, connection] of connections.entries()) {
      for (let at = 0; at < STREAMS; at++) {
        const one = new Doing(planned(random));
        made.push(one);
        connection.open("/hold", doing, one);
        if (random() < 0.3) await Bun.sleep(1);
      }
      await Bun.sleep(random() * 60);
      // One goes softly and one hard, whatever is under way.
      if (round < 2) connection.close("goes", { hard: round === 0 });
    }
    const over = ({ closed, plan }: Doing): boolean => closed !== null || plan.last === "nothing";
    await until("those that end have ended", () => made.every(over));
    for (const connection of connections.slice(2)) connection.close("goes");
    await until("all are closed here", () => made.every(({ closed }) => closed !== null));
    await until("and there", () => served.every(({ closed }) => closed !== null));
    expect([...made, ...served].map(({ wrong }) => wrong).filter((wrong) => wrong !== null)).toEqual([]);
    // Who was echoed and ended in peace got all of it.
    const whole = made.filter(({ closed, plan }) => closed === "ended" && (plan.bytes[0] ?? 0) % 5 === 0);
    expect(whole.length).toBeGreaterThan(0);
    for (const { came, plan } of whole) expect(came).toBe(plan.bytes.length);
    await until("none is left", () => [...shared.listener].every(({ streams }) => streams === 0));
    await ping(last);
    expect(shared.log.errors).toEqual([]);
  },
  20_000,
);
