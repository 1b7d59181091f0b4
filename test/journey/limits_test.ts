/** Every limit of a connection, set by an operator: what goes beyond it is stopped, and the metrics say how often. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBare, connectHostile, handler, until } from "../../core/edge/_kit.ts";
import { openDialler } from "../../core/edge/mod.ts";
import { limit } from "../../core/ground/mod.ts";
import { frame } from "../../core/link/_pair.ts";
import { PROTOCOL_ID } from "../../core/wire/mod.ts";
import { clock, type Devices, limits, openDevices } from "../harness/device.ts";
import { limitCount, metric, portsOf, untilLimited } from "../harness/limits.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";

const TYPE = { data: 0, windowUpdate: 1, ping: 2 } as const;
const FLAG = { syn: 1, rst: 8 } as const;
const KIB = 1024;
const STREAMS = 8;
const OPENS_PER_SECOND = 10;
const OPENS_BURST = (OPENS_PER_SECOND * limit.RATE_BURST_MS) / 1000;

const SETTINGS = `[relay]
max_streams = ${STREAMS}
max_stream_opens_per_second = ${OPENS_PER_SECOND}
max_stream_frame = "64KiB"
stream_window = "512KiB"
max_output = "160KiB"
slow_reader_timeout = "1s"
`;

let devices: Devices;
let folder: string;
let config: string;
let relay: SpawnedRelay;

beforeAll(async () => {
  devices = await openDevices();
  folder = mkdtempSync(join(tmpdir(), "dchat-limits-"));
  config = join(folder, "dchat.toml");
  writeFileSync(config, SETTINGS);
  relay = await spawnRelay({ args: ["--config", config], ws: true });
});

afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await devices[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Pings, each of which is answered. */
function pings(count: number): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, () => frame(TYPE.ping, FLAG.syn, 0, 7)));
}

describe("a relay whose limits of connections are set", () => {
  test("cuts off a handshake message that nobody needs", async () => {
    const [port = 0] = portsOf(relay);
    const bare = await connectBare(port);
    bare.socket.write(new TextEncoder().encode("\u0013/multistream/1.0.0\n\u0007/noise\n"));
    bare.socket.write(Uint8Array.of(0xff, 0xff));
    await untilLimited(relay, "NOISE_HANDSHAKE_BYTES_MAX");
    await until("it is cut off", () => bare.closed);
  });

  test("lets a stream's window be sent ahead", async () => {
    await using dialler = openDialler({
      crypto: devices.crypto,
      clock,
      limits: { ...limits, outputBytesMax: 1024 * KIB },
    });
    const connection = await dialler.dial({ address: relay.address });
    const stream = connection.open(PROTOCOL_ID, handler({}), null);
    await until("the window is wide", () => stream.writable > 500 * KIB);
    expect(stream.writable).toBeLessThanOrEqual(512 * KIB);
  });

  test("cuts off who sends a longer frame, and counts it", async () => {
    const [port = 0] = portsOf(relay);
    const hostile = await connectHostile(port);
    hostile.send(frame(TYPE.data, FLAG.syn, 1, 64 * KIB + 1));
    await until("it is cut off", () => hostile.closed);
    expect(await limitCount(relay, "STREAM_FRAME_BYTES_MAX")).toBe(1);
  });

  test("refuses streams beyond their number and their rate, reset or not, and counts each", async () => {
    const [port = 0] = portsOf(relay);
    const many = await connectHostile(port);
    for (let at = 0; at < STREAMS + 3; at++) many.send(frame(TYPE.windowUpdate, FLAG.syn, 2 * at + 1, 0));
    await untilLimited(relay, "STREAMS_MAX", 3);
    const rapid = await connectHostile(port);
    for (let at = 0; at < OPENS_BURST + 100; at++) {
      const opened = frame(TYPE.windowUpdate, FLAG.syn, 2 * at + 1, 0);
      rapid.send(Buffer.concat([opened, frame(TYPE.windowUpdate, FLAG.rst, 2 * at + 1, 0)]));
    }
    await untilLimited(relay, "STREAM_OPENS_PER_SECOND", 50);
    expect(await limitCount(relay, "STREAM_OPENS_PER_SECOND")).toBeLessThanOrEqual(100);
    expect([many.closed, rapid.closed]).toEqual([false, false]);
    for (const each of [many, rapid]) each.socket.terminate();
  });

  test("queues so much for who reads nothing, then drops it, with the reason", async () => {
    const [port = 0] = portsOf(relay);
    const deaf = await connectHostile(port);
    deaf.socket.pause();
    const flood = pings(5000);
    for (let count = 0; count < 700; count++) deaf.send(flood);
    await untilLimited(relay, "LINK_OUTPUT_MARK_BYTES");
    await untilLimited(relay, "SLOW_READER_TIMEOUT_MS");
    expect(await metric(relay, 'dchat_connections_closed_total{reason="slow reader"}')).toBeGreaterThan(0);
    deaf.socket.terminate();
  });

  test("holds those who are there to what changes, and says what waits for a restart", async () => {
    const [port = 0] = portsOf(relay);
    const there = await connectHostile(port);
    const before = await limitCount(relay, "STREAM_FRAME_BYTES_MAX");
    const changed = SETTINGS.replace('frame = "64KiB"', 'frame = "128KiB"').replace("512KiB", "256KiB");
    writeFileSync(config, changed);
    await relay.said('"applied":["relay.max_stream_frame"]');
    await relay.said('"waiting":["relay.stream_window"]');
    there.send(frame(TYPE.data, 0, 99, 128 * KIB, new Uint8Array(128 * KIB)));
    there.send(frame(TYPE.data, 0, 99, 128 * KIB + 1));
    await until("it is cut off", () => there.closed);
    expect(await limitCount(relay, "STREAM_FRAME_BYTES_MAX")).toBe(before + 1);
  });
});

describe("a relay as it comes", () => {
  test("cuts off who writes beyond a stream's window, counts it, and leaves loopback's rate alone", async () => {
    await using own = await spawnRelay();
    const [port = 0] = portsOf(own);
    const hostile = await connectHostile(port);
    const line = new TextEncoder().encode("\u0013/multistream/1.0.0\n");
    hostile.send(frame(TYPE.data, FLAG.syn, 1, line.length, line));
    // What is announced counts, before its bytes come.
    hostile.send(frame(TYPE.data, 0, 1, limit.YAMUX_WINDOW_BYTES));
    await until("it is cut off", () => hostile.closed);
    expect(await limitCount(own, "STREAM_WINDOW_BYTES")).toBe(1);
    const bare = await Promise.all(Array.from({ length: 300 }, () => connectBare(port)));
    for (const each of bare) each.socket.terminate();
    expect(await limitCount(own, "ACCEPTS_PER_SECOND_MAX")).toBe(0);
  });

  test("holds loopback to a rate that is set, were it the default's number", async () => {
    await using own = await spawnRelay({
      env: { DCHAT_RELAY_MAX_ACCEPTS_PER_SECOND: String(limit.ACCEPTS_PER_SECOND_MAX_DEFAULT) },
    });
    const [port = 0] = portsOf(own);
    const tried = await Promise.allSettled(Array.from({ length: 300 }, () => connectBare(port)));
    await untilLimited(own, "ACCEPTS_PER_SECOND_MAX", 20);
    for (const each of tried) if (each.status === "fulfilled") each.value.socket.terminate();
  });
});
