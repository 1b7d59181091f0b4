/** A relay that stands still: an edge process takes no more from devices than it may hold, and goes on with it later. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Socket } from "bun";
import { clock, crypto, handler, LIMITS, until } from "../_kit.ts";
import { openDialler } from "../dialler.ts";
import { certifyStatic } from "../own.ts";
import type { EdgeStream } from "../port.ts";
import { type Child, spawnChild } from "./_kit.ts";
import { FrameCutter, HEADER_BYTES, KIND, writeHeader } from "./frame.ts";
import { decodeReport, encodeJson, type Order } from "./order.ts";

const STREAMS = 60;
const DEVICES = 16;
const EACH_BYTES = 200 * 1024;

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

function freePort(): number {
  const trial = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  trial.stop(true);
  return trial.port;
}

/** The other end of a process's pipe, by hand: it starts it, and then reads only when it is told to. */
async function openStill({ fd }: Child, port: number, limits = LIMITS) {
  using identity = crypto.ed25519.generate();
  const listening = Promise.withResolvers<void>();
  const still = { socket: null as Socket | null, dataBytes: 0 };
  const order = (what: Order): void => {
    const payload = encodeJson(what);
    const bytes = new Uint8Array(HEADER_BYTES + payload.length);
    writeHeader(bytes, { kind: KIND.order, id: 0, length: payload.length });
    bytes.set(payload, HEADER_BYTES);
    still.socket?.write(bytes);
  };
  const cutter = new FrameCutter({
    onFrame(kind, _, payload) {
      if (kind === KIND.data) still.dataBytes += payload.length;
      const report = kind === KIND.report ? decodeReport(payload) : null;
      if (report?.is === "listening") listening.resolve();
      if (report?.is !== "key") return;
      const staticKey = Uint8Array.fromHex(report.staticKey);
      order({
        is: "start",
        start: {
          publicKey: identity.publicKey.toHex(),
          payload: certifyStatic(crypto, { identity, staticKey }).toHex(),
          addresses: [`127.0.0.1:${port}`],
          announce: null,
          protocolNames: [],
          limits,
          access: { allow: [], deny: [] },
          tls: null,
          agent: null,
        },
      });
    },
  });
  const options: Bun.FdSocketOptions = {
    fd,
    socket: { open: (socket) => void (still.socket = socket), data: (_, bytes) => cutter.push(bytes) },
  };
  await (Bun.connect as unknown as (options: Bun.FdSocketOptions) => Promise<Socket>)(options);
  await listening.promise;
  return still;
}

test("an edge process whose relay stands still stops reading, and nothing of what devices sent is lost", async () => {
  const child = spawnChild();
  const port = freePort();
  const still = await openStill(child, port);
  await using dialler = openDialler({ crypto, limits: LIMITS, clock });
  const connections = await Promise.all(
    Array.from({ length: DEVICES }, () => dialler.dial({ address: `/ip4/127.0.0.1/tcp/${port}` })),
  );
  still.socket?.pause();
  const before = residentBytes(child.pid);
  let written = 0;
  const bytes = new Uint8Array(EACH_BYTES);
  const pour = (stream: EdgeStream<{ at: number }>): void => {
    const taken = stream.write(bytes.subarray(stream.context.at));
    stream.context.at += taken;
    written += taken;
  };
  const pouring = handler<{ at: number }>({ onOpen: pour, onDrain: pour });
  for (const connection of connections) {
    for (let at = 0; at < STREAMS; at++) connection.open("/hold", pouring, { at: 0 });
  }
  // All that devices have is 188 MiB, of which some fits into the kernel's buffers.
  await until("devices wait", () => written > 0);
  for (let last = -1; last !== written; await Bun.sleep(300)) last = written;
  expect(written).toBeLessThan(STREAMS * DEVICES * EACH_BYTES);
  expect(residentBytes(child.pid) - before).toBeLessThan(64 * 1024 * 1024);
  await expect(dialler.dial({ address: `/ip4/127.0.0.1/tcp/${port}` })).rejects.toThrow();
  still.socket?.resume();
  await until("all came", () => still.dataBytes === STREAMS * DEVICES * EACH_BYTES);
  still.socket?.terminate();
  await child.exited;
}, 60_000);

test("an edge process whose relay stands still calls nobody silent whom it doesn't listen to", async () => {
  const child = spawnChild();
  const port = freePort();
  const still = await openStill(child, port, {
    ...LIMITS,
    keepaliveIntervalMs: 500,
    keepaliveTimeoutMs: 500,
  });
  await using dialler = openDialler({ crypto, limits: LIMITS, clock });
  const connections = await Promise.all(
    Array.from({ length: DEVICES }, () => dialler.dial({ address: `/ip4/127.0.0.1/tcp/${port}` })),
  );
  still.socket?.pause();
  const bytes = new Uint8Array(EACH_BYTES);
  const pour = (stream: EdgeStream<{ at: number }>): void => {
    stream.context.at += stream.write(bytes.subarray(stream.context.at));
  };
  const pouring = handler<{ at: number }>({ onOpen: pour, onDrain: pour });
  for (const connection of connections) connection.open("/hold", pouring, { at: 0 });
  await Bun.sleep(4000);
  expect(dialler.connections).toBe(DEVICES);
  still.socket?.resume();
  await until("all came", () => still.dataBytes === DEVICES * EACH_BYTES);
  expect(dialler.connections).toBe(DEVICES);
  still.socket?.terminate();
  await child.exited;
}, 20_000);
