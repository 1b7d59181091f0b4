/**
 * The whole relay on a PostgreSQL whose disk loses its power, fails to sync, or is full, with devices that append:
 * nothing promised is lost, nothing is promised meanwhile, and the relay says why and goes on by itself afterwards.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Devices, openDevices } from "../harness/device.ts";
import { type PostgresOptions, startPostgres, type TestPostgres } from "../harness/postgres.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";
import { requireOrSkip } from "../harness/require.ts";
import { countOf, lostFrom } from "./acknowledged.ts";
import { canInject, children, failSyncs } from "./fail_syncs.ts";
import { canLoop, canMount, makeDisk, mountTmpfs } from "./mount.ts";
import { expectStoreAway, type RelayLoad, startLoad, untilReady } from "./relay_load.ts";

const LOAD_MS = 1_000;

const loops = requireOrSkip("power loss under PostgreSQL (root, a loop device, mkfs.ext4)", canLoop());
const injects = requireOrSkip("failing syncs of PostgreSQL (strace -e inject)", canInject());
const mounts = requireOrSkip("a full disk under PostgreSQL (root, to mount a tmpfs with a size)", canMount());

let devices: Devices;
beforeAll(async () => {
  devices = await openDevices();
});
afterAll(() => devices[Symbol.asyncDispose]());

/** A server that keeps its files under `path`, which belongs to a file system of the test's own. */
function startPostgresOn(path: string, options: PostgresOptions = {}): Promise<TestPostgres> {
  const folder = join(path, "postgres");
  mkdirSync(folder);
  // The server runs as a user of its own, who must get in.
  for (const each of [join(path, ".."), path]) chmodSync(each, 0o755);
  return startPostgres({ ...options, folder });
}

/** Moves the log of a server that isn't running to `folder`. */
function moveLog(server: TestPostgres, folder: string): void {
  const log = join(server.folder, "data", "pg_wal");
  const moved = join(folder, "pg_wal");
  Bun.spawnSync(["mv", log, moved]);
  symlinkSync(moved, log);
}

/** Takes all the room that is left under `path`; returns the file that does. */
function fill(path: string): string {
  const filler = join(path, "filler");
  Bun.spawnSync(["sh", "-c", `cat /dev/zero > ${filler}`]);
  return filler;
}

/** With the store well again: ready and promising by itself, and after the end all that was ever promised is there. */
async function expectMended(url: string, { relay, load }: { relay: SpawnedRelay; load: RelayLoad }) {
  await untilReady(relay);
  await relay.said("the store writes again");
  await load.promisedMore();
  await load.stop();
  expect(await relay.stop()).toBe(0);
  expect(countOf(load.acknowledged)).toBeGreaterThan(0);
  expect(await lostFrom({ url, path: "" }, load.acknowledged)).toEqual([]);
}

describe("a relay on PostgreSQL under load", () => {
  test.skipIf(!loops)(
    "goes on after its server lost its power, and loses nothing that it promised",
    async () => {
      using disk = makeDisk(512);
      disk.mount();
      await using server = await startPostgresOn(disk.path);
      Bun.spawnSync(["sync", "-f", disk.path]);
      const url = await server.database();
      await using relay = await spawnRelay({ env: { DCHAT_DATABASE_URL: url } });
      const load = await startLoad(devices, relay);
      await Bun.sleep(LOAD_MS);
      disk.cutPower();
      await server.kill();
      await load.refused();
      await expectStoreAway(relay, load);
      await relay.said("Cannot use");
      disk.unmount();
      disk.mount();
      await server.start();
      await expectMended(url, { relay, load });
      await server.kill();
    },
  );

  test.skipIf(!loops)(
    "loses nothing that it promised when relay and server lose their power together",
    async () => {
      using disk = makeDisk(512);
      disk.mount();
      await using server = await startPostgresOn(disk.path);
      const dataDir = join(disk.path, "relay");
      mkdirSync(dataDir, { mode: 0o700 });
      Bun.spawnSync(["sync", "-f", disk.path]);
      const url = await server.database();
      const env = { DCHAT_DATABASE_URL: url };
      const relay = await spawnRelay({ dataDir, env });
      const load = await startLoad(devices, relay);
      await Bun.sleep(LOAD_MS);
      disk.cutPower();
      await Promise.all([relay.stop("SIGKILL"), server.kill()]);
      await load.stop();
      disk.unmount();
      disk.mount();
      await server.start();
      await using again = await spawnRelay({ dataDir, env });
      await untilReady(again);
      expect(again.file.peerId).toBe(relay.file.peerId);
      expect(await again.stop()).toBe(0);
      expect(countOf(load.acknowledged)).toBeGreaterThan(0);
      expect(await lostFrom({ url, path: "" }, load.acknowledged)).toEqual([]);
      await server.kill();
    },
  );

  test.skipIf(!injects)(
    "promises nothing after its server's sync failed, until the server is started again",
    async () => {
      await using server = await startPostgres();
      const log = join(server.folder, "trace");
      const url = await server.database();
      await using relay = await spawnRelay({ env: { DCHAT_DATABASE_URL: url } });
      const load = await startLoad(devices, relay);
      await Bun.sleep(LOAD_MS / 2);
      {
        await using _ = await failSyncs([server.pid(), ...children(server.pid())], log);
        await load.refused();
        await expectStoreAway(relay, load);
        await server.kill();
      }
      expect(readFileSync(log, "latin1")).toContain("(INJECTED)");
      await relay.said("Cannot use");
      await server.start();
      await expectMended(url, { relay, load });
    },
  );

  test.skipIf(!mounts)(
    "promises nothing while its server's disk is full, and goes on when there is room",
    async () => {
      using disk = mountTmpfs(256);
      await using server = await startPostgresOn(disk.path);
      const url = await server.database();
      // Its log stays elsewhere: a server without room for that ends itself.
      using logs = mountTmpfs(256);
      chmodSync(logs.path, 0o755);
      await server.stop();
      moveLog(server, logs.path);
      await server.start();
      await using relay = await spawnRelay({ env: { DCHAT_DATABASE_URL: url } });
      const load = await startLoad(devices, relay, { bytes: 65_536 });
      await load.promisedMore();
      const filler = fill(disk.path);
      await load.refused();
      await expectStoreAway(relay, load);
      await relay.said("No space left on device");
      rmSync(filler);
      await expectMended(url, { relay, load });
    },
  );

  test.skipIf(!mounts)("goes on after its server ended for want of room for its log", async () => {
    using disk = mountTmpfs(64);
    chmodSync(disk.path, 0o755);
    await using server = await startPostgres();
    const url = await server.database();
    await server.stop();
    moveLog(server, disk.path);
    await server.start();
    await using relay = await spawnRelay({ env: { DCHAT_DATABASE_URL: url } });
    const load = await startLoad(devices, relay, { bytes: 65_536 });
    await load.promisedMore();
    const filler = fill(disk.path);
    while (existsSync(`/proc/${server.pid()}`)) await Bun.sleep(20);
    await load.refused();
    await expectStoreAway(relay, load);
    rmSync(filler);
    await server.start();
    await expectMended(url, { relay, load });
  });
});
