import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dchatCommand, runDchat } from "../test/harness/dchat.ts";
import { commands } from "./commands.ts";
import { listed } from "./frame/command.ts";
import type { Registry } from "./frame/mod.ts";

/** Every name that people are told of, as words. */
function* paths(registry: Registry, before: readonly string[] = []): Iterable<readonly string[]> {
  for (const [name, entry] of listed(registry)) {
    yield [...before, name];
    if (entry.commands !== undefined) yield* paths(entry.commands, [...before, name]);
  }
}
const all = [...paths(commands)];
const runnable = all.filter((path) => {
  let at: Registry = commands;
  let load: unknown = null;
  for (const name of path) {
    load = at[name]?.load;
    at = at[name]?.commands ?? {};
  }
  return load !== null;
});

describe("dchat", () => {
  test.each(all.map((path) => [path.join(" ")]))(
    "%s --help shows flags, defaults and examples, and exits 0",
    async (path) => {
      const { code, out, err } = await runDchat([...path.split(" "), "--help"]);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toContain("Usage");
      expect(out).not.toContain("\x1b[");
      for (const line of out.split("\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(100);
      if (!runnable.some((one) => one.join(" ") === path)) return;
      expect(out).toContain("Examples");
      expect(out).toContain("--log-level LEVEL");
      expect(out).toContain(`  dchat ${path}`);
    },
  );

  test.each(runnable.map((path) => [path.join(" ")]))(
    "%s refuses an unknown flag and exits 2",
    async (path) => {
      const { code, out, err } = await runDchat([...path.split(" "), "--log-levle", "info"]);
      expect(code).toBe(2);
      expect(out).toBe("");
      expect(err).toContain("There is no flag --log-levle. Did you mean --log-level?");
      expect(err).not.toMatch(/^\s+at /m);
    },
  );

  test("without a command shows what there is and exits 2", async () => {
    const { code, out, err } = await runDchat([]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    for (const [name] of listed(commands)) expect(err).toContain(`  ${name}`);
  });

  test("lists nowhere what a relay starts for itself, and refuses it by hand", async () => {
    for (const asked of [["--help"], ["edge-proces"], ["--log-level", "info"]]) {
      const { out, err } = await runDchat(asked);
      expect(out + err).not.toContain("edge-process");
    }
    const { code, err } = await runDchat(["edge-process"]);
    expect(code).toBe(2);
    expect(err).toContain("dchat edge-process is started by a relay: dchat relay --edge-processes N");
  });

  test("help COMMAND is COMMAND --help", async () => {
    const asked = await runDchat(["help", "keygen", "inspect"]);
    expect(asked).toEqual(await runDchat(["keygen", "inspect", "--help"]));
    expect((await runDchat(["help"])).code).toBe(0);
  });

  test("names the nearest command for a mistyped one, at every depth", async () => {
    expect((await runDchat(["hlep"])).err).toContain("Did you mean dchat help?");
    expect((await runDchat(["--jsno", "config", "show"])).err).toContain("Did you mean --json?");
    expect((await runDchat(["helth"])).err).toContain("Did you mean dchat health?");
    expect((await runDchat(["config", "chekc"])).err).toContain("Did you mean dchat config check?");
    expect((await runDchat(["keygen", "inspcet", "x"])).err).toContain("Did you mean dchat keygen inspect?");
  });

  test("takes common flags before the command too", async () => {
    const { code, out } = await runDchat(["--log-level", "debug", "config", "show", "log", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out.split("\n")[0] ?? "")).toMatchObject({
      key: "log.level",
      value: "debug",
      origin: "--log-level",
    });
  });

  test("points to its help where a flag's value is wrong, to the configuration where another's is", async () => {
    const flags = await runDchat(["relay", "--api-listen", "x", "--max-connections", "0"]);
    expect(flags.err).toContain("--api-listen must be HOST:PORT");
    expect(flags.err).toEndWith("       dchat relay --help shows what it takes.\n");
    const both = await runDchat(["relay", "--api-listen", "x"], { env: { DCHAT_RELAY_GRACE: "soon" } });
    expect(both.err).toContain("dchat config check tells what is wrong");
    expect([flags.code, both.code]).toEqual([2, 2]);
  });

  test("shows where an error came from at log level debug only", async () => {
    const bad = ["config", "check", "--config", "/nowhere/dchat.toml"];
    const quiet = await runDchat(bad);
    const loud = await runDchat([...bad, "--log-level", "debug"]);
    expect([quiet.code, loud.code]).toEqual([2, 2]);
    expect(quiet.err).toContain("Cannot read the configuration /nowhere/dchat.toml: there is no such file");
    expect(quiet.err).not.toMatch(/^\s+at /m);
    expect(loud.err).toMatch(/^\s+at /m);
  });

  test("ends without a word when whoever reads its output has gone", async () => {
    const line = `'${dchatCommand.join("' '")}' config show 2>err | true; cat err`;
    const folder = mkdtempSync(join(tmpdir(), "dchat-pipe-"));
    const child = Bun.spawn(["sh", "-c", line], { cwd: folder, stdout: "pipe" });
    expect(await new Response(child.stdout).text()).toBe("");
    rmSync(folder, { recursive: true });
  });

  test("prints its version", async () => {
    expect((await runDchat(["--version"])).out).toMatch(/^dchat \d+\.\d+\.\d+\n$/);
  });
});

describe("dchat config", () => {
  test("check names every wrong value with file, line, key, what was expected and what came", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dchat-config-"));
    try {
      writeFileSync(join(folder, "dchat.toml"), '[relay]\nmax_connections = 0\n\n[log]\nlevel = "loud"\n');
      const { code, err } = await runDchat(["config", "check"], { cwd: folder, env: { COLUMNS: "200" } });
      expect(code).toBe(2);
      expect(err).toContain(
        "Cannot read dchat.toml: relay.max_connections must be a whole number from 1 to 1000000, got 0 (line 2)",
      );
      expect(err).toContain(
        'log.level must be one of trace, debug, info, warn, error, silent, got "loud" (line 5)',
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("show refuses a section that there isn't, naming those that there are", async () => {
    const { code, err } = await runDchat(["config", "show", "relays"]);
    expect(code).toBe(2);
    expect(err).toStartWith('error  SECTION must be relay, database, log, user or crypto, got "relays"\n');
  });

  test("show says whence each value comes, and masks passwords", async () => {
    const env = { DCHAT_DATABASE_URL: "postgres://dchat:hunter2@db/dchat", DCHAT_RELAY_MAX_CONNECTIONS: "7" };
    const { code, out } = await runDchat(["config", "show", "--json"], { env });
    expect(code).toBe(0);
    const rows = new Map(
      out
        .trim()
        .split("\n")
        .map((line) => [JSON.parse(line).key, JSON.parse(line)]),
    );
    expect(rows.get("relay.max_connections")).toMatchObject({
      value: 7,
      origin: "DCHAT_RELAY_MAX_CONNECTIONS",
    });
    expect(rows.get("relay.listen")).toMatchObject({ value: ["0.0.0.0:7070"], origin: "default" });
    expect(rows.get("database.url").value).toBe("postgres://dchat:[secret]@db/dchat");
    expect(rows.get("log.format").value).toBeNull();
    expect(out).not.toContain("hunter2");
  });

  test("check shows a password nowhere when the URL around it is wrong", async () => {
    for (const url of [
      "mysql://dchat:hunter2@db/dchat",
      "postgres//hunter2",
      "dchat:hunter2@db/dchat",
      "postgres:dchat:hunter2@db/dchat",
      "postgres://dchat:12#hunter2@db/dchat",
      "postgres://dchat:12/hunter2@db/dchat",
    ]) {
      const { code, err } = await runDchat(["config", "check"], { env: { DCHAT_DATABASE_URL: url } });
      expect(code).toBe(2);
      expect(err).toContain("DCHAT_DATABASE_URL must be a PostgreSQL URL");
      expect(err).not.toContain("hunter2");
    }
  });
});
