/** A relay whose store goes away under it: what devices are told meanwhile, and that it comes back by itself. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { CommandResult } from "../../core/client/mod.ts";
import { canMount, mountTmpfs } from "../durability/mount.ts";
import { runDchat } from "../harness/dchat.ts";
import {
  create,
  type Device,
  type Devices,
  newMailbox,
  openDevices,
  plain,
  type TestMailbox,
} from "../harness/device.ts";
import { startPostgres } from "../harness/postgres.ts";
import { relayCommand, type SpawnedRelay, spawnRelay } from "../harness/relay.ts";
import { requireOrSkip } from "../harness/require.ts";

let devices: Devices;

beforeAll(async () => {
  devices = await openDevices();
});

afterAll(() => devices[Symbol.asyncDispose]());

async function append(device: Device, box: TestMailbox, bytes = 1024): Promise<CommandResult> {
  return device.session.command(plain(devices.crypto, { bytes }), { ...box, key: box.writer });
}

function refusal(result: CommandResult): string {
  return result.is === "refused" ? result.refusal.code : result.is;
}

async function readiness(relay: SpawnedRelay): Promise<string> {
  const answer = await relay.get("/ready");
  return `${answer.status} ${await answer.text()}`;
}

/** Appends until the answer is `code`; each before it was kept. How many were. */
async function until(code: string, device: Device, box: TestMailbox): Promise<number> {
  for (let kept = 0; kept < 5000; kept += 1) {
    const what = refusal(await append(device, box, 65_536));
    if (what === code) return kept;
    expect(what).toBe("appended");
  }
  throw new Error(`never ${code}`);
}

async function ready(relay: SpawnedRelay): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await relay.get("/ready")).status === 200) return;
    await Bun.sleep(50);
  }
  throw new Error(`not ready again: ${await readiness(relay)}\n${relay.output()}`);
}

async function notReady(relay: SpawnedRelay): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if ((await relay.get("/ready")).status === 503) return;
    await Bun.sleep(50);
  }
  throw new Error(`still ready\n${relay.output()}`);
}

/** How many statements of `dchat database` wait for a lock there. */
async function sqlWaiting(url: string): Promise<number> {
  const sql = postgres(url, { max: 1 });
  const waiting = await sql`SELECT 1 FROM pg_stat_activity
    WHERE application_name LIKE 'dchat database%' AND wait_event_type = 'Lock'`;
  await sql.end();
  return waiting.length;
}

/** A server's first process and its children. */
function processesOf(first: number): number[] {
  const children = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", String(first)]).stdout.toString();
  return [first, ...children.split("\n").map(Number)].filter((each) => each > 0);
}

async function heldBy(device: Device, box: TestMailbox): Promise<number> {
  const described = await device.session.command({ op: "describe" }, { ...box, key: box.writer });
  if (described.is !== "described") throw new Error(JSON.stringify(described));
  return described.head.size;
}

