import { describe, expect, test } from "bun:test";
import {
  ANY_PORT,
  LIMITS,
  clock,
  connectBare,
  connectHostile,
  crypto,
  failure,
  handler,
  listen,
  until,
} from "./_kit.ts";
import { openDialler } from "./dialler.ts";
import { openListener } from "./listener.ts";
import type { Dialler, EdgeConnection } from "./port.ts";

function dialler(): Dialler {
  return openDialler({ crypto, limits: LIMITS, clock });
}

/** Sends `text` on a fresh stream of /echo and returns what comes back. */
async function echoed(connection: EdgeConnection, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let back = "";
  const stream = connection.open(
    "/echo",
    handler({
      onData(_stream, bytes) {
        back += new TextDecoder().decode(bytes);
        if (back.length === text.length) resolve(back);
      },
      onClose: (_stream, reason) => reject(new Error(reason)),
    }),
    null,
  );
  stream.write(new TextEncoder().encode(text));
  return promise;
}

describe("openListener()", () => {
  test("says host and port where it can't bind, and then listens on none of its addresses", async () => {
    await using taken = await listen();
    await using free = await listen();
    const port = free.port;
    await free[Symbol.asyncDispose]();
    const wanted = [`127.0.0.1:${port}`, `127.0.0.1:${taken.port}`];
    expect((await failure(listen({}, wanted))).message).toContain(`Cannot listen on 127.0.0.1:${taken.port}`);
    await using again = await listen({}, [`127.0.0.1:${port}`]);
    expect(again.port).toBe(port);
    expect((await failure(listen({}, [`/ip4/127.0.0.1/tcp/${taken.port}/ws`]))).message).toContain(
      "Cannot listen on 127.0.0.1",
    );
    expect((await failure(listen({}, ["nonsense"]))).message).toContain("Cannot read the address");
  });

  test("names the ports it took, on IPv4, IPv6 and WebSocket, and serves each", async () => {
    await using ours = await listen({}, ["127.0.0.1:0", "[::1]:0", "/ip4/127.0.0.1/tcp/0/ws"]);
    await using dialling = dialler();
    expect(ours.listener.addresses).toHaveLength(3);
    for (const address of ours.listener.addresses) {
      expect(address).not.toContain("/tcp/0");
      const connection = await dialling.dial({ address: `${address}/p2p/${ours.listener.peer.text}` });
      expect(await echoed(connection, address)).toBe(address);
    }
    expect(ours.listener.connections).toBe(3);
    expect([...ours.listener]).toEqual(ours.log.connections);
  });

  test("turns away the connection after the last, says which limit, and takes the next once one has gone", async () => {
    await using ours = await listen({ connectionsMax: 2 });
    await using dialling = dialler();
    const first = await dialling.dial({ address: ours.address });
    await dialling.dial({ address: ours.address });
    expect((await failure(dialling.dial({ address: ours.address }))).message).toContain("Cannot");
    expect(ours.log.limits).toEqual(["CONNECTIONS_MAX"]);
    first.close("enough");
    await until("one is gone", () => ours.listener.connections === 1);
    await dialling.dial({ address: ours.address });
  });

  test("counts by address, and setLimits() counts from then on", async () => {
    await using ours = await listen({ connectionsPerAddressMax: 1 });
    await using dialling = dialler();
    await dialling.dial({ address: ours.address });
    expect((await failure(dialling.dial({ address: ours.address }))).message).toContain("Cannot");
    expect(ours.log.limits).toEqual(["CONNECTIONS_PER_ADDRESS_MAX"]);
    ours.listener.setLimits({ ...LIMITS, connectionsPerAddressMax: 2 });
    await dialling.dial({ address: ours.address });
  });

  test("bounds handshakes under way, on TCP and on WebSocket, and ends those that take too long", async () => {
    for (const address of ["127.0.0.1:0", "/ip4/127.0.0.1/tcp/0/ws"]) {
      await using ours = await listen({ handshakesMax: 1, handshakeTimeoutMs: 400 }, [address]);
      await using dialling = dialler();
      const silent = address.startsWith("/") ? new WebSocket(`ws://127.0.0.1:${ours.port}/`) : null;
      if (silent === null) await connectBare(ours.port);
      await until("it is counted", () => ours.listener.connections === 1);
      expect((await failure(dialling.dial({ address: ours.address }))).message).toContain("Cannot");
      expect(ours.log.limits).toEqual(["HANDSHAKES_MAX"]);
      await until("the silent one is cut off", () => ours.listener.connections === 0);
      expect(ours.log.limits).toEqual(["HANDSHAKES_MAX", "HANDSHAKE_TIMEOUT_MS"]);
      await dialling.dial({ address: ours.address });
      expect(ours.log.reasons).toEqual([]);
    }
  });

  test("drops a peer that is silent and doesn't answer a ping, and keeps one that does", async () => {
    await using ours = await listen({ keepaliveIntervalMs: 600, keepaliveTimeoutMs: 600 });
    await using dialling = dialler();
    const honest = await dialling.dial({ address: ours.address });
    const dead = await connectHostile(ours.port);
    dead.socket.pause();
    await until("the dead one is dropped", () => ours.listener.connections === 1);
    expect(ours.log.reasons).toEqual(["peer did not answer"]);
    await Bun.sleep(1400);
    expect(await echoed(honest, "still here")).toBe("still here");
  });

  test("asks as often as it is told to, however long an answer may take, and a new interval holds for who is there", async () => {
    await using ours = await listen({ keepaliveIntervalMs: 60_000, keepaliveTimeoutMs: 30_000 });
    await using dialling = dialler();
    await dialling.dial({ address: ours.address });
    await until("it is there", () => ours.log.connections.length === 1);
    await Bun.sleep(300);
    const before = ours.log.writes;
    ours.listener.setLimits({ ...LIMITS, keepaliveIntervalMs: 500, keepaliveTimeoutMs: 30_000 });
    await until("it is asked again and again", () => ours.log.writes >= before + 3);
    expect(ours.log.reasons).toEqual([]);
  });

  test("calls nobody silent for a stall of its own", async () => {
    await using ours = await listen({ keepaliveIntervalMs: 300, keepaliveTimeoutMs: 600 });
    await using dialling = dialler();
    const connection = await dialling.dial({ address: ours.address });
    await until("it is there", () => ours.log.connections.length === 1);
    const { log } = ours;
    const pinged = log.writes + 1;
    const bytes = log.bytes.bind(log);
    log.bytes = (received, sent) => {
      bytes(received, sent);
      // The ping has left, and nothing is read or answered until its time is over.
      if (sent > 0 && log.writes === pinged) Bun.sleepSync(1500);
    };
    await until("a ping went out", () => log.writes >= pinged);
    await Bun.sleep(1000);
    expect(log.reasons).toEqual([]);
    expect(await echoed(connection, "alive")).toBe("alive");
  });

  test("keeps deadlines where it stalls over and over", async () => {
    await using ours = await listen({ handshakeTimeoutMs: 500 });
    await connectBare(ours.port);
    await until("it is there", () => ours.listener.connections === 1);
    for (let turn = 0; turn < 4; turn++) {
      Bun.sleepSync(1050);
      await Bun.sleep(1);
    }
    expect(ours.log.failures).toEqual(["handshake timed out"]);
  });

  test("drops a reader that takes nothing, and no more than the mark waited for it", async () => {
    await using ours = await listen({ slowReaderTimeoutMs: 400 });
    const slow = await connectHostile(ours.port);
    const nothing = { onOpen() {}, onData() {}, onEnd() {}, onClose() {}, onDrain() {} };
    slow.link.open("/gush", nothing, null);
    slow.send(new Uint8Array(0));
    // It grants a window of 64 MiB and then reads no more.
    slow.send(Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0));
    slow.socket.pause();
    await until("the slow one is dropped", () => ours.log.reasons.length === 1);
    expect(ours.log.reasons).toEqual(["slow reader"]);
    expect(ours.log.limits.at(-1)).toBe("SLOW_READER_TIMEOUT_MS");
    expect(new Set(ours.log.limits.slice(0, -1))).toEqual(new Set(["LINK_OUTPUT_MARK_BYTES"]));
    expect(ours.listener.connections).toBe(0);
  });

  test("writes once for all that a tick put on a connection", async () => {
    await using ours = await listen();
    await using dialling = dialler();
    const connection = await dialling.dial({ address: ours.address });
    await echoed(connection, "open");
    const served = ours.log.connections[0];
    if (served === undefined) throw new Error("no connection");
    await Bun.sleep(20);
    const before = ours.log.writes;
    for (let index = 0; index < 20; index++)
      served.open("/nobody", handler({}), null).write(new Uint8Array(100));
    await Bun.sleep(20);
    // One flight with all twenty, and one that resets them after the refusals.
    expect(ours.log.writes - before).toBeLessThanOrEqual(2);
  });

  test("drain() tells all to go, waits for streams under way, and closes hard at its deadline", async () => {
    await using ours = await listen();
    await using dialling = dialler();
    const idle = await dialling.dial({ address: ours.address });
    const busy = await dialling.dial({ address: ours.address });
    await until("both are there", () => ours.log.connections.length === 2);
    const { promise, resolve } = Promise.withResolvers<string>();
    const stream = busy.open("/hold", handler({ onClose: (_stream, reason) => resolve(reason) }), null);
    await until("the stream is there", () => [...ours.listener].some((one) => one.streams === 1));
    const started = performance.now();
    const draining = ours.listener.drain(clock.monotonic() + 600);
    await until("the idle one has gone", () => ours.listener.connections === 1);
    expect(() => busy.open("/echo", handler({}), null)).toThrow("going away");
    expect(stream.write(new Uint8Array(10))).toBe(10);
    expect((await failure(dialling.dial({ address: ours.address }))).message).toContain("Cannot connect");
    await draining;
    expect(performance.now() - started).toBeGreaterThanOrEqual(500);
    expect(await promise).toBe("connection closed");
    expect(ours.listener.connections).toBe(0);
    expect(() => idle.open("/echo", handler({}), null)).toThrow("not open");
  });

  test("drain() is over as soon as all have gone", async () => {
    await using ours = await listen();
    await using dialling = dialler();
    await dialling.dial({ address: ours.address });
    await until("it is there", () => ours.log.connections.length === 1);
    await ours.listener.drain(clock.monotonic() + 60_000);
    expect(ours.log.reasons).toEqual(["went away"]);
  });
});

