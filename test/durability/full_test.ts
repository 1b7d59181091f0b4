/** A full disk: appends are refused with the reason, nothing acknowledged is lost, and with room again it goes on. */
import { describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isFault } from "../../core/ground/mod.ts";
import { openStore } from "../../core/store/mod.ts";
import { requireOrSkip } from "../harness/require.ts";
import { acknowledgedIn, appenderCommand, countOf, lostFrom, watch } from "./acknowledged.ts";
import { canMount, mountTmpfs } from "./mount.ts";

const isThere = requireOrSkip("a full disk (root, to mount a tmpfs with a size)", canMount());

describe.skipIf(!isThere)("a full disk", () => {
  test("refuses appends, says why, and takes them again when there is room", async () => {
    using disk = mountTmpfs(32);
    const filler = join(disk.path, "filler");
    writeFileSync(filler, new Uint8Array(20 * 1024 * 1024));
    const where = { url: null, path: join(disk.path, "relay.sqlite") };
    await using appender = watch(appenderCommand(where, { batch: 20 }));
    await appender.until("refused store/unavailable");
    expect(appender.output()).toContain("full");
    await appender.until("probe store/unavailable");
    const full = countOf(acknowledgedIn(appender.output()));
    expect(full).toBeGreaterThan(0);
    rmSync(filler);
    await appender.until("ack ", { from: appender.output().length });
    await appender.kill();
    const acknowledged = acknowledgedIn(appender.output());
    expect(countOf(acknowledged)).toBeGreaterThan(full);
    expect(await lostFrom(where, acknowledged)).toEqual([]);
  });

  test("that can't be written to refuses a new store and one that is there, and says why", async () => {
    using disk = mountTmpfs(8);
    const there = { url: null, path: join(disk.path, "there.sqlite") };
    await (await openStore(there))[Symbol.asyncDispose]();
    Bun.spawnSync(["mount", "-o", "remount,ro", disk.path]);
    for (const path of [there.path, join(disk.path, "new.sqlite")]) {
      const refused = await openStore({ url: null, path }).then(
        () => "opened",
        (error: unknown) => (isFault(error) ? `${error.code} ${error.message}` : String(error)),
      );
      expect(refused).toStartWith(`store/unavailable Cannot open ${path}`);
    }
  });
});
