/** Relay processes that are killed, stopped, doubled and shut in, and what their devices see of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DeliveredEntry, PROTOCOL_ID, signCommand } from "../../core/wire/mod.ts";
import { runDchat } from "../harness/dchat.ts";
import { create, type Device, type Devices, newMailbox, openDevices, plain } from "../harness/device.ts";
import { openRaw } from "../harness/raw_stream.ts";
import { relayCommand, spawnRelay } from "../harness/relay.ts";
import { canMount, isRoot, mountTmpfs } from "../durability/mount.ts";
import { requireOrSkip } from "../harness/require.ts";

let devices: Devices;

beforeAll(async () => {
  devices = await openDevices();
});

afterAll(() => devices[Symbol.asyncDispose]());

function dataDir(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "dchat-crash-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Connects as often as it takes: the relay may be on its way up. */
async function connect(address: string): Promise<Device> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await devices.connect(address);
    } catch (error) {
      if (tries === 100) throw error;
      await Bun.sleep(20);
    }
  }
}

describe("SIGKILL under load", () => {
  const kills = process.env["DCHAT_TEST_LONG"] === "1" ? 25 : 4;

  test("loses nothing acknowledged and doubles nothing, whatever the moment", async () => {
    using dir = dataDir();
    let relay = await spawnRelay({ dataDir: dir.path });
    const { file, address } = relay;
    const first = await connect(address);
    const boxes = Array.from({ length: 4 }, () => newMailbox(devices.crypto, { relay: first.session.relay }));
    for (const box of boxes) await create(first, box);
    await first[Symbol.asyncDispose]();
    /** By mailbox: id of the entry to the leaf that the relay promised. */
    const promised = boxes.map(() => new Map<string, string>());
    let stopping = false;
    const write = async (at: number): Promise<void> => {
      const box = boxes[at];
      const kept = promised[at];
      if (box === undefined || kept === undefined) throw new Error("no mailbox");
      // What was sent and not answered is sent again under the same id, as a device does.
      let body = plain(devices.crypto);
      while (!stopping) {
        let device: Device | null = null;
        try {
          device = await connect(address);
          while (!stopping) {
            const result = await device.session.command(body, { ...box, key: box.writer });
            if (result.is !== "appended") continue;
            kept.set(body.id.toHex(), `${result.promise.seq}:${result.promise.leaf.toHex()}`);
            body = plain(devices.crypto);
          }
        } catch {
          // Killed under us: the next connection goes on where this one ended.
        }
        await device?.[Symbol.asyncDispose]();
      }
    };
    const writers = boxes.flatMap((_, at) => [write(at), write(at)]);
    for (let kill = 0; kill < kills; kill += 1) {
      await Bun.sleep(100 + Math.random() * 300);
      await relay.stop("SIGKILL");
      relay = await spawnRelay({ dataDir: dir.path, same: file });
      expect(relay.file.peerId).toBe(file.peerId);
    }
    await Bun.sleep(200);
    stopping = true;
    await Promise.all(writers);
    const last = await connect(address);
    for (const [at, box] of boxes.entries()) {
      const found = await readAll(last, box);
      const ids = found.map(({ leaf }) => leaf.id.toHex());
      expect(new Set(ids).size).toBe(ids.length);
      const seqs = new Map(found.map(({ leaf }) => [leaf.id.toHex(), leaf.seq]));
      expect(promised[at]?.size).toBeGreaterThan(10);
      for (const [id, what] of promised[at] ?? []) expect(`${seqs.get(id)}`).toBe(what.split(":")[0] ?? "");
    }
    await last[Symbol.asyncDispose]();
    await relay[Symbol.asyncDispose]();
  }, 120_000);
});

async function readAll(device: Device, box: ReturnType<typeof newMailbox>): Promise<DeliveredEntry[]> {
  const [key] = box.readers;
  if (key === undefined) throw new Error("no reader");
  const all: DeliveredEntry[] = [];
  for (;;) {
    const result = await device.session.read({ from: all.length, bytesMax: 1 << 20 }, { ...box, key });
    if (result.is !== "read") throw new Error(JSON.stringify(result));
    all.push(...result.entries);
    if (result.next === result.head.size) return all;
  }
}

