import { expect, test } from "bun:test";
import { limit } from "../../ground/mod.ts";
import { clock, connectBare, crypto, failure, gusher, handler, LIMITS, until } from "../_kit.ts";
import { identify, ping } from "../ask.ts";
import { openDialler } from "../dialler.ts";
import type { Dialler, EdgeConnection, EdgeStream } from "../port.ts";
import { dialInto, listenShared } from "./_kit.ts";

function dialler(): Dialler {
  return openDialler({ crypto, limits: LIMITS, clock });
}

/** Sends `bytes` on a stream of /echo, ends it, and returns what comes back until the other side ends it. */
async function echoed(connection: EdgeConnection, bytes: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const back: Uint8Array[] = [];
  let at = 0;
  const push = (stream: EdgeStream): void => {
    at += stream.write(bytes.subarray(at));
    if (at === bytes.length) stream.end();
  };
  connection.open(
    "/echo",
    handler({
      onOpen: push,
      onDrain: push,
      onData(stream, more) {
        back.push(new Uint8Array(more));
        stream.consume(more.length);
      },
      onClose: (_, reason) => resolve(reason),
    }),
    null,
  );
  expect(await promise).toBe("ended");
  return new Uint8Array(Buffer.concat(back));
}

/** Echoes whatever it gets, however much, and consumes what it could write. */
function patientEcho() {
  const waiting = new Map<EdgeStream, { parts: Uint8Array[]; ended: boolean }>();
  const push = (stream: EdgeStream): void => {
    const own = waiting.get(stream);
    if (own === undefined) return;
    for (let first = own.parts[0]; first !== undefined; first = own.parts[0]) {
      const taken = stream.write(first);
      stream.consume(taken);
      if (taken < first.length) {
        own.parts[0] = first.subarray(taken);
        return;
      }
      own.parts.shift();
    }
    if (own.ended) stream.end();
  };
  return handler({
    onOpen: (stream) => void waiting.set(stream, { parts: [], ended: false }),
    onData(stream, bytes) {
      waiting.get(stream)?.parts.push(new Uint8Array(bytes));
      push(stream);
    },
    onDrain: push,
    onEnd(stream) {
      const own = waiting.get(stream);
      if (own !== undefined) own.ended = true;
      push(stream);
    },
    onClose: (stream) => void waiting.delete(stream),
  });
}

test("an edge process is the relay to a device: identify, ping, an unknown protocol, the relay's PeerId", async () => {
  await using shared = await listenShared();
  await using dialling = dialler();
  const connection = await dialInto(shared, dialling);
  await ping(connection);
  const said = await identify(connection);
  expect(said.protocols).toContain("/echo");
  expect(connection.peer.text).toBe(shared.listener.peer.text);
  const refused = Promise.withResolvers<string>();
  connection.open("/unknown", handler({ onClose: (_, reason) => refused.resolve(reason) }), null);
  expect(await refused.promise).toBe("protocol refused");
  const [ours] = [...shared.listener];
  expect([ours?.remoteAddress, ours?.remotePort]).toEqual(["127.0.0.1", expect.any(Number)]);
  expect(shared.log.errors).toEqual([]);
});

test("a stream carries megabytes both ways, many at once, each its own, and half-closes", async () => {
  const protocols = patientEcho();
  await using shared = await listenShared({ protocols: () => protocols });
  await using dialling = dialler();
  const connection = await dialInto(shared, dialling);
  const sent = Array.from({ length: 20 }, (_, at) => crypto.random.bytes(at === 0 ? 2_000_000 : 50_000 + at));
  const back = await Promise.all(sent.map((bytes) => echoed(connection, bytes)));
  back.forEach((bytes, at) => expect(Buffer.compare(bytes, sent[at] ?? new Uint8Array(0))).toBe(0));
  await until("no stream is left", () => [...shared.listener].every(({ streams }) => streams === 0));
});

test("a relay opens streams to a device through the process, and hears where that can't be", async () => {
  await using shared = await listenShared();
  await using dialling = dialler();
  const got: string[] = [];
  const protocols = () =>
    handler({
      onData(stream, bytes) {
        got.push(new TextDecoder().decode(bytes));
        stream.write(new TextEncoder().encode("back"));
        stream.end();
      },
    });
  await dialInto(shared, dialling);
  const connection = await dialling.dial({ address: shared.address, protocols });
  await until("both are there", () => shared.log.connections.length - shared.log.reasons.length === 2);
  for (const ours of shared.listener) {
    const over = Promise.withResolvers<string[]>();
    const events: string[] = [];
    const stream = ours.open(
      "/hello",
      handler({
        onOpen: () => void events.push("open"),
        onData: (_, bytes) => void events.push(new TextDecoder().decode(bytes)),
        onEnd: (own) => own.end(),
        onClose: (_, reason) => over.resolve([...events, reason]),
      }),
      null,
    );
    stream.write(new TextEncoder().encode("hello"));
    // One of the two serves nothing.
    expect([["open", "back", "ended"], ["protocol refused"]]).toContainEqual(await over.promise);
  }
  expect(got).toEqual(["hello"]);
  const [gone] = [...shared.listener];
  connection.close("leaves", { hard: true });
  await dialling[Symbol.asyncDispose]();
  await until("all are gone", () => shared.listener.connections === 0);
  expect(() => gone?.open("/hello", handler({}), null)).toThrow();
});

