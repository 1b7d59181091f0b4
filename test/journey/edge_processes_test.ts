/** A relay whose connections are held by two processes on one port: one relay to whoever speaks with it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { SigningKey } from "@dchat/crypto-wasm";
import { type Dialler, openDialler, ping } from "../../core/edge/mod.ts";
import { canCertify, certificate } from "../harness/certificate.ts";
import {
  clock,
  create,
  type Device,
  type Devices,
  limits,
  newMailbox,
  openDevices,
  plain,
  type TestMailbox,
} from "../harness/device.ts";
import { childrenOf, holders, runs, spread } from "../harness/edge_processes.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";
import { requireOrSkip } from "../harness/require.ts";

const jsClient = resolve(import.meta.dir, "../harness/js_client.ts");
const present = requireOrSkip("openssl", canCertify);
const TWO = ["--edge-processes", "2"];
let devices: Devices;

beforeAll(async () => {
  devices = await openDevices();
});

afterAll(() => devices[Symbol.asyncDispose]());

function portOf(relay: SpawnedRelay): number {
  return Number(/\/tcp\/(\d+)/.exec(relay.address)?.[1]);
}

function pidsOf(relay: SpawnedRelay): [home: number, other: number] {
  const [other, ...more] = childrenOf(relay.pid);
  if (other === undefined || more.length > 0) throw new Error(`the relay has not one process beside it`);
  return [relay.pid, other];
}

/** Devices at the relay's own process and at the other. */
async function atBoth(relay: SpawnedRelay, least = 1): Promise<[home: Device[], other: Device[]]> {
  const pids = pidsOf(relay);
  const held = await spread({ pids, port: portOf(relay), least }, () => devices.connect(relay.address));
  return [held.get(pids[0]) ?? [], held.get(pids[1]) ?? []];
}

function one<T>(many: readonly T[]): T {
  const [first] = many;
  if (first === undefined) throw new Error("there is none");
  return first;
}

async function freshBox(device: Device): Promise<TestMailbox & { readonly reader: SigningKey }> {
  const box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  return { ...box, reader: one(box.readers) };
}

async function append({ session }: Device, box: TestMailbox, bytes = 1024): Promise<number> {
  const result = await session.command(plain(devices.crypto, { bytes }), { ...box, key: box.writer });
  if (result.is !== "appended") throw new Error(JSON.stringify(result));
  return result.promise.seq;
}

/** The sequence numbers that a subscription brings, in the order in which they come. */
function follow({ session }: Device, box: TestMailbox & { readonly reader: SigningKey }, from = 0): number[] {
  const seqs: number[] = [];
  session.subscribe(
    from,
    { ...box, key: box.reader },
    { entry: ({ leaf }) => void seqs.push(leaf.seq), live: () => undefined, ended: () => undefined },
  );
  return seqs;
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await Bun.sleep(10);
  }
}

