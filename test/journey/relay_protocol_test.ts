import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Devices, create, newMailbox, openDevices, plain } from "../harness/device.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";

let relay: SpawnedRelay;
let devices: Devices;

beforeAll(async () => {
  [relay, devices] = await Promise.all([spawnRelay(), openDevices()]);
});

afterAll(async () => {
  await devices[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
});

describe("a relay process, by the mailbox protocol", () => {
  test("keeps what it promises and delivers it to a reader", async () => {
    await using device = await devices.connect(relay.address);
    const { session } = device;
    const box = newMailbox(devices.crypto, { relay: session.relay });
    await create(device, box);
    const sent = [plain(devices.crypto), plain(devices.crypto, { bytes: 4096 })];
    for (const body of sent) {
      const result = await session.command(body, { ...box, key: box.writer });
      expect(result.is).toBe("appended");
    }
    const [reader] = box.readers;
    if (reader === undefined) throw new Error("no reader");
    const read = await session.read({ from: 0, bytesMax: 1 << 20 }, { ...box, key: reader });
    if (read.is !== "read") throw new Error(JSON.stringify(read));
    expect(read.entries.map(({ entry }) => entry)).toEqual(sent.map(({ entry }) => entry));
    expect(read.next).toBe(2);
    expect(read.head.size).toBe(2);
  });
});
