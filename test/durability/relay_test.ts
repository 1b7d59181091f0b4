/** The whole relay on a disk that loses its power and on one that fails to sync, with devices that append. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Devices, openDevices } from "../harness/device.ts";
import { spawnRelay } from "../harness/relay.ts";
import { requireOrSkip } from "../harness/require.ts";
import { countOf, lostFrom } from "./acknowledged.ts";
import { canInject, failSyncs } from "./fail_syncs.ts";
import { canLoop, makeDisk } from "./mount.ts";
import { expectStoreAway, startLoad } from "./relay_load.ts";

const LOAD_MS = 1_000;

let devices: Devices;
beforeAll(async () => {
  devices = await openDevices();
});
afterAll(() => devices[Symbol.asyncDispose]());

const loops = requireOrSkip("power loss of a relay (root, a loop device, mkfs.ext4)", canLoop());
const injects = requireOrSkip("failing syncs of a relay (strace -e inject)", canInject());

describe("a relay under load", () => {
  test.skipIf(!loops)("loses nothing that it promised before the power went", async () => {
    using disk = makeDisk(256);
    disk.mount();
    const dataDir = join(disk.path, "relay");
    mkdirSync(dataDir, { mode: 0o700 });
    const relay = await spawnRelay({ dataDir });
    const load = await startLoad(devices, relay);
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
    const load = await startLoad(devices, relay);
    await Bun.sleep(LOAD_MS / 2);
    {
      await using _ = await failSyncs([relay.pid], log);
      await load.refused();
    }
    expect(readFileSync(log, "latin1")).toContain("(INJECTED)");
    await expectStoreAway(relay, load);
    await relay.said("the disk failed while syncing");
    await relay.stop("SIGKILL");
    await load.stop();
    expect(countOf(load.acknowledged)).toBeGreaterThan(0);
    expect(await lostFrom({ url: null, path: join(dataDir, "relay.sqlite") }, load.acknowledged)).toEqual([]);
    rmSync(dataDir, { recursive: true });
    rmSync(log);
  });
});
