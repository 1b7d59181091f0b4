/** What most journeys start from. */
import { afterAll } from "bun:test";
import { type Devices, openDevices } from "./device.ts";
import { type SpawnedRelay, spawnRelay, type SpawnRelayOptions } from "./relay.ts";

/** A relay and devices for all tests of the file that asks; both go after its last one. */
export async function openRig(
  options: SpawnRelayOptions = {},
): Promise<{ readonly relay: SpawnedRelay; readonly devices: Devices }> {
  const [relay, devices] = await Promise.all([spawnRelay(options), openDevices()]);
  afterAll(async () => {
    await devices[Symbol.asyncDispose]();
    await relay[Symbol.asyncDispose]();
  });
  return { relay, devices };
}
