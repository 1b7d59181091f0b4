/**
 * Random and mutated bytes into every decoder of the link: nothing throws, nothing grows past its bound.
 * A failure names its seed; DCHAT_TEST_LONG=1 runs a million cases each.
 */
import { expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { LIMITS, Pair, Recorder, type Side, crypto, frame, openPair, pullAll, randomFrom } from "./_pair.ts";
import { NO_BYTES, concat } from "./bytes.ts";
import { decodeIdentify, encodeIdentify } from "./identify.ts";
import { decodeMultiaddr, encodeMultiaddr, parseAddress } from "./multiaddr.ts";
import { Negotiation, encodeLine, encodeProposal } from "./multistream.ts";
import { Muxer, type MuxerHost } from "./muxer.ts";
import { openPayload, signPayload } from "./noise_payload.ts";
import { NoiseTransport } from "./noise_transport.ts";
import { ByteQueue } from "./byte_queue.ts";
import { PartialFrame } from "./partial_frame.ts";
import { BufferPool } from "./pool.ts";
import { ProtobufReader } from "./protobuf.ts";

const long = process.env["DCHAT_TEST_LONG"] === "1";

type Random = () => number;

function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

/** A copy with some bytes changed, a piece cut out or doubled. */
function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = new Uint8Array(bytes);
  for (let left = below(random, 4); left > 0; left--) changed[below(random, changed.length)] = random() * 256;
  const from = below(random, changed.length);
  const to = from + below(random, changed.length - from);
  const kind = below(random, 4);
  if (kind === 0) return concat(changed.subarray(0, from), changed.subarray(to));
  if (kind === 1) return concat(changed.subarray(0, to), changed.subarray(from));
  return changed;
}

function randomBytes(random: Random, lengthMax: number): Uint8Array {
  return Uint8Array.from({ length: below(random, lengthMax) }, () => random() * 256);
}

