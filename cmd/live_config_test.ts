/** A running relay's configuration, edited; and starts that a configuration stands in the way of. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDchat } from "../test/harness/dchat.ts";
import { relayCommand, spawnRelay, type SpawnedRelay } from "../test/harness/relay.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "dchat-live-"))));
afterEach(() => rmSync(folder, { recursive: true }));

async function said(relay: SpawnedRelay, what: RegExp): Promise<string> {
  for (;;) {
    const line = relay
      .output()
      .split("\n")
      .find((each) => what.test(each));
    if (line !== undefined) return line;
    await Bun.sleep(20);
  }
}

async function limitsOf(relay: SpawnedRelay): Promise<{ connectionsMax: number }> {
  const info: { limits: { connectionsMax: number } } = JSON.parse(
    await (await relay.get("/v1/relay")).text(),
  );
  return info.limits;
}

describe("dchat relay --config", () => {
  test("takes what may change while running, reports what may not, and keeps the old on a bad edit", async () => {
    const file = join(folder, "dchat.toml");
    writeFileSync(file, "[relay]\nmax_connections = 100\n");
    await using relay = await spawnRelay({ args: ["--config", file] });
    expect((await limitsOf(relay)).connectionsMax).toBe(100);

    writeFileSync(file, '[relay]\nmax_connections = 200\nmax_ttl = "1d"\n');
    expect(JSON.parse(await said(relay, /"applied"/))).toMatchObject({ applied: ["relay.max_connections"] });
    expect(JSON.parse(await said(relay, /"waiting"/))).toMatchObject({ waiting: ["relay.max_ttl"] });
    expect((await limitsOf(relay)).connectionsMax).toBe(200);

    writeFileSync(file, "[relay]\nmax_connections = 0\n");
    expect(JSON.parse(await said(relay, /old one stays/))).toMatchObject({
      code: "config/value",
      reason: expect.stringContaining(
        "relay.max_connections must be a whole number from 1 to 1000000, got 0 (line 2)",
      ),
    });
    expect((await limitsOf(relay)).connectionsMax).toBe(200);
    expect((await relay.get("/ready")).status).toBe(200);

    writeFileSync(file, '[log]\nlevel = "error"\n[relay]\nmax_connections = 300\n');
    while ((await limitsOf(relay)).connectionsMax !== 300) await Bun.sleep(20);
    expect(await relay.stop("SIGTERM")).toBe(0);
    expect(relay.output()).not.toContain("relay stopping");
  });

  test("a flag stays above the file when the file changes", async () => {
    const file = join(folder, "dchat.toml");
    writeFileSync(file, "");
    await using relay = await spawnRelay({ args: ["--config", file, "--max-connections", "7"] });
    writeFileSync(file, "[relay]\nmax_connections = 200\nmax_streams = 9\n");
    expect(JSON.parse(await said(relay, /"applied"/))).toMatchObject({ applied: ["relay.max_streams"] });
    expect((await limitsOf(relay)).connectionsMax).toBe(7);
  });

  test.each(["json", "pretty"])("goes on where its output (%s) is on a full disk", async (format) => {
    const full = ["sh", "-c", 'exec "$@" > /dev/full', "sh", ...relayCommand];
    await using relay = await spawnRelay({ command: full, args: ["--log-format", format] });
    expect((await relay.get("/ready")).status).toBe(200);
    expect(await relay.stop()).toBe(0);
  });

  test("a second relay on the same directory is refused with the first one's pid", async () => {
    await using relay = await spawnRelay();
    const ports = [
      "--listen",
      "127.0.0.1:0",
      "--api-listen",
      "127.0.0.1:0",
      "--metrics-listen",
      "127.0.0.1:0",
    ];
    const { code, err } = await runDchat(["relay", "--data-dir", relay.dataDir, ...ports]);
    expect(code).toBe(1);
    expect(err).toContain(`another process (pid ${relay.pid}) works in it`);
    expect((await relay.get("/ready")).status).toBe(200);
    expect(relay.file.pid).toBe(relay.pid);
  });

  test("a sealed relay identity needs its passphrase: exit 2 naming all ways, and a file opens it", async () => {
    writeFileSync(join(folder, "pass"), "correct horse");
    const passphrase = ["--passphrase-file", join(folder, "pass")];
    const dataDir = join(folder, "data");
    await runDchat(["keygen", "-o", join(dataDir, "identity.json"), "--type", "relay", ...passphrase]);
    const ports = [
      "--listen",
      "127.0.0.1:0",
      "--api-listen",
      "127.0.0.1:0",
      "--metrics-listen",
      "127.0.0.1:0",
    ];
    const { code, err } = await runDchat(["relay", "--data-dir", dataDir, ...ports]);
    expect(code).toBe(2);
    for (const way of ["--passphrase-file", "DCHAT_PASSPHRASE_FILE", "/dev/tty"]) expect(err).toContain(way);
    await using relay = await spawnRelay({ dataDir, args: passphrase });
    const shown = await runDchat(["keygen", "inspect", join(dataDir, "identity.json"), "--json"]);
    const info: { identity: string } = JSON.parse(await (await relay.get("/v1/relay")).text());
    expect(info.identity).toBe(JSON.parse(shown.out).publicKey);
  });

  test.each([
    ["--listen", "devices"],
    ["--api-listen", "the API"],
    ["--metrics-listen", "metrics"],
  ])("a port that %s can't bind is named, exit 1, and the directory is free again", async (flag) => {
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const free = [
      "--listen",
      "127.0.0.1:0",
      "--api-listen",
      "127.0.0.1:0",
      "--metrics-listen",
      "127.0.0.1:0",
    ];
    free[free.indexOf(flag) + 1] = `127.0.0.1:${taken.port}`;
    const { code, err } = await runDchat(["relay", "--data-dir", folder, ...free]);
    expect(code).toBe(1);
    expect(err).toContain(`${taken.port}`);
    expect(err).not.toMatch(/^\s+at /m);
    await using relay = await spawnRelay({ dataDir: folder });
    expect((await relay.get("/ready")).status).toBe(200);
  });
});
