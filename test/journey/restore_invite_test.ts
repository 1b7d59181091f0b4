/**
 * A relay is restored from a backup while an invitation is under way. Whatever it has lost of it, the same invitation
 * still leads to one conversation, and what was acknowledged behind it arrives.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Chatter, openChatter } from "../harness/chat.ts";
import { type Devices, openDevices } from "../harness/device.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";
import { backUp, restore } from "../harness/restore.ts";

let devices: Devices;
let relay: SpawnedRelay;
let dir: string;
let backup: string;
let ann: Chatter;
let bob: Chatter;

beforeAll(async () => {
  devices = await openDevices();
});

afterAll(async () => {
  await devices[Symbol.asyncDispose]();
});

beforeEach(async () => {
  relay = await spawnRelay();
  dir = mkdtempSync(join(tmpdir(), "dchat-backup-"));
  backup = join(dir, "backup");
  [ann, bob] = [await openChatter(devices), await openChatter(devices)];
});

afterEach(async () => {
  for (const one of [ann, bob, relay]) await one[Symbol.asyncDispose]();
  for (const each of [dir, relay.dataDir]) rmSync(each, { recursive: true, force: true });
});

async function back(): Promise<void> {
  relay = await restore(relay, backup);
}

const invite = async () => {
  const { uri } = await ann.client.invite({ name: "bob", addresses: [relay.address] });
  return uri;
};

/** Both come twice, whoever is named first before the other; then each has all that was said, and can go on. */
async function talks(order: readonly Chatter[], said: readonly string[]): Promise<void> {
  for (let round = 0; round < 2; round++) for (const one of order) await one.client.sync();
  await ann.client.send({ to: "bob", text: "from ann" });
  await bob.client.sync();
  await bob.client.send({ to: "ann", text: "from bob" });
  await ann.client.sync();
  const texts = async (one: Chatter, name: string) =>
    (await one.client.history(name)).map(({ text, seq }) => ({ text, seq }));
  const [ofAnn, ofBob] = [await texts(ann, "bob"), await texts(bob, "ann")];
  expect(ofAnn).toEqual(ofBob);
  expect(ofAnn.map(({ text }) => text)).toEqual([...said, "from ann", "from bob"]);
  expect([...ann.failures, ...bob.failures]).toEqual([]);
  expect(await ann.store.transact((keeper) => keeper.invites().map(({ stage }) => stage))).toEqual(["used"]);
}

describe("an invitation on a relay that is restored", () => {
  test("can be accepted where the backup has it", async () => {
    const uri = await invite();
    await backUp(relay, backup);
    await back();
    await bob.client.accept({ uri, name: "ann" });
    await bob.client.send({ to: "ann", text: "one" });
    await talks([ann, bob], ["one"]);
  }, 60_000);

  test("is joined where the backup has its Welcome", async () => {
    await bob.client.accept({ uri: await invite(), name: "ann" });
    await bob.client.send({ to: "ann", text: "one" });
    await backUp(relay, backup);
    await bob.client.send({ to: "ann", text: "two" });
    await back();
    await talks([ann, bob], ["one", "two"]);
  }, 60_000);

  test.each(["ann", "bob"] as const)(
    "gets its Welcome again where it was accepted after the backup (%s comes first)",
    async (first) => {
      const uri = await invite();
      await backUp(relay, backup);
      await bob.client.accept({ uri, name: "ann" });
      await bob.client.send({ to: "ann", text: "one" });
      await back();
      await talks(first === "ann" ? [ann, bob] : [bob, ann], ["one"]);
    },
    60_000,
  );

  test.each(["ann", "bob"] as const)(
    "is made again where all of it came after the backup (%s comes first)",
    async (first) => {
      await backUp(relay, backup);
      await bob.client.accept({ uri: await invite(), name: "ann" });
      await bob.client.send({ to: "ann", text: "one" });
      await back();
      await talks(first === "ann" ? [ann, bob] : [bob, ann], ["one"]);
    },
    60_000,
  );

  test("is made again by the same invite", async () => {
    await backUp(relay, backup);
    const uri = await invite();
    await back();
    expect(await invite()).toBe(uri);
    await bob.client.accept({ uri, name: "ann" });
    await talks([ann, bob], []);
  }, 60_000);

  test("says why it may be missing, and is good again once its inviter has connected", async () => {
    await backUp(relay, backup);
    const uri = await invite();
    await back();
    const refused = await bob.client.accept({ uri, name: "ann" }).then(String, String);
    expect(refused).toContain("used already or taken back, or the relay lost it when it was restored");
    await ann.client.sync();
    await bob.client.accept({ uri, name: "ann" });
    await talks([ann, bob], []);
  }, 60_000);

  test("survives two restores, and a change of keys before anybody joins", async () => {
    const uri = await invite();
    await backUp(relay, backup);
    await bob.client.accept({ uri, name: "ann" });
    const said = Array.from({ length: 40 }, (_, at) => `line ${at}`);
    for (const text of said.slice(0, 36)) await bob.client.send({ to: "ann", text });
    await back();
    await bob.client.sync();
    // Generations after restores are numbered by the second.
    await Bun.sleep(1000);
    await back();
    for (const text of said.slice(36)) await bob.client.send({ to: "ann", text });
    await talks([bob, ann], said);
  }, 60_000);

  test("that was used is used still, once the inviter has come", async () => {
    const uri = await invite();
    await backUp(relay, backup);
    await bob.client.accept({ uri, name: "ann" });
    await ann.client.sync();
    await back();
    await talks([ann, bob], []);
    await using carl = await openChatter(devices);
    const accepted = carl.client.accept({ uri, name: "ann" });
    expect(await accepted.catch((error: unknown) => String(error))).toContain("used already");
    expect(await carl.client.contacts()).toEqual([]);
  }, 60_000);

  test("is joined by an inviter who stays, once someone accepts after the restore", async () => {
    const uri = await invite();
    await backUp(relay, backup);
    const over = new AbortController();
    const following = ann.client.follow(over.signal, () => undefined);
    await back();
    await bob.client.accept({ uri, name: "ann" });
    await bob.client.send({ to: "ann", text: "one" });
    while ((await ann.client.conversations())[0]?.messages !== 1) await Bun.sleep(50);
    over.abort();
    await following;
    await talks([ann, bob], ["one"]);
  }, 60_000);
});
