import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig, type LoadOptions } from "../config.ts";
import { type ConfigChange, watchConfig } from "./watch.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "dchat-watch-"))));
afterEach(() => rmSync(folder, { recursive: true }));

type Seen = ConfigChange | { readonly refused: string } | "restored";

/** Watches `path` and gives what it reports, one after the other. */
function watched(path: string, load: LoadOptions = { env: {}, file: path }) {
  const seen: Seen[] = [];
  let wake = Promise.withResolvers<void>();
  const report = (what: Seen): void => {
    seen.push(what);
    wake.resolve();
    wake = Promise.withResolvers();
  };
  const watching = watchConfig({
    load,
    loaded: loadConfig(load),
    onChange: report,
    onRefused: (error) => report({ refused: error instanceof Error ? error.message : String(error) }),
    onRestored: () => report("restored"),
  });
  return {
    async next(): Promise<Seen> {
      while (seen.length === 0) await wake.promise;
      const first = seen.shift();
      if (first === undefined) throw new Error("nothing seen");
      return first;
    },
    [Symbol.dispose]: () => watching[Symbol.dispose](),
  };
}

function changeOf(seen: Seen): ConfigChange {
  if (seen === "restored") throw new Error(seen);
  if ("refused" in seen) throw new Error(seen.refused);
  return seen;
}

describe("watchConfig()", () => {
  test("applies what may change, holds back what may not, and says which", async () => {
    const path = join(folder, "dchat.toml");
    writeFileSync(path, "");
    using watch = watched(path);
    writeFileSync(path, '[log]\nlevel = "debug"\n[relay]\nmax_connections = 5\napi_listen = "127.0.0.1:1"\n');
    const { applied, waiting, loaded } = changeOf(await watch.next());
    expect(applied).toEqual(["relay.max_connections", "log.level"]);
    expect(waiting).toEqual(["relay.api_listen"]);
    expect(loaded.config.relay.max_connections).toBe(5);
    expect(loaded.config.relay.api_listen.port).toBe(8080);
  });

  test("keeps the old on a bad edit, says so, and takes the next good one", async () => {
    const path = join(folder, "dchat.toml");
    writeFileSync(path, "[relay]\nmax_connections = 4\n");
    using watch = watched(path);
    writeFileSync(path, "[relay]\nmax_connections = 0\n");
    expect(await watch.next()).toMatchObject({
      refused: expect.stringContaining("relay.max_connections must be"),
    });
    writeFileSync(path, "[relay]\nmax_connections = 6\n");
    expect(changeOf(await watch.next()).loaded.config.relay.max_connections).toBe(6);
  });

  test("says of a file that was wrong or gone that it is as it was again, and takes no setting back meanwhile", async () => {
    const path = join(folder, "dchat.toml");
    const text = "[relay]\nmax_connections = 4\n";
    writeFileSync(path, text);
    // As where it is found and not named.
    const cwd = process.cwd();
    process.chdir(folder);
    try {
      using watch = watched(path, { env: {} });
      for (const spoil of [() => rmSync(path), () => writeFileSync(path, "wrong")]) {
        spoil();
        expect(await watch.next()).toMatchObject({ refused: expect.stringContaining("dchat.toml") });
        writeFileSync(path, text);
        expect(await watch.next()).toBe("restored");
      }
      writeFileSync(path, "[relay]\nmax_connections = 6\n");
      expect(changeOf(await watch.next()).applied).toEqual(["relay.max_connections"]);
    } finally {
      process.chdir(cwd);
    }
  });

  test("sees a file that is replaced by rename, as editors do", async () => {
    const path = join(folder, "dchat.toml");
    writeFileSync(path, "");
    using watch = watched(path);
    for (const level of ["debug", "warn"]) {
      writeFileSync(`${path}.tmp`, `[log]\nlevel = "${level}"\n`);
      renameSync(`${path}.tmp`, path);
      expect(changeOf(await watch.next()).loaded.config.log.level).toBe(level === "debug" ? "debug" : "warn");
    }
  });

  test("sees a mounted file whose folder is swapped by a link, as Kubernetes does", async () => {
    for (const [name, level] of [
      ["..1", "info"],
      ["..2", "debug"],
    ] as const) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "dchat.toml"), `[log]\nlevel = "${level}"\n`);
    }
    symlinkSync("..1", join(folder, "..data"));
    symlinkSync("..data/dchat.toml", join(folder, "dchat.toml"));
    using watch = watched(join(folder, "dchat.toml"));
    symlinkSync("..2", join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    expect(changeOf(await watch.next()).loaded.config.log.level).toBe("debug");
  });

  test("says nothing of a held-back setting that goes back to what is in force", async () => {
    const path = join(folder, "dchat.toml");
    writeFileSync(path, "");
    using watch = watched(path);
    writeFileSync(path, '[relay]\napi_listen = "127.0.0.1:1"\n');
    expect(changeOf(await watch.next()).waiting).toEqual(["relay.api_listen"]);
    writeFileSync(path, "");
    await Bun.sleep(300);
    writeFileSync(path, '[log]\nlevel = "debug"\n');
    expect(changeOf(await watch.next())).toMatchObject({ applied: ["log.level"], waiting: [] });
  });
});