describe("dial()", () => {
  test("has another PeerId on each connection, unless it was given one", async () => {
    await using ours = await listen();
    await using dialling = dialler();
    await dialling.dial({ address: ours.address });
    await dialling.dial({ address: ours.address });
    using identity = crypto.ed25519.generate();
    await using known = openDialler({ crypto, limits: LIMITS, clock, identity });
    await known.dial({ address: ours.address });
    await known.dial({ address: ours.address });
    await until("all are there", () => ours.log.connections.length === 4);
    const peers = ours.log.connections.map((connection) => connection.peer.text);
    expect(new Set(peers).size).toBe(3);
    expect(peers[2]).toBe(peers[3] ?? "");
  });

  test("throws edge/dial where nobody listens, edge/handshake where no libp2p answers or another peer does", async () => {
    await using ours = await listen();
    await using dialling = dialler();
    const nobody = dialling.dial({ address: "/ip4/127.0.0.1/tcp/1" });
    expect(await failure(nobody)).toMatchObject({ code: "edge/dial" });
    const noSocket = dialling.dial({ address: "/ip4/127.0.0.1/tcp/1/ws" });
    expect(await failure(noSocket)).toMatchObject({ code: "edge/dial" });
    const web = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    const other = dialling.dial({ address: `/ip4/127.0.0.1/tcp/${web.port}` });
    expect(await failure(other)).toMatchObject({ code: "edge/handshake" });
    await web.stop(true);
    using stranger = crypto.ed25519.generate();
    await using impostor = await openListener({
      crypto,
      identity: stranger,
      addresses: ["127.0.0.1:0"],
      limits: LIMITS,
      protocols: () => null,
      protocolNames: [],
      events: ours.log,
      clock,
    });
    const address = `${impostor.addresses[0]}/p2p/${ours.listener.peer.text}`;
    expect((await failure(dialling.dial({ address }))).message).toContain("another peer answered");
    await until("nothing is left", () => dialling.connections === 0);
  });

  test("stops when its signal aborts, before and during", async () => {
    await using dialling = dialler();
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const address = `/ip4/127.0.0.1/tcp/${silent.port}`;
    expect(
      (await failure(dialling.dial({ address, signal: AbortSignal.abort(new Error("no")) }))).message,
    ).toContain("no");
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 50);
    expect((await failure(dialling.dial({ address, signal: controller.signal }))).message).toContain(
      "enough",
    );
    expect(dialling.connections).toBe(0);
    silent.stop(true);
  });

  test("gives up where no connection comes about, in the handshake's time or when its signal aborts", async () => {
    // A server that never answers the request: the WebSocket doesn't open.
    let connected = 0;
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { open: () => void connected++, close: () => void connected--, data() {} },
    });
    await using impatient = openDialler({ crypto, limits: { ...LIMITS, handshakeTimeoutMs: 300 }, clock });
    const address = `/ip4/127.0.0.1/tcp/${silent.port}/ws`;
    expect(await failure(impatient.dial({ address }))).toMatchObject({ code: "edge/dial" });
    await using patient = dialler();
    const signal = AbortSignal.timeout(100);
    expect((await failure(patient.dial({ address, signal }))).name).toBe("TimeoutError");
    await until("nothing is left of them", () => connected === 0);
    silent.stop(true);
  });

  test("gives up on a listener that never finishes the handshake", async () => {
    await using impatient = openDialler({ crypto, limits: { ...LIMITS, handshakeTimeoutMs: 300 }, clock });
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const dialling = impatient.dial({ address: `/ip4/127.0.0.1/tcp/${silent.port}` });
    expect((await failure(dialling)).message).toContain("handshake timed out");
    silent.stop(true);
  });

  test("serves the streams that the listener opens, where it is told how", async () => {
    await using ours = await listen();
    await using dialling = dialler();
    const { promise, resolve } = Promise.withResolvers<string>();
    const served = handler({ onData: (_stream, bytes) => resolve(new TextDecoder().decode(bytes)) });
    await dialling.dial({ address: ours.address, protocols: (name) => (name === "/mine" ? served : null) });
    await until("it is there", () => ours.log.connections.length === 1);
    ours.log.connections[0]?.open("/mine", handler({}), null).write(new TextEncoder().encode("for you"));
    expect(await promise).toBe("for you");
  });

  test("close() lets what was written go out first", async () => {
    await using ours = await listen();
    await using dialling = dialler();
    const connection = await dialling.dial({ address: ours.address });
    connection.open("/echo", handler({}), null).write(new Uint8Array(200_000));
    const before = ours.log.received;
    connection.close("done");
    await until("it closed", () => ours.log.reasons.length === 1);
    expect(ours.log.received - before).toBeGreaterThan(200_000);
    expect(() => connection.open("/echo", handler({}), null)).toThrow("not open");
  });

  for (const transport of ["tcp", "ws"] as const) {
    test(`close() lets what was written go out where the other end still sends, on ${transport}`, async () => {
      await using ours = await listen({}, [ANY_PORT[transport]]);
      await using dialling = dialler();
      let came = 0;
      const count = handler({ onData: (_stream, bytes) => void (came += bytes.length) });
      const connection = await dialling.dial({ address: ours.address, protocols: () => count });
      await until("it is there", () => ours.log.connections.length === 1);
      const [from] = ours.log.connections;
      from?.open("/count", handler({}), null).write(new Uint8Array(200_000));
      // Both leave in the next turn of the loop, the dialler's first: the listener's socket ends with input unread.
      connection.open("/hold", handler({}), null).write(new Uint8Array(200_000));
      from?.close("done");
      await until("both closed", () => ours.listener.connections + dialling.connections === 0);
      expect([came, ...ours.log.reasons]).toEqual([200_000, "done"]);
    });
  }
});