describe("a relay that is told to stop", () => {
  test("is not ready at once, tells devices to go, answers what it took, and exits 0 without relay.json", async () => {
    using dir = dataDir();
    await using relay = await spawnRelay({ dataDir: dir.path });
    const device = await connect(relay.address);
    const box = newMailbox(devices.crypto, { relay: device.session.relay });
    await create(device, box);
    const raw = openRaw(device.connection, PROTOCOL_ID);
    await raw.next();
    const answers = Array.from({ length: 200 }, () =>
      device.session.command(plain(devices.crypto), { ...box, key: box.writer }),
    );
    await answers[0];
    relay.signal("SIGTERM");
    // Each gets an answer: kept, or refused as draining, or the connection's end; never a wrong promise.
    const settled = await Promise.allSettled(answers);
    const codes = settled.map((each) => (each.status === "rejected" ? "closed" : each.value.is));
    expect(new Set(codes).difference(new Set(["appended", "refused", "closed"])).size).toBe(0);
    expect(await relay.exited).toBe(0);
    expect(raw.replies.map(({ reply }) => reply.is)).toContain("goaway");
    expect(existsSync(join(dir.path, "relay.json"))).toBe(false);
    await using again = await spawnRelay({ dataDir: dir.path });
    await using later = await connect(again.address);
    const kept = codes.filter((code) => code === "appended").length;
    const found = (await readAll(later, box)).length;
    expect(found).toBeGreaterThanOrEqual(kept);
  });

  /** A device that asks for half a MiB and reads none of it: the relay owes it answers that don't go out. */
  async function stuck(address: string): Promise<void> {
    await using device = await connect(address);
    const box = newMailbox(devices.crypto, { relay: device.session.relay });
    await create(device, box);
    const append = (): Promise<unknown> =>
      device.session.command(plain(devices.crypto, { bytes: 65_536 }), { ...box, key: box.writer });
    await Promise.all(Array.from({ length: 8 }, append));
    const raw = openRaw(await devices.dialler.dial({ address }), PROTOCOL_ID);
    const hello = await raw.next();
    const [key] = box.readers;
    if (hello.reply.is !== "hello" || key === undefined) throw new Error("no hello");
    raw.hold(true);
    const { nonce } = hello.reply;
    for (const [request, from] of [
      [1, 0],
      [2, 4],
    ] as const) {
      const body = { op: "read" as const, from, bytesMax: 4 * 65_536 };
      const relay = device.session.relay;
      const notAfterMs = Date.now() + 60_000;
      await raw.write(signCommand({ ...box, body, notAfterMs, relay, nonce, key, request }, devices.crypto));
    }
    await raw.next();
  }

  test("waits at most its grace for a device that doesn't read, not ready meanwhile", async () => {
    await using relay = await spawnRelay({ args: ["--grace", "5s"] });
    await stuck(relay.address);
    const startedMs = performance.now();
    const stopped = relay.stop("SIGTERM");
    await Bun.sleep(200);
    const probe = await relay.get("/ready");
    expect([probe.status, await probe.json()]).toEqual([503, { ready: false, reasons: ["draining"] }]);
    await expect(devices.connect(relay.address)).rejects.toThrow();
    expect(await stopped).toBe(0);
    expect(performance.now() - startedMs).toBeGreaterThan(3500);
  });

  test("takes a signal doubled within a millisecond as one, and a later one as an order to go at once", async () => {
    await using once = await spawnRelay();
    once.signal("SIGINT");
    once.signal("SIGINT");
    expect(await once.exited).toBe(0);
    await using twice = await spawnRelay({ args: ["--grace", "30s"] });
    await stuck(twice.address);
    twice.signal("SIGTERM");
    // Too soon to be meant.
    await Bun.sleep(300);
    twice.signal("SIGTERM");
    await Bun.sleep(1000);
    expect((await twice.get("/health")).status).toBe(200);
    const startedMs = performance.now();
    twice.signal("SIGTERM");
    expect(await twice.exited).toBe(1);
    expect(performance.now() - startedMs).toBeLessThan(5000);
    const checked = await runDchat(["database", "check", "--data-dir", twice.dataDir]);
    expect(checked.code, checked.err).toBe(0);
    expect(checked.out).toContain("8 entries");
  });
});

describe("a relay that can't start", () => {
  async function failing(args: readonly string[]): Promise<{ code: number; text: string }> {
    const child = Bun.spawn([...relayCommand, ...args], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
    const [out, error, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, text: out + error };
  }
  const free = ["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];

  test("names the port that is taken, whichever it is", async () => {
    using dir = dataDir();
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const place = `127.0.0.1:${taken.port}`;
    for (const flag of ["--listen", "--api-listen", "--metrics-listen"]) {
      const others = free.filter((_, at) => free[at - (at % 2)] !== flag);
      const { code, text } = await failing([...others, flag, place, "--data-dir", dir.path]);
      expect(code).toBe(1);
      expect(text).toContain(place);
      expect(existsSync(join(dir.path, "relay.json"))).toBe(false);
    }
  });

  test("says so where this machine hasn't the address, whatever listens on it", async () => {
    using dir = dataDir();
    // TEST-NET-3, which nobody has.
    const place = "203.0.113.9:7070";
    for (const flag of ["--listen", "--api-listen", "--metrics-listen"]) {
      const others = free.filter((_, at) => free[at - (at % 2)] !== flag);
      const { code, text } = await failing([...others, flag, place, "--data-dir", dir.path]);
      expect([flag, code]).toEqual([flag, 1]);
      expect(text).toContain(`Cannot listen on ${place}`);
      expect(text).toContain(": this machine has no such address");
    }
  });

  test("names the pid of the relay that already works in its data directory", async () => {
    using dir = dataDir();
    await using first = await spawnRelay({ dataDir: dir.path });
    const { code, text } = await failing([...free, "--data-dir", dir.path]);
    expect(code).toBe(1);
    expect(text).toContain(`pid ${first.pid}`);
    expect(existsSync(join(dir.path, "relay.json"))).toBe(true);
  });

  test("says so where its data directory can't be written", async () => {
    // Root may write anywhere, but not on a file system that is mounted read-only.
    if (isRoot() && !requireOrSkip("a read-only directory (a mount, as root)", canMount())) return;
    using dir = isRoot() ? mountTmpfs(1, { readOnly: true }) : dataDir();
    if (!isRoot()) chmodSync(dir.path, 0o500);
    const { code, text } = await failing([...free, "--data-dir", dir.path]);
    expect(code).toBe(1);
    expect(text).toContain(dir.path);
  });
});
