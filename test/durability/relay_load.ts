/** Devices that append to a whole relay while a test takes its disk away, and what the relay promised them. */
import { expect } from "bun:test";
import { create, type Devices, newMailbox, plain } from "../harness/device.ts";
import type { SpawnedRelay } from "../harness/relay.ts";

const APPENDERS = 8;
const PAUSE_MS = 20;
const READY_TIMEOUT_MS = 30_000;
/** With appends under way when it begins, one of each appender may still be on its way. */
const QUIET_MS = 500;

export interface RelayLoad {
  /** Leaves by mailbox and sequence number, of what the relay promised. */
  readonly acknowledged: Map<string, Map<number, string>>;
  /** What it said otherwise, in order. */
  readonly refusals: string[];
  /** Resolves when all appenders were refused. */
  refused(): Promise<void>;
  /** Resolves when the relay promised more than it had when this was called. */
  promisedMore(): Promise<void>;
  /** Ends the load; resolves when no append is under way. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  /** Of each entry, a size class; 1 KiB unless said otherwise. */
  readonly bytes?: number;
}

/** A device whose appends go on whatever they are answered, until the connection ends or it is told to stop. */
export async function startLoad(
  devices: Devices,
  relay: SpawnedRelay,
  options: LoadOptions = {},
): Promise<RelayLoad> {
  const device = await devices.connect(relay.address);
  const box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  const promised = new Map<number, string>();
  const refusals: string[] = [];
  let stopped = false;
  const append = async (): Promise<void> => {
    while (!stopped) {
      const result = await device.session.command(plain(devices.crypto, options), {
        ...box,
        key: box.writer,
      });
      if (result.is === "appended") promised.set(result.promise.seq, result.promise.leaf.toHex());
      else refusals.push(result.is === "refused" ? result.refusal.code : result.is);
      if (result.is !== "appended") await Bun.sleep(PAUSE_MS);
    }
  };
  const running = Array.from({ length: APPENDERS }, () => append().catch(() => {}));
  return {
    acknowledged: new Map([[box.mailbox.toHex(), promised]]),
    refusals,
    async refused() {
      while (refusals.length < APPENDERS) await Bun.sleep(PAUSE_MS);
    },
    async promisedMore() {
      const { size } = promised;
      while (promised.size === size) await Bun.sleep(PAUSE_MS);
    },
    async stop() {
      stopped = true;
      await device[Symbol.asyncDispose]();
      await Promise.all(running);
    },
  };
}

/** Holds that the relay promises nothing now, answers /health, and says by /ready that its store is why it isn't ready. */
export async function expectStoreAway(relay: SpawnedRelay, load: RelayLoad): Promise<void> {
  const promised = [...load.acknowledged.values()].map((entries) => entries.size);
  await Bun.sleep(QUIET_MS);
  expect([...load.acknowledged.values()].map((entries) => entries.size)).toEqual(promised);
  expect(load.refusals).toContain("unavailable");
  expect((await relay.get("/health")).status).toBe(200);
  const ready = await relay.get("/ready");
  expect([ready.status, await ready.json()]).toEqual([503, { ready: false, reasons: ["store"] }]);
}

/** Resolves once the relay is ready; fails with what it wrote where that takes too long. */
export async function untilReady(relay: SpawnedRelay): Promise<void> {
  const endMs = performance.now() + READY_TIMEOUT_MS;
  while ((await relay.get("/ready")).status !== 200) {
    if (performance.now() > endMs) throw new Error(`The relay isn't ready again:\n${relay.output()}`);
    await Bun.sleep(PAUSE_MS);
  }
}