describe("a relay whose store goes away", () => {
  test("PostgreSQL stops and comes back: unavailable and not ready meanwhile, nothing acknowledged lost", async () => {
    await using server = await startPostgres();
    const env = { DCHAT_DATABASE_URL: await server.database() };
    const migrated = await runDchat(["database", "migrate"], { env });
    expect(migrated.code, migrated.err).toBe(0);
    await using relay = await spawnRelay({ env });
    await using device = await devices.connect(relay.address);
    const box = newMailbox(devices.crypto, { relay: device.session.relay });
    await create(device, box);
    expect(refusal(await append(device, box))).toBe("appended");
    await server.stop();
    // Whether a commit under way was kept may be unknown to it, never the other way round.
    expect(["unavailable", "busy"]).toContain(refusal(await append(device, box)));
    expect(refusal(await append(device, box))).toBe("unavailable");
    expect(await readiness(relay)).toBe('503 {"ready":false,"reasons":["store"]}');
    expect((await relay.get("/health")).status).toBe(200);
    await server.start();
    await ready(relay);
    expect(refusal(await append(device, box))).toBe("appended");
    expect(await heldBy(device, box)).toBeGreaterThanOrEqual(2);
  }, 60_000);

  test("PostgreSQL hangs and goes on: not ready, also while nobody writes, and then ready again", async () => {
    await using server = await startPostgres();
    const env = { DCHAT_DATABASE_URL: await server.database() };
    const migrated = await runDchat(["database", "migrate"], { env });
    expect(migrated.code, migrated.err).toBe(0);
    await using relay = await spawnRelay({ env });
    await using device = await devices.connect(relay.address);
    const box = newMailbox(devices.crypto, { relay: device.session.relay });
    await create(device, box);
    expect(refusal(await append(device, box))).toBe("appended");
    const processes = processesOf(server.pid());
    for (const each of processes) process.kill(each, "SIGSTOP");
    try {
      await notReady(relay);
      expect(["unavailable", "busy"]).toContain(refusal(await append(device, box)));
      expect(await readiness(relay)).toBe('503 {"ready":false,"reasons":["store"]}');
    } finally {
      for (const each of processes) process.kill(each, "SIGCONT");
    }
    await ready(relay);
    expect(refusal(await append(device, box))).toBe("appended");
    expect(await relay.stop("SIGTERM")).toBe(0);
  }, 60_000);

  test("SIGTERM while PostgreSQL hangs ends within the grace, also with a commit under way", async () => {
    await using server = await startPostgres();
    for (const busy of [false, true]) {
      const env = { DCHAT_DATABASE_URL: await server.database() };
      await using relay = await spawnRelay({ env, args: ["--grace", "3s"] });
      await using device = await devices.connect(relay.address);
      const box = newMailbox(devices.crypto, { relay: device.session.relay });
      await create(device, box);
      const processes = processesOf(server.pid());
      for (const each of processes) process.kill(each, "SIGSTOP");
      try {
        const asked = busy ? append(device, box).then(String, String) : null;
        await Bun.sleep(200);
        const startedMs = performance.now();
        expect(await relay.stop("SIGTERM"), relay.output()).toBe(0);
        expect(performance.now() - startedMs).toBeLessThan(3_300);
        await asked;
      } finally {
        for (const each of processes) process.kill(each, "SIGCONT");
      }
    }
  }, 60_000);

  test("a check of a PostgreSQL that hangs meanwhile ends, and says so", async () => {
    await using server = await startPostgres();
    const env = { DCHAT_DATABASE_URL: await server.database() };
    await using relay = await spawnRelay({ env });
    await using device = await devices.connect(relay.address);
    await create(device, newMailbox(devices.crypto, { relay: device.session.relay }));
    const sql = postgres(env.DCHAT_DATABASE_URL, { max: 1, onnotice: () => {} });
    const holding = sql.begin(async (tx) => {
      await tx`LOCK TABLE receipt IN ACCESS EXCLUSIVE MODE`;
      await Bun.sleep(30_000);
    });
    await Bun.sleep(200);
    const checking = runDchat(["database", "check"], { env });
    while ((await sqlWaiting(env.DCHAT_DATABASE_URL)) === 0) await Bun.sleep(50);
    const processes = processesOf(server.pid());
    for (const each of processes) process.kill(each, "SIGSTOP");
    try {
      const { code, err } = await checking;
      expect(code).toBe(1);
      expect(err).toContain("its server hasn't answered anything for 10 s");
    } finally {
      for (const each of processes) process.kill(each, "SIGCONT");
      holding.catch(() => {});
      await sql.end({ timeout: 0 });
    }
  }, 60_000);

  test("a second signal ends a relay whose database answers nothing while it starts", async () => {
    const asked = Promise.withResolvers<void>();
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: () => asked.resolve() },
    });
    const dir = mkdtempSync(join(tmpdir(), "dchat-silent-"));
    const child = Bun.spawn([...relayCommand, "--data-dir", dir], {
      env: { ...process.env, DCHAT_DATABASE_URL: `postgres://127.0.0.1:${silent.port}/dchat` },
      stdio: ["ignore", "ignore", "ignore"],
    });
    await asked.promise;
    child.kill("SIGTERM");
    await Bun.sleep(1_100);
    const startedMs = performance.now();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(1);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    silent.stop(true);
    rmSync(dir, { recursive: true });
  }, 60_000);

  test("SIGTERM on a full disk ends in peace, and what was acknowledged is there", async () => {
    if (!requireOrSkip("a small tmpfs (root)", canMount())) return;
    using disk = mountTmpfs(80);
    const kept = await (async () => {
      await using relay = await spawnRelay({ dataDir: disk.path });
      await using device = await devices.connect(relay.address);
      const box = newMailbox(devices.crypto, { relay: device.session.relay });
      await create(device, box);
      const count = await until("unavailable", device, box);
      expect(count).toBeGreaterThan(0);
      // What the relay left free others take, to the last byte.
      Bun.spawnSync(["sh", "-c", `cat /dev/zero > ${join(disk.path, "filler")} 2>/dev/null`]);
      expect(await relay.stop("SIGTERM"), relay.output()).toBe(0);
      return count;
    })();
    const { exitCode } = Bun.spawnSync(["mount", "-o", "remount,size=160m", disk.path]);
    expect(exitCode).toBe(0);
    const checked = await runDchat(["database", "check", "--data-dir", disk.path]);
    expect(checked.code, checked.err).toBe(0);
    expect(checked.out).toContain(`${kept} entries`);
  }, 60_000);

  test("its data directory is removed: unavailable and not ready, and nothing more is acknowledged", async () => {
    const parent = mkdtempSync(join(tmpdir(), "dchat-removed-"));
    await using relay = await spawnRelay({ dataDir: join(parent, "relay") });
    await using device = await devices.connect(relay.address);
    const box = newMailbox(devices.crypto, { relay: device.session.relay });
    await create(device, box);
    expect(refusal(await append(device, box))).toBe("appended");
    rmSync(join(parent, "relay"), { recursive: true });
    expect(refusal(await append(device, box))).toBe("unavailable");
    expect(await readiness(relay)).toBe('503 {"ready":false,"reasons":["store"]}');
    await relay.said("was removed or moved away");
    expect(await relay.stop("SIGTERM")).toBe(0);
    rmSync(parent, { recursive: true });
  }, 60_000);

  test("a disk that was full before it started: not ready from the first answer on", async () => {
    if (!requireOrSkip("a small tmpfs (root)", canMount())) return;
    using disk = mountTmpfs(8);
    await using relay = await spawnRelay({ dataDir: disk.path });
    expect(await readiness(relay)).toBe('503 {"ready":false,"reasons":["store"]}');
    await relay.said("the disk is full");
    await relay.said("with 80 it takes appends again");
    await relay.said("relay started, and not ready");
    expect(relay.output()).not.toContain("relay ready");
  }, 60_000);

  test("a full disk refuses appends, still reads, and takes them again once there is room", async () => {
    if (!requireOrSkip("a small tmpfs (root)", canMount())) return;
    using disk = mountTmpfs(88);
    await using relay = await spawnRelay({ dataDir: disk.path });
    await using device = await devices.connect(relay.address);
    const box = newMailbox(devices.crypto, { relay: device.session.relay });
    await create(device, box);
    const kept = await until("unavailable", device, box);
    expect(kept).toBeGreaterThan(10);
    expect(await readiness(relay)).toBe('503 {"ready":false,"reasons":["store"]}');
    const [key] = box.readers;
    if (key === undefined) throw new Error("no reader");
    const { exitCode } = Bun.spawnSync(["mount", "-o", "remount,size=160m", disk.path]);
    expect(exitCode).toBe(0);
    await ready(relay);
    expect(refusal(await append(device, box, 65_536))).toBe("appended");
    expect(await heldBy(device, box)).toBe(kept + 1);
    const read = await device.session.read({ from: kept - 1, bytesMax: 1 << 18 }, { ...box, key });
    expect(read).toMatchObject({ is: "read", next: kept + 1 });
    expect(await relay.stop("SIGTERM")).toBe(0);
  }, 60_000);
});
