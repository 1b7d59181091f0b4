/** A relay whose memory is full: those who are there go on, new work waits, and is taken once there is room. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandResult } from "../../core/client/mod.ts";
import { handler } from "../../core/edge/_kit.ts";
import { limit } from "../../core/ground/mod.ts";
import { PROTOCOL_ID } from "../../core/wire/mod.ts";
import { openPair } from "../harness/chat.ts";
import { runDchat } from "../harness/dchat.ts";
import { create, type Device, type Devices, newMailbox, openDevices, plain } from "../harness/device.ts";
import { limitCount, untilLimited } from "../harness/limits.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";

let devices: Devices;
let folder: string;
let config: string;

beforeAll(async () => {
  devices = await openDevices();
  folder = mkdtempSync(join(tmpdir(), "dchat-memory-"));
  config = join(folder, "dchat.toml");
});

afterAll(async () => {
  await devices[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function set(budget: string): void {
  writeFileSync(config, `[relay]\nmax_memory = "${budget}"\n`);
}

/** Why a stream that is opened now ends; null where it stays. */
async function streamEnds({ connection }: Device): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const stream = connection.open(
    PROTOCOL_ID,
    handler({ onData: () => resolve(null), onClose: (_stream, reason) => resolve(reason) }),
    null,
  );
  const ended = await promise;
  stream.reset();
  return ended;
}

async function fill(relay: SpawnedRelay): Promise<void> {
  set("16MiB");
  await relay.said("relay.max_memory is 16MiB, but this process holds ");
}

test("refuses connections, streams, mailboxes and subscriptions; appends and reads go on", async () => {
  set("0");
  await using relay = await spawnRelay({ args: ["--config", config] });
  await using device = await devices.connect(relay.address);
  const box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  await fill(relay);
  const other = newMailbox(devices.crypto, { relay: device.session.relay });
  const make = (): Promise<CommandResult> =>
    device.session.command(other.create, { ...other, key: other.owner });
  const append = (): Promise<CommandResult> =>
    device.session.command(plain(devices.crypto), { ...box, key: box.writer });
  const refusal = { code: "busy", retryMs: limit.MEMORY_RETRY_MS } as const;
  expect(await make()).toEqual({ is: "refused", refusal });
  expect(await streamEnds(device)).toBe("reset by the peer");
  const strangers = await Promise.allSettled([1, 2, 3].map(() => devices.connect(relay.address)));
  expect(strangers.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  for (let count = 0; count < 100; count++) expect((await append()).is).toBe("appended");
  const [key] = box.readers;
  if (key === undefined) throw new Error("no reader");
  const read = await device.session.read({ from: 0, bytesMax: 100_000 }, { ...box, key });
  expect(read.is).toBe("read");
  const over = Promise.withResolvers<unknown>();
  const sink = { entry: () => undefined, live: over.resolve, ended: over.resolve };
  device.session.subscribe(0, { ...box, key }, sink);
  expect(await over.promise).toEqual(refusal);
  expect(await limitCount(relay, "MEMORY_BYTES_MAX")).toBe(6);
  set("0");
  await relay.said('"applied":["relay.max_memory"]');
  while ((await make()).is !== "created") await Bun.sleep(50);
  expect(await streamEnds(device)).toBeNull();
  await using _late = await devices.connect(relay.address);
});

test("a device whose relay has no memory for its mailbox comes again, and what it said arrives", async () => {
  set("0");
  await using relay = await spawnRelay({ args: ["--config", config] });
  const { ann, bob } = await openPair(devices, relay.address);
  await ann.client.sync();
  await fill(relay);
  await ann.client.send({ to: "bob", text: "in time" });
  const syncing = ann.client.sync().catch(() => undefined);
  await untilLimited(relay, "MEMORY_BYTES_MAX");
  set("0");
  await syncing;
  for (let tries = 0; tries < 50; tries++) {
    await ann.client.sync();
    const [kept] = await ann.client.conversations();
    if (kept?.unsent === 0) break;
    await Bun.sleep(100);
  }
  await bob.client.sync();
  expect((await bob.client.history("ann")).map(({ text }) => text)).toEqual(["in time"]);
  expect([...ann.failures, ...bob.failures, ...ann.alarms, ...bob.alarms]).toEqual([]);
  for (const one of [ann, bob]) await one[Symbol.asyncDispose]();
}, 60_000);

test("a budget that the relay fills with nobody there is refused at the start, with both numbers", async () => {
  const { code, err } = await runDchat(
    ["relay", "--data-dir", join(folder, "data"), "--listen", "127.0.0.1:0"],
    { env: { DCHAT_RELAY_MAX_MEMORY: "16MiB" } },
  );
  expect(code).toBe(2);
  expect(err).toMatch(/relay\.max_memory is 16MiB, but this process holds \d+ MiB/);
  expect(err).toMatch(/set it to \d+MiB or more/);
});
