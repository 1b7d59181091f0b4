/** SIGKILL at random moments under load: every acknowledged entry is there when the store is opened again. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "../harness/postgres.ts";
import { acknowledgedIn, appenderCommand, countOf, lostFrom, watch } from "./acknowledged.ts";
import type { StoreLocation } from "../../core/store/mod.ts";

async function killRepeatedly(where: StoreLocation): Promise<void> {
  let output = "";
  for (let round = 0; round < 4; round += 1) {
    await using appender = watch(appenderCommand(where, { batch: 5 }));
    await appender.until("ack ");
    await Bun.sleep(Math.random() * 300);
    await appender.kill();
    output += appender.output();
    const acknowledged = acknowledgedIn(output);
    expect(countOf(acknowledged)).toBeGreaterThan(0);
    expect(await lostFrom(where, acknowledged)).toEqual([]);
  }
}

describe("SIGKILL under load loses nothing acknowledged", () => {
  test("on SQLite", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dchat-kill-"));
    await killRepeatedly({ url: null, path: join(folder, "relay.sqlite") });
    rmSync(folder, { recursive: true });
  });

  test("on PostgreSQL, the relay killed, and then the server", async () => {
    await using server = await startPostgres();
    const where = { url: await server.database(), path: "" };
    await killRepeatedly(where);
    await using appender = watch(appenderCommand(where, { batch: 5 }));
    await appender.until("ack ");
    await server.kill();
    await appender.until("refused store/", { from: appender.output().length });
    await appender.kill();
    await server.start();
    expect(await lostFrom(where, acknowledgedIn(appender.output()))).toEqual([]);
  });
});
