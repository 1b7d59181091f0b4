/**
 * Power loss on a real file system: under load it drops all that wasn't flushed, everything is killed, and after
 * mounting it again every acknowledged entry is there and the heads verify.
 */
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPostgres } from "../harness/postgres.ts";
import { requireOrSkip } from "../harness/require.ts";
import { acknowledgedIn, appenderCommand, countOf, lostFrom, watch } from "./acknowledged.ts";
import { canLoop, makeDisk } from "./mount.ts";

const isThere = requireOrSkip("power loss (root, a loop device, mkfs.ext4)", canLoop());
const LOAD_MS = 1_000;

describe.skipIf(!isThere)("a power loss under load loses nothing acknowledged", () => {
  test("on SQLite, whose unsynced neighbour is lost", async () => {
    using disk = makeDisk(256);
    disk.mount();
    const where = { url: null, path: join(disk.path, "relay.sqlite") };
    let output = "";
    for (let round = 0; round < 2; round += 1) {
      await using appender = watch(appenderCommand(where, { batch: 8 }));
      await appender.until("ack ");
      await Bun.sleep(LOAD_MS);
      const neighbour = join(disk.path, `unsynced-${round}`);
      writeFileSync(neighbour, "x".repeat(4096));
      disk.cutPower();
      const counted = countOf(acknowledgedIn(appender.output()));
      await appender.until("refused store/", { from: 0 });
      const after = appender.output();
      await appender.kill();
      output += after;
      disk.unmount();
      disk.mount();
      // Else the power wasn't cut, and the test would show nothing. Its length may be there, as zeros.
      expect(existsSync(neighbour) ? readFileSync(neighbour, "utf8") : "").not.toContain("x");
      expect(counted).toBeGreaterThan(0);
      expect(await lostFrom(where, acknowledgedIn(output))).toEqual([]);
    }
  });

  test("on PostgreSQL", async () => {
    using disk = makeDisk(512);
    disk.mount();
    const folder = join(disk.path, "postgres");
    mkdirSync(folder);
    // The server runs as a user of its own, who must get in.
    for (const path of [join(disk.path, ".."), disk.path]) chmodSync(path, 0o755);
    await using server = await startPostgres({ folder });
    Bun.spawnSync(["sync", "-f", folder]);
    const where = { url: await server.database(), path: "" };
    await using appender = watch(appenderCommand(where, { batch: 8 }));
    await appender.until("ack ");
    await Bun.sleep(LOAD_MS);
    disk.cutPower();
    await appender.until("refused store/");
    await appender.kill();
    await server.kill();
    disk.unmount();
    disk.mount();
    await server.start();
    const acknowledged = acknowledgedIn(appender.output());
    expect(countOf(acknowledged)).toBeGreaterThan(0);
    expect(await lostFrom(where, acknowledged)).toEqual([]);
    await server.kill();
  });
});