test("who ends before being secured is counted with the reason, whichever process held the socket", async () => {
  await using shared = await listenShared();
  const port = Number(/tcp\/(\d+)/.exec(shared.address)?.[1]);
  const reason = "no common security protocol";
  for (let knocks = 1; knocks <= 16; knocks++) {
    const bare = await connectBare(port);
    bare.socket.write("\u0013/multistream/9.9.9\n");
    await until("it is cut off", () => bare.closed);
  }
  await until("all are counted", () => shared.log.failures.length === 16);
  expect(new Set(shared.log.failures)).toEqual(new Set([reason]));
});

test("a process over its memory budget resets new streams, counts them, and carries those that are there", async () => {
  await using shared = await listenShared();
  await using dialling = dialler();
  const connection = await dialInto(shared, dialling);
  let came = 0;
  const counting = handler({ onData: (_, bytes) => void (came += bytes.length) });
  const there = connection.open("/echo", counting, null);
  there.write(new Uint8Array(10));
  await until("it answers", () => came === 10);
  shared.listener.setLimits({ ...LIMITS, memoryBytesMax: 1 });
  await until("it is full", () => shared.listener.isMemoryFull);
  const reason = await new Promise<string>((resolve) => {
    connection.open("/echo", handler({ onClose: (_, why) => resolve(why) }), null);
  });
  expect(reason).toBe("reset by the peer");
  there.write(new Uint8Array(10));
  await until("it answers still", () => came === 20);
  await until("it is counted", () => shared.log.limits.includes("MEMORY_BYTES_MAX"));
  expect(shared.log.reasons).toEqual([]);
});

test("a device that takes nothing makes its writer wait; it holds its window and the process's share, no more", async () => {
  let written = 0;
  const counted = handler({
    onOpen: (stream) => {
      const write = stream.write.bind(stream);
      stream.write = (bytes) => {
        const taken = write(bytes);
        written += taken;
        return taken;
      };
      gusher.onOpen(stream);
    },
    onDrain: (stream) => gusher.onDrain(stream),
  });
  await using shared = await listenShared({ protocols: () => counted });
  await using dialling = dialler();
  const connection = await dialInto(shared, dialling);
  let stream: EdgeStream | null = null;
  let came = 0;
  const onData = (own: EdgeStream, bytes: Uint8Array): void => {
    stream = own;
    came += bytes.length;
  };
  connection.open("/gush", handler({ onData }), null);
  const most = limit.YAMUX_WINDOW_BYTES + limit.EDGE_STREAM_HELD_BYTES_MAX;
  // The protocol's name takes a few bytes of the first window.
  const window = (): number => came + 100;
  await until("its window is full", () => window() > limit.YAMUX_WINDOW_BYTES);
  await until("the process holds its share", () => written > limit.YAMUX_WINDOW_BYTES);
  // Nothing more comes meanwhile, however long it takes.
  await ping(connection);
  await ping(connection);
  expect(written).toBeLessThanOrEqual(most);
  // It takes what came, and so much more is written.
  const taken = stream as EdgeStream | null;
  taken?.consume(came);
  await until("more comes", () => window() > 2 * limit.YAMUX_WINDOW_BYTES);
  expect(written).toBeLessThanOrEqual(most + limit.YAMUX_WINDOW_BYTES);
});

test("streams that all want more than the pipe takes get their turns", async () => {
  await using shared = await listenShared();
  await using dialling = dialler();
  const came: number[] = [];
  for (let at = 0; at < 4; at++) {
    const connection = await dialInto(shared, dialling);
    for (let stream = 0; stream < 15; stream++) {
      const place = came.push(0) - 1;
      const onData = (own: EdgeStream, bytes: Uint8Array): void => {
        came[place] = (came[place] ?? 0) + bytes.length;
        own.consume(bytes.length);
      };
      connection.open("/gush", handler({ onData }), null);
    }
  }
  await until("each got its part", () => Math.min(...came) > 1024 * 1024);
});

