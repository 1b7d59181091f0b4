/**
 * A disk that fails to sync: nothing is acknowledged after it, the store says why, stays refused when the disk
 * seems well again, and a new start finds all that was acknowledged.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "../harness/postgres.ts";
import { requireOrSkip } from "../harness/require.ts";
import { acknowledgedIn, appenderCommand, countOf, lostFrom, watch } from "./acknowledged.ts";
import { canInject, children, failSyncs } from "./fail_syncs.ts";

const isThere = requireOrSkip("failing syncs (strace -e inject)", canInject());

const REFUSED = /^refused .*$/m;
const QUIET_MS = 500;

describe.skipIf(!isThere)("nothing is acknowledged after a sync has failed", () => {
  test("on SQLite, also when syncs work again, until it is opened anew", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dchat-eio-"));
    const where = { url: null, path: join(folder, "relay.sqlite") };
    const log = join(folder, "trace");
    await using appender = watch(appenderCommand(where, { batch: 4 }));
    await appender.until("ack ");
    {
      await using _ = await failSyncs([appender.pid], log);
      await appender.until("probe ");
    }
    await Bun.sleep(QUIET_MS);
    await appender.kill();
    expect(readFileSync(log, "latin1")).toContain("(INJECTED)");
    const output = appender.output();
    const behind = output.slice(output.search(REFUSED));
    expect(behind).not.toContain("ack ");
    expect(behind.split("\n")[0]).toStartWith("refused store/unknown");
    expect(behind.split("\n")[0]).toContain("the disk failed while syncing");
    expect(behind).toContain("probe store/unavailable");
    const acknowledged = acknowledgedIn(output);
    expect(countOf(acknowledged)).toBeGreaterThan(0);
    expect(await lostFrom(where, acknowledged)).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  test("on PostgreSQL", async () => {
    await using server = await startPostgres();
    const where = { url: await server.database(), path: "" };
    const log = join(server.folder, "trace");
    await using appender = watch(appenderCommand(where, { batch: 4 }));
    await appender.until("ack ");
    {
      await using _ = await failSyncs([server.pid(), ...children(server.pid())], log);
      await appender.until("probe ");
      await Bun.sleep(QUIET_MS);
      await appender.kill();
      await server.kill();
    }
    expect(readFileSync(log, "latin1")).toContain("(INJECTED)");
    const output = appender.output();
    const behind = output.slice(output.search(REFUSED));
    expect(behind).not.toContain("ack ");
    expect(behind).toContain("probe store/unavailable");
    await server.start();
    const acknowledged = acknowledgedIn(output);
    expect(countOf(acknowledged)).toBeGreaterThan(0);
    expect(await lostFrom(where, acknowledged)).toEqual([]);
  });
});
