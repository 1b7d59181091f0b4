import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { type Chatter, openChatter, openPair } from "../../test/harness/chat.ts";
import { clock, type Devices, openDevices } from "../../test/harness/device.ts";
import { type SpawnedRelay, spawnRelay } from "../../test/harness/relay.ts";

let devices: Devices;

beforeAll(async () => {
  devices = await openDevices();
});

afterAll(() => devices[Symbol.asyncDispose]());

/** Resolves when `holds` does; throws after half a minute. */
async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 1500; tries++) {
    if (holds()) return;
    await Bun.sleep(20);
  }
  throw new Error(`not within half a minute: ${what}`);
}

test("Client.follow() goes on through kills of its relay, shows each message once, and sends what others queue", async () => {
  let relay: SpawnedRelay = await spawnRelay();
  const { dataDir } = relay;
  const { ann, bob } = await openPair(devices, relay.address);
  const over = new AbortController();
  const shown: string[] = [];
  const show = () => void bob.client.showNew((news) => void shown.push(...news.map(({ text }) => text)));
  const following = bob.client.follow(over.signal, show);
  const said: string[] = [];
  for (let kill = 0; kill < 3; kill++) {
    for (let at = 0; at < 3; at++) {
      const { text } = await ann.client.send({ to: "bob", text: `${kill}.${at}`, wait: true });
      said.push(text);
    }
    await relay.stop("SIGKILL");
    // Queued while the relay is away, by what would be another process.
    const queued = await bob.client.send({ to: "ann", text: `from bob ${kill}` });
    expect(queued.seq).toBeNull();
    relay = await spawnRelay({ dataDir, same: relay.file });
  }
  await until(() => shown.length >= said.length, "all is shown");
  const sentAll = async () => (await bob.client.conversations())[0]?.unsent === 0;
  for (let tries = 0; !(await sentAll()) && tries < 1500; tries++) await Bun.sleep(20);
  over.abort();
  await following;
  expect(shown).toEqual(said);
  await ann.client.sync();
  const history = (await ann.client.history("bob")).filter(({ mine }) => !mine);
  expect(history.map(({ text }) => text)).toEqual(["from bob 0", "from bob 1", "from bob 2"]);
  expect([...bob.failures, ...ann.failures, ...bob.alarms, ...ann.alarms]).toEqual([]);
  for (const one of [ann, bob, relay]) await one[Symbol.asyncDispose]();
  rmSync(dataDir, { recursive: true });
}, 60_000);

test("Client.follow() joins a conversation that is accepted while it runs", async () => {
  await using relay = await spawnRelay();
  const { ann, bob } = await openPair(devices, relay.address);
  const over = new AbortController();
  const shown: string[] = [];
  const show = () =>
    void ann.client.showNew((news) => void shown.push(...news.map(({ name, text }) => `${name}: ${text}`)));
  const following = ann.client.follow(over.signal, show);
  const { uri } = await ann.client.invite({ name: "bob again", addresses: [relay.address] });
  await bob.client.accept({ uri, name: "ann again" });
  await bob.client.send({ to: "ann again", text: "hello" });
  await until(() => shown.includes("bob again: hello"), "the message of the new conversation");
  over.abort();
  await following;
  expect([ann.failures, ann.joined, bob.joined]).toEqual([[], ["bob", "bob again"], []]);
  for (const one of [ann, bob]) await one[Symbol.asyncDispose]();
}, 60_000);

test("Client.follow() gives each conversation its turn where there are more than it may follow at once", async () => {
  await using relay = await spawnRelay();
  await using ann = await openChatter(devices, { followed: { places: 2, turnMs: 50 } });
  const friends = ["bob", "carl", "dora", "emil", "fritz"];
  const chatters = [];
  for (const name of friends) {
    const chatter = await openChatter(devices);
    chatters.push(chatter);
    const { uri } = await ann.client.invite({ name, addresses: [relay.address] });
    await chatter.client.accept({ uri, name: "ann" });
    await ann.client.sync();
  }
  const over = new AbortController();
  const shown: string[] = [];
  const show = () => void ann.client.showNew((news) => void shown.push(...news.map(({ text }) => text)));
  const following = ann.client.follow(over.signal, show);
  const said: string[] = [];
  let most = 0;
  for (let round = 0; round < 3; round += 1) {
    for (const [at, { client }] of chatters.entries()) {
      const { text } = await client.send({ to: "ann", text: `${friends[at]} ${round}`, wait: true });
      said.push(text);
      const status: { connections: number } = JSON.parse(await (await relay.get("/v1/status")).text());
      most = Math.max(most, status.connections);
    }
  }
  await until(() => shown.length >= said.length, "all is shown");
  over.abort();
  await following;
  expect(shown.toSorted()).toEqual(said.toSorted());
  // Two that are followed, and two on their way out.
  expect(most).toBeLessThanOrEqual(4);
  expect(ann.failures).toEqual([]);
  for (const one of chatters) await one[Symbol.asyncDispose]();
}, 60_000);

test("Client.follow() forgets former epochs, and what it sent, once all have read them", async () => {
  await using relay = await spawnRelay();
  const start = clock.monotonic();
  // Runs fast, for whoever waits before it asks.
  const fast = { ...clock, monotonic: () => start + (clock.monotonic() - start) * 20 };
  const pair = await openPair(devices, relay.address, { clock: fast });
  await using ann = pair.ann;
  await using bob = pair.bob;
  const over = new AbortController();
  const following = [ann, bob].map((one) => one.client.follow(over.signal, () => undefined));
  for (let n = 0; n < 40; n++) await ann.client.send({ to: "bob", text: `${n}`, wait: true });
  const kept = async ({ store }: Chatter) => {
    let found = { size: 0, formers: 0, sent: 0 };
    const look = store.transact((keeper) => {
      const [conversation] = keeper.conversations();
      if (conversation === undefined) throw new Error("there is no conversation");
      const { id, position } = conversation;
      // Former epochs can be asked for as lost ones alone; what throws changes nothing.
      keeper.loseFormers(id, 0);
      const formers = keeper.lostFormers(id).length;
      found = { size: position.size, formers, sent: keeper.sent(id).length };
      throw new Error("only looking");
    });
    await look.catch(() => undefined);
    return found;
  };
  const comes = async (what: { size: number; formers: number; sent: number }[]) => {
    for (let tries = 0; tries < 500; tries++) {
      if (Bun.deepEquals([await kept(ann), await kept(bob)], what)) break;
      await Bun.sleep(20);
    }
    expect([await kept(ann), await kept(bob)]).toEqual(what);
  };
  // Few enough to be kept whatever the relay says; Bob's answer says that he has read them.
  await comes([
    { size: 41, formers: 0, sent: 41 },
    { size: 41, formers: 0, sent: 0 },
  ]);
  await bob.client.send({ to: "ann", text: "read", wait: true });
  await comes([
    { size: 42, formers: 0, sent: 0 },
    { size: 42, formers: 0, sent: 1 },
  ]);
  over.abort();
  await Promise.all(following);
  expect([...bob.failures, ...ann.failures, ...bob.alarms, ...ann.alarms]).toEqual([]);
}, 60_000);