test("a relay that consumes nothing makes the device wait after one window", async () => {
  let came = 0;
  let stream: EdgeStream | null = null;
  const onData = (own: EdgeStream, bytes: Uint8Array): void => {
    stream = own;
    came += bytes.length;
  };
  const holding = handler({ onData });
  await using shared = await listenShared({ protocols: () => holding });
  await using dialling = dialler();
  const connection = await dialInto(shared, dialling);
  const pour = (own: EdgeStream): void => void own.write(new Uint8Array(1 << 20));
  connection.open("/hold", handler({ onOpen: pour, onDrain: pour }), null);
  const first = (): number => came;
  await until("a window came", () => first() > limit.YAMUX_WINDOW_BYTES - 100);
  await ping(connection);
  expect(came).toBeLessThanOrEqual(limit.YAMUX_WINDOW_BYTES);
  const before = came;
  (stream as EdgeStream | null)?.consume(came);
  await until("more came", () => first() > before + limit.YAMUX_WINDOW_BYTES / 2);
});

test("one ledger counts for all: connections in all, by PeerId, by access lists, whoever holds them", async () => {
  await using shared = await listenShared({ limits: { connectionsMax: 30, connectionsPerPeerMax: 12 } });
  await using others = dialler();
  // One is the process's for certain: where places are few, the listener's own devices may take the rest.
  await dialInto(shared, others);
  using identity = crypto.ed25519.generate();
  await using same = openDialler({ crypto, limits: LIMITS, clock, identity });
  const dials = Array.from({ length: 20 }, () => same.dial({ address: shared.address }));
  await Promise.allSettled(dials);
  await until("those of one PeerId", () => shared.listener.connections === 13 && same.connections === 12);
  expect(shared.log.limits).toEqual(Array.from({ length: 8 }, () => "CONNECTIONS_PER_PEER_MAX"));
  const more = await Promise.allSettled(
    Array.from({ length: 30 }, () => others.dial({ address: shared.address })),
  );
  expect(more.filter(({ status }) => status === "fulfilled").length).toBeGreaterThanOrEqual(17);
  await until("no more than may be", () => others.connections === 18);
  expect(shared.listener.connections).toBe(30);
  expect(shared.log.limits.filter((name) => name === "CONNECTIONS_MAX")).toHaveLength(13);
  expect(shared.process.connections).toBeGreaterThan(0);
  shared.listener.setAccess({ allow: [], deny: [same.connections > 0 ? peerOf(shared.listener, 12) : ""] });
  await until("one PeerId is out", () => shared.listener.connections === 18 && same.connections === 0);
});

/** The PeerId that `count` connections have. */
function peerOf(connections: Iterable<EdgeConnection>, count: number): string {
  const counts = new Map<string, number>();
  for (const { peer } of connections) counts.set(peer.text, (counts.get(peer.text) ?? 0) + 1);
  return [...counts].find(([, each]) => each === count)?.[0] ?? "";
}

test("a process that dies takes its connections along and nothing else; the ledger is right afterwards", async () => {
  await using shared = await listenShared({ limits: { connectionsMax: 12 } });
  await using dialling = dialler();
  await dialInto(shared, dialling);
  while (dialling.connections < 12) await dialling.dial({ address: shared.address });
  const secured = (): number => shared.log.connections.length - shared.log.reasons.length;
  await until("all are counted", () => shared.listener.connections === 12 && secured() === 12);
  const left = shared.listener.connections - shared.process.connections;
  const [dead] = [...shared.listener].slice(left);
  const closed = Promise.withResolvers<string>();
  dead?.open("/x", handler({ onClose: (_, reason) => closed.resolve(reason) }), null);
  shared.child.kill();
  await shared.process.ended;
  expect(await closed.promise).toBe("edge process ended");
  expect(() => dead?.open("/x", handler({}), null)).toThrow("the connection is closed");
  expect(shared.listener.connections).toBe(left);
  await until("the devices know", () => dialling.connections === left);
  expect(shared.log.reasons.filter((reason) => reason === "edge process ended")).toHaveLength(12 - left);
  // What it held is free again.
  while (dialling.connections < 12) await dialling.dial({ address: shared.address });
  expect(await failure(dialling.dial({ address: shared.address }))).toBeInstanceOf(Error);
  expect(shared.listener.connections).toBe(12);
});

test("a process that hangs is ended with all that it held, and one that runs isn't", async () => {
  await using shared = await listenShared({ askMs: 100 });
  await using dialling = dialler();
  const connection = await dialInto(shared, dialling);
  await Bun.sleep(500);
  await ping(connection);
  shared.child.freeze();
  expect(await shared.process.ended).toBe("it hangs");
  expect(shared.log.reasons).toContain("edge process ended");
  expect(shared.listener.connections).toBe(0);
  shared.child.kill();
});

test("a listener listens as long as one of its processes does", async () => {
  await using shared = await listenShared({ askMs: 50 });
  expect(shared.listener.isListening).toBe(true);
  shared.child.kill();
  await shared.process.ended;
  expect(shared.listener.isListening).toBe(true);
  await using stopping = await listenShared({ askMs: 50 });
  stopping.listener.stopAccepting();
  // Until the process has said so.
  await until("none listens", () => !stopping.listener.isListening);
});