async function sample(relay: SpawnedRelay, name: string): Promise<number> {
  const text = await (await relay.get("/metrics")).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

describe("a relay of two edge processes", () => {
  test("brings what is appended at either to subscribers at both, in order, and counts the whole", async () => {
    await using relay = await spawnRelay({ args: TWO });
    const [home, other] = await atBoth(relay, 4);
    const box = await freshBox(one(home));
    const followed = [...home.slice(1), ...other.slice(1)].map((device) => follow(device, box));
    const each = 150;
    const sizes = [1024, 4096, 65_536];
    const write = async (device: Device): Promise<void> => {
      for (let at = 0; at < each; at += 1) await append(device, box, sizes[at % 3]);
    };
    await Promise.all([...home.slice(0, 2), ...other.slice(0, 2)].map(write));
    await until("all is there", () => followed.every(({ length }) => length >= 4 * each));
    for (const seqs of followed) expect(seqs).toEqual(range(4 * each));
    // Who comes later gets the past, then the present, wherever it comes.
    const later = [follow(one(home), box), follow(one(other), box)];
    await append(one(other), box);
    await until("the last one", () => later.every(({ length }) => length > 4 * each));
    for (const seqs of later) expect(seqs).toEqual(range(4 * each + 1));
    const connections = home.length + other.length;
    expect(await sample(relay, "dchat_connections_open")).toBe(connections);
    expect(await sample(relay, "dchat_connections_total")).toBe(connections);
    const memory = 'dchat_edge_process_resident_memory_bytes{process="1"}';
    expect(await sample(relay, memory)).toBeGreaterThan(10_000_000);
    // Bytes are told once a second.
    const entries = (4 * each * (1024 + 4096 + 65_536)) / 3;
    await until(
      "the bytes are counted",
      async () =>
        (await sample(relay, 'dchat_relay_bandwidth_bytes{direction="in"}')) > entries &&
        (await sample(relay, 'dchat_relay_bandwidth_bytes{direction="out"}')) > entries * connections,
    );
  }, 60_000);

  test("holds an address to its limit over both, and takes a new limit and a new list while it runs", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dchat-edge-"));
    const config = join(folder, "dchat.toml");
    const write = (max: number, rest = ""): void =>
      writeFileSync(config, `[relay]\nmax_connections_per_address = ${max}\n${rest}`);
    write(200);
    await using relay = await spawnRelay({ args: [...TWO, "--config", config] });
    const [home, other] = await atBoth(relay);
    const held = home.length + other.length;
    const refusedTimes = async (): Promise<number> => {
      const results = await Promise.allSettled(range(12).map(() => devices.connect(relay.address)));
      return results.filter(({ status }) => status === "rejected").length;
    };
    write(held + 4);
    await until("the new limit", () => relay.output().includes("max_connections_per_address"));
    // Twelve come, both processes get some, and in all four find room.
    expect(await refusedTimes()).toBe(8);
    // What a process refuses by itself is told once a second.
    const limits = 'dchat_limits_total{limit="CONNECTIONS_PER_ADDRESS_MAX"}';
    await until("all are counted", async () => (await sample(relay, limits)) === 8);
    one(other).connection.close("leaves", { hard: true });
    await until("it has left", async () => (await sample(relay, "dchat_connections_open")) === held + 3);
    expect(await refusedTimes()).toBe(11);
    write(held + 4, 'deny = ["127.0.0.0/8"]\n');
    await until("all are gone", async () => (await sample(relay, "dchat_connections_open")) === 0);
    expect(await refusedTimes()).toBe(12);
    rmSync(folder, { recursive: true });
  }, 60_000);

  test("loses nothing acknowledged when a process is killed under load; devices come again, and so does it", async () => {
    await using relay = await spawnRelay({ args: TWO });
    const [home, other] = await atBoth(relay, 2);
    const [, killed] = pidsOf(relay);
    const box = await freshBox(one(home));
    const followed = [...home, ...other].map((device) => follow(device, box));
    const acknowledged: number[] = [];
    let writing = true;
    /** Appends until it is told to stop, on a new connection where the old one ends; one may end while it begins. */
    const write = async (first: Device): Promise<void> => {
      let device: Device | null = first;
      while (writing) {
        try {
          device ??= await devices.connect(relay.address);
          acknowledged.push(await append(device, box));
        } catch {
          device = null;
        }
      }
    };
    const writers = [...home, ...other].map(write);
    await until("some are written", () => acknowledged.length > 200);
    process.kill(killed, "SIGKILL");
    await Promise.all(other.map(({ session }) => session.closed));
    await until("another process", () => childrenOf(relay.pid).some((pid) => pid !== killed));
    const soFar = acknowledged.length;
    await until("more are written", () => acknowledged.length > soFar + 200);
    writing = false;
    await Promise.all(writers);
    // Those of the home process never noticed; those of the other saw no gap up to where they were cut off.
    const size = Math.max(...acknowledged) + 1;
    await until("all is there", () => followed.slice(0, home.length).every(({ length }) => length >= size));
    for (const seqs of followed) expect(seqs).toEqual(range(seqs.length));
    const [, again] = await atBoth(relay);
    const cut = followed.at(-1)?.length ?? 0;
    const rest = follow(one(again), box, cut);
    await until("the rest", () => rest.length >= size - cut);
    expect(rest).toEqual(range(size).slice(cut));
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    await relay.said(`process ${killed} ended (SIGKILL: the other end is gone)`);
    expect(await sample(relay, 'dchat_errors_total{where="edge_process"}')).toBe(1);
  }, 60_000);

  test("leaves its processes to itself when a signal reaches all", async () => {
    await using relay = await spawnRelay({ args: TWO });
    const [, other] = pidsOf(relay);
    const [, at] = await atBoth(relay);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.kill(other, signal);
    const box = await freshBox(one(at));
    expect(await append(one(at), box)).toBe(0);
  }, 60_000);

  test("leaves no process behind when it is killed, however many there are", async () => {
    await using relay = await spawnRelay({ args: ["--edge-processes", "4"] });
    const others = childrenOf(relay.pid);
    expect(others).toHaveLength(3);
    await relay.stop("SIGKILL");
    await until("the others have ended", () => others.every((pid) => !runs(pid)));
  }, 60_000);

  test("stops in peace: what was taken is answered, devices are told to go, both processes end", async () => {
    await using relay = await spawnRelay({ args: TWO });
    const pids = pidsOf(relay);
    const [home, other] = await atBoth(relay);
    const box = await freshBox(one(other));
    const asked = [one(home), one(other)].flatMap((device) =>
      range(50).map(() => append(device, box).catch(() => null)),
    );
    await until("one is answered", async () => (await sample(relay, "dchat_messages_kept_total")) > 0);
    expect(await relay.stop("SIGTERM")).toBe(0);
    const seqs = (await Promise.all(asked)).filter((seq) => seq !== null);
    expect(seqs.length).toBeGreaterThan(0);
    expect(new Set(seqs).size).toBe(seqs.length);
    await until("both have ended", () => pids.every((pid) => !runs(pid)));
    expect(relay.output()).not.toContain("edge_process");
  }, 60_000);

  test("refuses a port that another relay shares among its own processes", async () => {
    await using relay = await spawnRelay({ args: TWO });
    const taken = spawnRelay({ args: [...TWO, "--listen", `127.0.0.1:${portOf(relay)}`] });
    await expect(taken).rejects.toThrow(`Cannot listen on 127.0.0.1:${portOf(relay)}: the port is taken`);
  }, 60_000);

  test.if(present)(
    "shows a renewed certificate in both, and goes on with who is there",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "dchat-edge-"));
      const [one, two] = [await certificate("one"), await certificate("two")];
      const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
      const write = ({ cert, key }: typeof one): void => {
        writeFileSync(files.cert, cert);
        writeFileSync(files.key, key);
      };
      write(one);
      const config = join(folder, "dchat.toml");
      writeFileSync(
        config,
        `[relay]\ntls_certificate = ${JSON.stringify(files.cert)}\ntls_key = ${JSON.stringify(files.key)}\n`,
      );
      const listen = ["--listen", "/ip4/127.0.0.1/tcp/0/tls/ws"];
      await using relay = await spawnRelay({ args: [...TWO, ...listen, "--config", config] });
      const address = relay.file.addresses.find((each) => each.includes("/tls/ws")) ?? "";
      const place = { pids: pidsOf(relay), port: Number(/\/tcp\/(\d+)/.exec(address)?.[1]), least: 1 };
      await using trustsOne = openDialler({ crypto: devices.crypto, clock, limits, authorities: one.cert });
      await using trustsTwo = openDialler({ crypto: devices.crypto, clock, limits, authorities: two.cert });
      const dial = async (dialler: Dialler) => ({ connection: await dialler.dial({ address }) });
      const before = await spread(place, () => dial(trustsOne));
      await expect(dial(trustsTwo)).rejects.toThrow();
      write(two);
      await until("both show it", async () => {
        const dials = await Promise.allSettled(range(16).map(() => dial(trustsTwo)));
        return dials.every(({ status }) => status === "fulfilled");
      });
      await spread(place, () => dial(trustsTwo));
      for (const { connection } of [...before.values()].flat()) await ping(connection);
      rmSync(folder, { recursive: true });
    },
    60_000,
  );

  test("serves unchanged js-libp2p clients at both", async () => {
    await using relay = await spawnRelay({ args: TWO });
    const pids = pidsOf(relay);
    const seen = new Set<number>();
    for (let runs = 0; runs < 16 && seen.size < pids.length; runs += 1) {
      const client = Bun.spawn([process.execPath, jsClient, relay.address], { stdout: "pipe" });
      while (client.exitCode === null) {
        for (const pid of holders(pids, portOf(relay)).values()) seen.add(pid);
        await Bun.sleep(5);
      }
      expect(client.exitCode).toBe(0);
    }
    expect(seen).toEqual(new Set(pids));
  }, 60_000);
});
