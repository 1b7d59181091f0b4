/** A relay whose process has run out of open files: it neither spins nor dies, and takes connections again later. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Bare, connectBare } from "../../core/edge/_kit.ts";
import { create, type Device, type Devices, newMailbox, openDevices, plain } from "../harness/device.ts";
import { limitCount, portsOf, untilLimited } from "../harness/limits.ts";
import { relayCommand, type SpawnedRelay, spawnRelay } from "../harness/relay.ts";

const [bun = "", ...rest] = relayCommand;
const hog = resolve(import.meta.dir, "../harness/file_hog.ts");
/** Few open files, so that they are all taken at once. */
const command = ["sh", "-c", 'ulimit -n 400; exec "$@"', "sh", bun, "--preload", hog, ...rest];
const TICKS_PER_SECOND = 100;

let devices: Devices;
beforeAll(async () => {
  devices = await openDevices();
});
afterAll(() => devices[Symbol.asyncDispose]());

/** CPU that it took so far, user and system. */
function cpuMs({ pid }: SpawnedRelay): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return ((user + system) * 1000) / TICKS_PER_SECOND;
}

async function knock(port: number): Promise<Bare | null> {
  try {
    return await connectBare(port);
  } catch {
    return null;
  }
}

/** Knocks until it is let in. */
async function arrive(address: string): Promise<Device> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    try {
      return await devices.connect(address);
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await Bun.sleep(100);
    }
  }
}

/** What its API answers when asked whether it is ready, once it listens. */
async function untilReady(relay: SpawnedRelay): Promise<number> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    try {
      return (await relay.get("/ready")).status;
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await Bun.sleep(100);
    }
  }
}

test("a relay without open files takes nobody, spares its core, serves who is there, and listens again", async () => {
  await using relay = await spawnRelay({ command, ws: true });
  await using device = await devices.connect(relay.address);
  await using socket = await devices.connect(relay.file.addresses[1] ?? "");
  const box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  relay.signal("SIGUSR2");
  const ports = portsOf(relay);
  const knocking = await Promise.all(ports.flatMap((port) => Array.from({ length: 20 }, () => knock(port))));
  await untilLimited(relay, "OPEN_FILES");
  await Bun.sleep(500);
  const before = cpuMs(relay);
  for (const port of ports) expect(await knock(port)).toBeNull();
  for (const each of [device, socket]) {
    const appended = await each.session.command(plain(devices.crypto), { ...box, key: box.writer });
    expect(appended.is).toBe("appended");
  }
  await Bun.sleep(2000);
  expect(cpuMs(relay) - before).toBeLessThan(500);
  const shut = await relay.get("/ready");
  expect([shut.status, await shut.json()]).toEqual([503, { ready: false, reasons: ["listener"] }]);
  relay.signal("SIGUSR2");
  for (const address of relay.file.addresses) {
    await using again = await arrive(address);
    expect(again.session.relay).toEqual(device.session.relay);
  }
  expect((await relay.get("/ready")).status).toBe(200);
  expect(await limitCount(relay, "OPEN_FILES")).toBe(1);
  for (const each of knocking) each?.socket.terminate();
  expect(await relay.stop()).toBe(0);
});

test("a relay whose API and metrics are asked until no file is left spares its core, serves who is there, and answers again", async () => {
  await using relay = await spawnRelay({ command });
  await using device = await devices.connect(relay.address);
  const box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  const ports = [relay.file.api, relay.file.metrics].map((url) => Number(new URL(url).port));
  const asking = await Promise.all(ports.flatMap((port) => Array.from({ length: 400 }, () => knock(port))));
  for (const name of ["the API", "metrics"]) await relay.said(`${name} stops listening`);
  const before = cpuMs(relay);
  await Bun.sleep(2000);
  const appended = await device.session.command(plain(devices.crypto), { ...box, key: box.writer });
  expect(appended.is).toBe("appended");
  expect(cpuMs(relay) - before).toBeLessThan(500);
  for (const port of ports) expect(await knock(port)).toBeNull();
  for (const each of asking) each?.socket.terminate();
  await using again = await arrive(relay.address);
  expect(again.session.relay).toEqual(device.session.relay);
  expect(await untilReady(relay)).toBe(200);
  expect(await limitCount(relay, "OPEN_FILES")).toBe(1);
  expect(await relay.stop()).toBe(0);
}, 30_000);
