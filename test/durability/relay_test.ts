/** The whole relay on a disk that loses its power and on one that fails to sync, with devices that append. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type Devices, newMailbox, openDevices, plain } from "../harness/device.ts";
import { spawnRelay, type SpawnedRelay } from "../harness/relay.ts";
import { requireOrSkip } from "../harness/require.ts";
import { countOf, lostFrom } from "./acknowledged.ts";
import { canInject, failSyncs } from "./fail_syncs.ts";
import { canLoop, makeDisk } from "./mount.ts";

const APPENDERS = 8;
const LOAD_MS = 1_000;

let devices: Devices;
beforeAll(async () => {
  devices = await openDevices();
});
afterAll(() => devices[Symbol.asyncDispose]());

interface Load {
  /** Leaves by mailbox and sequence number, of what the relay promised. */
  readonly acknowledged: Map<string, Map<number, string>>;
  /** What it said otherwise, in order. */
  readonly refusals: string[];
  /** Ends the load; resolves when no append is under way. */
  stop(): Promise<void>;
}

/** A device whose appends go on whatever they are answered, until the connection ends or it is told to stop. */
async function startLoad(relay: SpawnedRelay): Promise<Load> {
  const device = await devices.connect(relay.address);
  const box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  const promised = new Map<number, string>();
  const refusals: string[] = [];
  let stopped = false;
  const append = async (): Promise<void> => {
    while (!stopped) {
      const result = await device.session.command(plain(devices.crypto), { ...box, key: box.writer });
      if (result.is === "appended") promised.set(result.promise.seq, result.promise.leaf.toHex());
      else refusals.push(result.is === "refused" ? result.refusal.code : result.is);
      if (result.is !== "appended") await Bun.sleep(20);
    }
  };
  const running = Array.from({ length: APPENDERS }, () => append().catch(() => {}));
  return {
    acknowledged: new Map([[box.mailbox.toHex(), promised]]),
    refusals,
    async stop() {
      stopped = true;
      await device[Symbol.asyncDispose]();
      await Promise.all(running);
    },
  };
}

const loops = requireOrSkip("power loss of a relay (root, a loop device, mkfs.ext4)", canLoop());
const injects = requireOrSkip("failing syncs of a relay (strace -e inject)", canInject());

describe("a relay under load", () => {
  test.skipIf(!loops)("loses nothing that it promised before the power went", async () => {
    using disk = makeDisk(256);
    disk.mount();
    const dataDir = join(disk.path, "relay");
    mkdirSync(dataDir, { mode: 0o700 });
    const relay = await spawnRelay({ dataDir });
    const load = await startLoad(relay);
    await Bun.sleep(LOAD_MS);
    disk.cutPower();
    await relay.stop("SIGKILL");
    await load.stop();
    disk.unmount();
    disk.mount();
    expect(countOf(load.acknowledged)).toBeGreaterThan(0);
    await using again = await spawnRelay({ dataDir });
    expect((await again.get("/ready")).status).toBe(200);
    await again.stop();
    expect(await lostFrom({ url: null, path: join(dataDir, "relay.sqlite") }, load.acknowledged)).toEqual([]);
    disk.unmount();
  });

  test.skipIf(!injects)("promises nothing after a sync has failed, says why, and isn't ready", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "dchat-relay-eio-"));
    const log = `${dataDir}.trace`;
    const relay = await spawnRelay({ dataDir });
    const load = await startLoad(relay);
    await Bun.sleep(LOAD_MS / 2);
    {
      await using _ = await failSyncs([relay.pid], log);
      while (load.refusals.length < APPENDERS) await Bun.sleep(10);
    }
    const promised = countOf(load.acknowledged);
    await Bun.sleep(LOAD_MS / 2);
    expect(countOf(load.acknowledged)).toBe(promised);
    expect(readFileSync(log, "latin1")).toContain("(INJECTED)");
    expect(load.refusals).toContain("unavailable");
    expect((await relay.get("/ready")).status).toBe(503);
    expect((await relay.get("/health")).status).toBe(200);
    expect(relay.output()).toContain("the disk failed while syncing");
    await relay.stop("SIGKILL");
    await load.stop();
    expect(promised).toBeGreaterThan(0);
    expect(await lostFrom({ url: null, path: join(dataDir, "relay.sqlite") }, load.acknowledged)).toEqual([]);
    rmSync(dataDir, { recursive: true });
    rmSync(log);
  });
});
