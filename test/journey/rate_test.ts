/** What a relay does with those who ask for more than their share: refused for a while, and nobody beside them notices. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault, limit } from "../../core/ground/mod.ts";
import type { CommandResult } from "../../core/client/mod.ts";
import { PROTOCOL_ID, signCommand } from "../../core/wire/mod.ts";
import { openSession } from "../../core/client/session/mod.ts";
import { openPair } from "../harness/chat.ts";
import {
  clock,
  create,
  type Device,
  type Devices,
  newMailbox,
  openDevices,
  plain,
  type TestMailbox,
} from "../harness/device.ts";
import { openRaw } from "../harness/raw_stream.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";

const APPENDS_PER_SECOND = 20;
const BURST = (APPENDS_PER_SECOND * limit.RATE_BURST_MS) / 1000;

let devices: Devices;
let folder: string;
let config: string;

beforeAll(async () => {
  devices = await openDevices();
  folder = mkdtempSync(join(tmpdir(), "dchat-rate-"));
  config = join(folder, "dchat.toml");
});

afterAll(async () => {
  await devices[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function openSlow(perSecond = APPENDS_PER_SECOND): Promise<SpawnedRelay> {
  writeFileSync(config, `[relay]\nmax_appends_per_second = ${perSecond}\n`);
  return spawnRelay({ args: ["--config", config] });
}

async function freshBox(device: Device): Promise<TestMailbox> {
  const box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  return box;
}

function append({ session }: Device, box: TestMailbox): Promise<CommandResult> {
  return session.command(plain(devices.crypto), { ...box, key: box.writer });
}

/** Codes of refusals, and "appended", with how often each came. */
function counted(results: readonly CommandResult[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const result of results) {
    const what = result.is === "refused" ? result.refusal.code : result.is;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

/** How many appends each rate has turned away: the connection's, and the mailbox's. */
async function limited(relay: SpawnedRelay): Promise<{ connection: number; mailbox: number }> {
  const text = await (await relay.get("/metrics")).text();
  const of = (whose: string): number =>
    Number(
      new RegExp(`^dchat_limits_total{limit="${whose}_APPENDS_PER_SECOND_MAX"} (\\d+)`, "m").exec(
        text,
      )?.[1] ?? 0,
    );
  return { connection: of("CONNECTION"), mailbox: of("MAILBOX") };
}

describe("a relay with rates", () => {
  test("refuses one connection's flood until later, counts it, and an honest device beside it goes on", async () => {
    await using relay = await openSlow();
    await using flooder = await devices.connect(relay.address);
    await using honest = await devices.connect(relay.address);
    const [target, own] = [await freshBox(flooder), await freshBox(honest)];
    const startedMs = performance.now();
    let over = false;
    const flood = async (): Promise<CommandResult[]> => {
      const results: CommandResult[] = [];
      while (!over)
        results.push(...(await Promise.all(Array.from({ length: 50 }, () => append(flooder, target)))));
      return results;
    };
    const flooding = flood();
    for (let at = 0; at < BURST; at++) expect((await append(honest, own)).is).toBe("appended");
    over = true;
    const results = await flooding;
    const { appended = 0, busy = 0, ...others } = counted(results);
    expect(others).toEqual({});
    const seconds = (performance.now() - startedMs) / 1000;
    expect(appended).toBeLessThanOrEqual(BURST + seconds * APPENDS_PER_SECOND);
    expect(busy).toBeGreaterThan(0);
    const by = await limited(relay);
    expect(by.connection).toBeGreaterThan(0);
    expect(by.connection + by.mailbox).toBe(busy);
    await relay.said("a limit turned commands away");
    // What it was told is true: after that time there is room again.
    const last = results.findLast(({ is }) => is === "refused");
    if (last?.is !== "refused" || last.refusal.code !== "busy") throw new Error("no refusal");
    expect(last.refusal.retryMs).toBeLessThanOrEqual(1000 / APPENDS_PER_SECOND + 1);
    await Bun.sleep(last.refusal.retryMs);
    expect((await append(flooder, target)).is).toBe("appended");
  });

  test("refuses a mailbox's writers together, over however many connections, and its other keys go on", async () => {
    await using relay = await openSlow();
    const crowd = await Promise.all(Array.from({ length: 4 }, () => devices.connect(relay.address)));
    const [first] = crowd;
    if (first === undefined) throw new Error("no device");
    const box = await freshBox(first);
    const startedMs = performance.now();
    const all = crowd.flatMap((each) => Array.from({ length: BURST / 2 }, () => append(each, box)));
    const { appended = 0, busy = 0, ...others } = counted(await Promise.all(all));
    const seconds = (performance.now() - startedMs) / 1000;
    expect(others).toEqual({});
    expect(appended).toBeGreaterThanOrEqual(BURST);
    expect(appended).toBeLessThanOrEqual(BURST + seconds * APPENDS_PER_SECOND);
    expect(await limited(relay)).toEqual({ connection: 0, mailbox: busy });
    expect(busy).toBeGreaterThan(0);
    const stranger = { ...box, writer: devices.crypto.ed25519.generate() };
    expect(await append(first, stranger)).toEqual({ is: "refused", refusal: { code: "denied" } });
    for (const each of crowd) await each[Symbol.asyncDispose]();
  });

  test("answers a flood alike whether its mailbox exists or not", async () => {
    await using relay = await openSlow();
    await using maker = await devices.connect(relay.address);
    const there = await freshBox(maker);
    const missing = newMailbox(devices.crypto, { relay: maker.session.relay });
    for (const box of [there, missing]) {
      const stranger = { ...box, writer: devices.crypto.ed25519.generate() };
      const crowd = await Promise.all(Array.from({ length: 4 }, () => devices.connect(relay.address)));
      const startedMs = performance.now();
      const asked = crowd.flatMap((each) => Array.from({ length: BURST }, () => append(each, stranger)));
      const { denied = 0, busy = 0, ...others } = counted(await Promise.all(asked));
      const seconds = (performance.now() - startedMs) / 1000;
      expect(others).toEqual({});
      expect(busy).toBeGreaterThan(0);
      expect(denied).toBeGreaterThanOrEqual(BURST);
      expect(denied).toBeLessThanOrEqual(BURST + seconds * APPENDS_PER_SECOND);
      for (const each of crowd) await each[Symbol.asyncDispose]();
    }
  });

  test("a flood in a writer's name with signatures that don't hold takes nothing from the writer", async () => {
    await using relay = await openSlow();
    await using writer = await devices.connect(relay.address);
    const box = await freshBox(writer);
    const { crypto } = devices;
    for (let flooder = 0; flooder < 2; flooder++) {
      await using device = await devices.connect(relay.address);
      const raw = openRaw(device.connection, PROTOCOL_ID);
      const { reply: hello } = await raw.next();
      if (hello.is !== "hello") throw new Error("no hello");
      const whose = {
        mailbox: box.mailbox,
        generation: 1,
        relay: hello.certificate.relay,
        nonce: hello.nonce,
      };
      for (let request = 1; request <= BURST; request++) {
        const notAfterMs = Date.now() + 60_000;
        const frame = signCommand(
          { ...whose, notAfterMs, request, body: plain(crypto), key: box.writer },
          crypto,
        );
        frame[frame.length - 1] = (frame.at(-1) ?? 0) ^ 1;
        await raw.write(frame);
      }
      for (let at = 0; at < BURST; at++) {
        expect((await raw.next()).reply).toEqual({ is: "refused", refusal: { code: "denied" } });
      }
      raw.end();
    }
    const results = await Promise.all(Array.from({ length: BURST }, () => append(writer, box)));
    expect(counted(results)).toEqual({ appended: BURST });
  });

  test("keeps a connection's buckets when it changes streams, and takes new rates while it runs", async () => {
    await using relay = await openSlow();
    await using device = await devices.connect(relay.address);
    const boxes = await Promise.all(Array.from({ length: 3 }, () => freshBox(device)));
    const flood = (through: Pick<Device, "session">, box: TestMailbox) =>
      Promise.all(
        Array.from({ length: BURST }, () =>
          through.session.command(plain(devices.crypto), { ...box, key: box.writer }),
        ),
      );
    const [one, two, three] = boxes;
    if (one === undefined || two === undefined || three === undefined) throw new Error("no mailboxes");
    expect(counted(await flood(device, one))).toEqual({ appended: BURST });
    const { connection } = device;
    const again = await openSession(connection, { crypto: devices.crypto, clock, relay: null });
    expect(counted(await flood({ session: again }, two))["busy"]).toBeGreaterThan(0);
    writeFileSync(config, "[relay]\nmax_appends_per_second = 10000\n");
    for (let tries = 0; !relay.output().includes("relay.max_appends_per_second") && tries < 500; tries++) {
      await Bun.sleep(20);
    }
    expect(counted(await flood({ session: again }, three))).toEqual({ appended: BURST });
  });
});

test("Client.sync() comes again where it is refused by rate: every message arrives, once and in order", async () => {
  await using relay = await openSlow(4);
  const { ann, bob } = await openPair(devices, relay.address);
  const said = Array.from({ length: 32 }, (_, at) => `message ${at}`);
  // They wait until all are there: sent one by one, a slow machine would keep to the rate by itself.
  ann.bend(() => ({
    command() {
      throw new Fault("session/closed", "the connection is gone");
    },
  }));
  for (const text of said) await ann.client.send({ to: "bob", text });
  ann.bend(() => ({}));
  await ann.client.sync();
  for (let tries = 0; tries < 50; tries++) {
    const [kept] = await ann.client.conversations();
    if (kept?.unsent === 0) break;
    await ann.client.sync();
  }
  const by = await limited(relay);
  expect(by.connection + by.mailbox).toBeGreaterThan(0);
  await bob.client.sync();
  const history = (await bob.client.history("ann")).map(({ text }) => text);
  expect(history).toEqual(said);
  expect([...ann.failures, ...bob.failures, ...ann.alarms, ...bob.alarms]).toEqual([]);
  for (const one of [ann, bob]) await one[Symbol.asyncDispose]();
}, 30_000);
