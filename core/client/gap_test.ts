/** A gap over numbers that an earlier generation had other entries at: those aren't taken for what stands there now. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPair, texts } from "../../test/harness/chat.ts";
import { openDevices } from "../../test/harness/device.ts";
import { spawnRelay } from "../../test/harness/relay.ts";
import { backUp, restore } from "../../test/harness/restore.ts";

test("Client.sync() accuses nobody where entries went that stood at the numbers of an earlier generation's", async () => {
  await using devices = await openDevices();
  await using before = await spawnRelay();
  await using both = await openPair(devices, before.address);
  const { ann, bob } = both;
  const dir = mkdtempSync(join(tmpdir(), "dchat-gap-"));
  const backup = join(dir, "backup");
  for (const text of ["0", "1"]) await ann.client.send({ to: "bob", text });
  await backUp(before, backup);
  for (const text of ["2", "3", "4"]) await ann.client.send({ to: "bob", text });
  for (const one of [ann, bob]) await one.client.sync();
  await using _ = await restore(before, backup);
  // Bob's stand at the numbers of hers, which come behind them once more.
  for (const text of ["x", "y", "z"]) await bob.client.send({ to: "ann", text });
  await ann.client.sync();
  await ann.client.send({ to: "bob", text: "5" });
  await ann.client.send({ to: "bob", text: "6" });
  bob.bend((session) => ({
    async read(range, signing, options) {
      if (range.from < 5) return { is: "refused", refusal: { code: "lapsed", floor: 5 } };
      return session.read(range, signing, options);
    },
  }));
  await bob.client.sync();
  expect([bob.failures, ann.failures]).toEqual([[], []]);
  expect(bob.alarms).toEqual([
    expect.stringContaining("restored or moved"),
    "entries 2 to 4 were gone before this device read them",
  ]);
  const said = ["0", "1", "x", "y", "z", "2", "3", "4", "5", "6"];
  expect([await texts(ann, "bob"), await texts(bob, "ann")]).toEqual([said, said]);
  rmSync(dir, { recursive: true });
}, 60_000);