/** Runs `one` for seeds 1, 2, …; a failure says which. */
function fuzz(small: number, one: (random: Random) => void, options: { long?: number } = {}): void {
  const count = long ? (options.long ?? 1_000_000) : small;
  for (let seed = 1; seed <= count; seed++) {
    try {
      one(randomFrom(seed));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
}

test("Negotiation takes anything, in any pieces, and its place stays inside what it got", () => {
  const valid = [
    encodeProposal("/noise"),
    concat(encodeProposal("/x"), encodeLine("/y"), encodeLine("/noise"), Uint8Array.of(1, 2, 3)),
    concat(encodeLine("/multistream/1.0.0"), encodeLine("na")),
  ];
  fuzz(20_000, (random) => {
    const source = valid[below(random, valid.length)] ?? NO_BYTES;
    const bytes = random() < 0.2 ? randomBytes(random, 2000) : mutate(random, source);
    const negotiation = new Negotiation(random() < 0.5 ? "/noise" : null);
    let answered = 0;
    const other = { serves: (name: string) => name === "/noise", answer: () => void answered++ };
    for (let at = 0; at < bytes.length && !negotiation.over;) {
      const end = at + 1 + below(random, bytes.length - at);
      const next = negotiation.receive(bytes, at, end, other);
      expect(next).toBeGreaterThanOrEqual(at);
      expect(next).toBeLessThanOrEqual(end);
      if (!negotiation.over) expect(next).toBe(end);
      at = next;
    }
    expect(answered).toBeLessThanOrEqual(limit.MULTISTREAM_PROPOSALS_MAX + 1);
  });
});

test("ProtobufReader, decodeIdentify() and decodeMultiaddr() take anything", () => {
  const identify = encodeIdentify({
    publicKey: new Uint8Array(32),
    agent: "dchat",
    protocols: ["/a/1", "/b/1"],
    listenAddresses: [encodeMultiaddr(parseAddress("/ip4/1.2.3.4/tcp/5"))],
  });
  const address = encodeMultiaddr(parseAddress("/ip6/::1/tcp/5/ws"));
  fuzz(20_000, (random) => {
    const bytes = random() < 0.2 ? randomBytes(random, 200) : mutate(random, identify);
    const reader = new ProtobufReader(bytes);
    let fields = 0;
    while (reader.next()) fields++;
    expect(fields).toBeLessThanOrEqual(bytes.length);
    decodeIdentify(bytes);
    const text = decodeMultiaddr(mutate(random, address));
    if (text !== null) expect(text).toStartWith("/");
  });
});

test("openPayload() takes anything, and accepts only who signed", () => {
  const identity = crypto.ed25519.generate();
  const staticKey = crypto.x25519.generate().publicKey;
  const payload = signPayload(crypto, identity, { staticKey, earlyMuxer: true });
  const genuine = openPayload(crypto.noise, payload, staticKey);
  expect(genuine).toMatchObject({ earlyYamux: true });
  fuzz(3000, (random) => {
    const bytes = random() < 0.1 ? randomBytes(random, 300) : mutate(random, payload);
    const peer = openPayload(crypto.noise, bytes, staticKey);
    if (peer !== null) expect(peer).toMatchObject({ id: typeof genuine === "object" ? genuine?.id : null });
  });
});

test("NoiseTransport.open() takes nothing but what was sealed", () => {
  const key = new Uint8Array(32).fill(9);
  const transport = (): NoiseTransport =>
    new NoiseTransport({ send: crypto.noise.cipher(key), receive: crypto.noise.cipher(key) });
  const into = new Uint8Array(70_000);
  const queue = new ByteQueue(new BufferPool());
  queue.append(new Uint8Array(300));
  const length = transport().seal(queue, into, 0);
  const sealed = into.slice(2, length);
  expect(transport().open(sealed, into)).toBe(300);
  const receiver = transport();
  receiver.open(sealed, into);
  fuzz(20_000, (random) => {
    const bytes = random() < 0.2 ? randomBytes(random, 400) : mutate(random, sealed);
    // The counter has moved on, so even the genuine frame is a replay.
    expect(receiver.open(bytes, into)).toBe(-1);
  });
  expect(transport().open(sealed, into)).toBe(300);
});

test("PartialFrame joins a frame from any pieces, and takes none of the next", () => {
  const pool = new BufferPool();
  fuzz(3000, (random) => {
    const body = randomBytes(random, 3000);
    const bytes = concat(Uint8Array.of(body.length >> 8, body.length), body, Uint8Array.of(1, 2, 3));
    const frame = new PartialFrame(pool);
    let at = 0;
    while (frame.body === null) {
      const piece = bytes.subarray(0, at + 1 + below(random, 500));
      expect(frame.body).toBeNull();
      at = frame.take(piece, at);
    }
    expect(at).toBe(body.length + 2);
    expect(frame.body).toEqual(body);
    frame.release();
  });
});

test("a link takes anything before, in and after its handshake", () => {
  const clean = openPair();
  const flights = clean.up.concat(clean.down).filter((bytes) => bytes.length > 0);
  // A handshake a case: fewer of them than of the decoders above.
  fuzz(
    600,
    (random) => {
      const pair = new Pair({ diallerEarly: random() < 0.5 });
      for (let step = below(random, 5); step > 0; step--) {
        pair.listener.link.receive(pullAll(pair.dialler.link), 0);
        pair.dialler.link.receive(pullAll(pair.listener.link), 0);
      }
      const victim = random() < 0.5 ? pair.listener : pair.dialler;
      const flight = flights[below(random, flights.length)] ?? NO_BYTES;
      const opened = victim.opened;
      victim.link.receive(random() < 0.5 ? mutate(random, flight) : randomBytes(random, 3000), 0);
      pullAll(victim.link);
      expect(victim.opened).toBe(opened);
      expect(victim.errors).toEqual([]);
    },
    { long: 50_000 },
  );
});

/** A muxer without a connection around it, and handlers that do as they please. */
class Bench implements MuxerHost<Side> {
  readonly owner = openOwner;
  readonly queue = new ByteQueue(new BufferPool());
  readonly limits = { ...LIMITS, streamsMax: 8 };
  readonly hasMemory = true;
  readonly handlers: Recorder[] = [];
  isOpen = true;
  now = 0;
  readonly muxer = new Muxer<Side>(this, { dialler: false, now: 0 });

  wrote(): void {}
  limited(): void {}
  rested(): void {}
  failed(error: unknown): void {
    throw error;
  }
  violated(reason: string): void {
    this.muxer.goAway(1);
    this.isOpen = false;
    this.muxer.closeAll(reason);
  }
  handlerOf(protocol: string): Recorder | null {
    if (!protocol.startsWith("/a")) return null;
    const recorder = new Recorder();
    this.handlers.push(recorder);
    return recorder;
  }
}

const openOwner = openPair().listener;
const PROPOSAL = encodeProposal("/a");

function hostileFrame(random: Random): Uint8Array {
  const kind = below(random, 10);
  const id = below(random, 12);
  if (kind < 3) return frame(0, 1, 1 + 2 * below(random, 10), PROPOSAL.length, PROPOSAL);
  if (kind < 6) {
    const body = randomBytes(random, 300);
    return frame(0, below(random, 16), id, body.length, body);
  }
  if (kind === 6) return frame(1, below(random, 16), id, below(random, 100_000));
  if (kind === 7) return frame(2, below(random, 3), 0, below(random, 1000));
  return mutate(random, frame(below(random, 2), 0, id, below(random, 20)));
}

function act(random: Random, bench: Bench): void {
  const handler = bench.handlers[below(random, bench.handlers.length)];
  const stream = handler?.streams[0];
  if (stream === undefined) return;
  const kind = below(random, 6);
  if (kind < 3) stream.write(randomBytes(random, 2000));
  else if (kind === 3) stream.end();
  else if (kind === 4) stream.reset();
  else handler?.onDrain(stream);
}

/** Whether all of the output is whole frames. */
function wellFormed(bytes: Uint8Array): boolean {
  let at = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  while (at + 12 <= bytes.length) {
    if (bytes[at] !== 0 || (bytes[at + 1] ?? 9) > 3) return false;
    at += 12 + (bytes[at + 1] === 0 ? view.getUint32(at + 8) : 0);
  }
  return at === bytes.length;
}

test("Muxer takes anything in any pieces, holds its bounds and answers in whole frames", () => {
  fuzz(5000, (random) => {
    const bench = new Bench();
    for (let round = 0; round < 12 && bench.isOpen; round++) {
      bench.now += below(random, 100);
      const bytes = concat(...Array.from({ length: 1 + below(random, 6) }, () => hostileFrame(random)));
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + below(random, bytes.length - at);
        bench.muxer.receive(bytes, at, end);
        at = end;
      }
      act(random, bench);
      expect(bench.muxer.streams).toBeLessThanOrEqual(bench.limits.streamsMax);
    }
    expect(wellFormed(bench.queue.peek(bench.queue.length))).toBe(true);
    for (const handler of bench.handlers) {
      const closes = handler.events.filter((event) => event.startsWith("close"));
      expect(closes.length).toBeLessThanOrEqual(1);
      if (closes.length > 0) expect(handler.events.at(-1)).toStartWith("close");
    }
  });
});
