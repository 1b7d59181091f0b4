/** The compiled dchat, workers and WASM inside, with nothing of the checkout beside it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { create, newMailbox, openDevices, plain } from "./harness/device.ts";
import { childrenOf, runs, spread } from "./harness/edge_processes.ts";
import { spawnRelay } from "./harness/relay.ts";

const root = join(import.meta.dir, "..");
let dir = "";
let binary = "";

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "dchat-build-"));
  binary = join(dir, "dchat");
  // The script's own words, but into a folder of this test's.
  const words = manifest.scripts.build.split(" && ").at(-1)?.split(" ").slice(1) ?? [];
  const command = words.map((word) => (word === "dist/dchat" ? binary : word));
  const child = Bun.spawn([process.execPath, ...command], { cwd: root, stdout: "pipe", stderr: "pipe" });
  const [code, problems] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  expect(code, problems).toBe(0);
}, 120_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("the compiled dchat", () => {
  test("runs a relay that keeps an entry over a kill, and stops in peace", async () => {
    const dataDir = join(dir, "data");
    const command = [binary, "relay"];
    await using devices = await openDevices();
    const relay = await spawnRelay({ command, dataDir });
    const device = await devices.connect(relay.address);
    const box = newMailbox(devices.crypto, { relay: device.session.relay });
    await create(device, box);
    const body = plain(devices.crypto);
    const kept = await device.session.command(body, { ...box, key: box.writer });
    expect(kept.is).toBe("appended");
    await relay.stop("SIGKILL");
    await using again = await spawnRelay({ command, dataDir, same: relay.file });
    await using later = await devices.connect(again.address);
    const [key] = box.readers;
    if (key === undefined) throw new Error("no reader");
    const read = await later.session.read({ from: 0, bytesMax: 4096 }, { ...box, key });
    expect(read).toMatchObject({ is: "read", entries: [{ entry: body.entry }] });
    expect((await again.get("/ready")).status).toBe(200);
    expect(await again.stop("SIGTERM")).toBe(0);
  }, 60_000);

  test("starts an edge process of its own, which takes devices and ends with it", async () => {
    await using devices = await openDevices();
    await using relay = await spawnRelay({ command: [binary, "relay"], args: ["--edge-processes", "2"] });
    const [other = 0] = childrenOf(relay.pid);
    const port = Number(/\/tcp\/(\d+)/.exec(relay.address)?.[1]);
    const held = await spread({ pids: [relay.pid, other], port, least: 1 }, () =>
      devices.connect(relay.address),
    );
    const [device] = held.get(other) ?? [];
    if (device === undefined) throw new Error("no device");
    const box = newMailbox(devices.crypto, { relay: device.session.relay });
    await create(device, box);
    const kept = await device.session.command(plain(devices.crypto), { ...box, key: box.writer });
    expect(kept.is).toBe("appended");
    expect(await relay.stop("SIGTERM")).toBe(0);
    expect(runs(other)).toBe(false);
  }, 60_000);

  test("says its version and helps", async () => {
    const run = async (...args: string[]): Promise<string> =>
      new Response(Bun.spawn([binary, ...args], { cwd: dir, stdout: "pipe" }).stdout).text();
    expect(await run("--version")).toBe(`dchat ${manifest.version}\n`);
    expect(await run("relay", "--help")).toContain("--max-connections-per-address");
  });
});
