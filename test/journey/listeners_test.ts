/** A relay that loses its API and its metrics: devices notice nothing, and both come back where they were. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, newMailbox, openDevices, plain } from "../harness/device.ts";
import { relayCommand, spawnRelay } from "../harness/relay.ts";
import { requireOrSkip } from "../harness/require.ts";

const PRELOAD = join(import.meta.dir, "../harness/losing_listeners.ts");

test("lost listeners of API and metrics are opened again, and every append meanwhile is kept", async () => {
  if (!requireOrSkip("Linux's /proc and libc", process.platform === "linux")) return;
  const dataDir = mkdtempSync(join(tmpdir(), "dchat-listeners-"));
  await using devices = await openDevices();
  const [bun = "", ...rest] = relayCommand;
  await using relay = await spawnRelay({
    dataDir,
    command: [bun, "--preload", PRELOAD, ...rest],
    env: { DCHAT_TEST_RELAY_FILE: join(dataDir, "relay.json") },
  });
  await using device = await devices.connect(relay.address);
  const box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  const answers: string[] = [];
  let isOver = false;
  const appending = (async () => {
    while (!isOver) {
      const { is } = await device.session.command(plain(devices.crypto), { ...box, key: box.writer });
      answers.push(is);
    }
  })();
  relay.signal("SIGUSR2");
  const again = () =>
    ["the API", "metrics"].every((name) => relay.output().includes(`${name} listens again`));
  for (let tries = 0; !again() && tries < 1500; tries += 1) await Bun.sleep(20);
  await relay.said("the API lost its listener; opening it again");
  expect((await relay.get("/ready")).status).toBe(200);
  expect((await relay.get("/metrics")).status).toBe(200);
  isOver = true;
  await appending;
  expect(answers.length).toBeGreaterThan(10);
  expect(answers.filter((is) => is !== "appended")).toEqual([]);
  rmSync(dataDir, { recursive: true });
}, 60_000);
