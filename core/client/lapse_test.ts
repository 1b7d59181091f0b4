import { expect, test } from "bun:test";
import { openPair } from "../../test/harness/chat.ts";
import { openDevices } from "../../test/harness/device.ts";
import { crypto } from "../../test/harness/party.ts";
import { spawnRelay } from "../../test/harness/relay.ts";
import { type Hash, hash } from "../ground/mod.ts";
import { append, makeProof, type Node, planInclusion } from "../merkle/mod.ts";
import { peaksBefore } from "./lapse.ts";

test("peaksBefore() finds the peaks of every smaller tree in the path of its next leaf", () => {
  const nodes = new Map<string, Hash>();
  const peaks: Hash[][] = [];
  const tree = { peaks: [] as Hash[], size: 0 };
  const SIZE_MAX = 70;
  for (let at = 0; at < SIZE_MAX; at++) {
    peaks.push([...tree.peaks]);
    const made = append(crypto.hash, tree, hash(crypto.hash.sha256(Uint8Array.of(at))));
    for (const [level, node] of made.entries()) nodes.set(`${level}/${Math.floor(at / 2 ** level)}`, node);
  }
  const nodeAt = ({ level, index }: Node): Hash => {
    const node = nodes.get(`${level}/${index}`);
    if (node === undefined) throw new Error(`no node ${level}/${index}`);
    return node;
  };
  for (let size = 1; size <= SIZE_MAX; size++) {
    for (let index = 0; index < size; index++) {
      const plan = planInclusion(index, size);
      const path = makeProof(crypto.hash, plan, plan.wanted.map(nodeAt));
      expect(peaksBefore({ index, size, path })).toEqual(peaks[index] ?? []);
    }
  }
});

test.each([20, 30])(
  "Client.sync() goes on behind a gap that ends at %i of 30, says so, and reads what is there",
  async (floor) => {
    await using relay = await spawnRelay();
    const devices = await openDevices();
    const { ann, bob } = await openPair(devices, relay.address);
    const said: string[] = [];
    for (let at = 0; at < 30; at++) {
      const { text } = await ann.client.send({ to: "bob", text: `message ${at}` });
      said.push(text);
      if (at === 0) await bob.client.sync();
    }
    bob.bend((session) => ({
      async read(range, signing, options) {
        if (range.from < floor) return { is: "refused", refusal: { code: "lapsed", floor } };
        return session.read(range, signing, options);
      },
    }));
    await bob.client.sync();
    expect(bob.failures).toEqual([]);
    expect(bob.alarms).toEqual([`entries 1 to ${floor - 1} were gone before this device read them`]);
    const texts = async () => (await bob.client.history("ann")).map(({ text }) => text);
    expect(await texts()).toEqual(["message 0", ...said.slice(floor)]);
    await bob.client.send({ to: "ann", text: "back again" });
    await ann.client.send({ to: "bob", text: "good" });
    await Promise.all([ann.client.sync(), bob.client.sync()]);
    expect((await texts()).slice(-2)).toEqual(["back again", "good"]);
    expect([...ann.failures, ...bob.failures, ...ann.alarms]).toEqual([]);
    for (const one of [ann, bob, devices]) await one[Symbol.asyncDispose]();
  },
);

test("Client.sync() takes no gap on the relay's word alone: the first entry behind it must be in the log", async () => {
  await using relay = await spawnRelay();
  const devices = await openDevices();
  const { ann, bob } = await openPair(devices, relay.address);
  for (let at = 0; at < 10; at++) await ann.client.send({ to: "bob", text: `message ${at}` });
  bob.bend((session) => ({
    async read(range, signing, options) {
      if (range.from < 5) return { is: "refused", refusal: { code: "lapsed", floor: 5 } };
      return session.read(range, signing, options);
    },
    async command(body, signing, options) {
      const result = await session.command(body, signing, options);
      return result.is === "proof" ? { ...result, path: result.path.toReversed() } : result;
    },
  }));
  await bob.client.sync();
  expect(String(bob.failures.at(-1))).toContain("entry 5 isn't in its log of ann");
  expect(await bob.client.history("ann")).toEqual([]);
  for (const one of [ann, bob, devices]) await one[Symbol.asyncDispose]();
});

test("Client.sync() goes on where another command of the device has gone on behind the gap meanwhile", async () => {
  await using relay = await spawnRelay();
  await using devices = await openDevices();
  await using both = await openPair(devices, relay.address);
  const { ann, bob } = both;
  for (let at = 0; at < 6; at++) await ann.client.send({ to: "bob", text: `message ${at}` });
  let isFirst = true;
  bob.bend((session) => ({
    async read(range, signing, options) {
      if (range.from >= 4) return session.read(range, signing, options);
      const wasFirst = isFirst;
      isFirst = false;
      if (wasFirst) await bob.client.sync();
      return { is: "refused", refusal: { code: "lapsed", floor: 4 } };
    },
  }));
  await bob.client.sync();
  expect(bob.failures).toEqual([]);
  expect((await bob.client.contacts())[0]?.alarms).toEqual(bob.alarms);
  expect((await bob.client.history("ann")).map(({ text }) => text)).toEqual(["message 4", "message 5"]);
});
