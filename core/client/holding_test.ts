/** Relays that never come to an end: each holds up its own conversations, for a time, and nobody else's. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openChatter } from "../../test/harness/chat.ts";
import { type Devices, openDevices } from "../../test/harness/device.ts";
import { crypto } from "../../test/harness/party.ts";
import { type SpawnedRelay, spawnRelay } from "../../test/harness/relay.ts";
import { isFault, signature } from "../ground/mod.ts";

let relays: readonly [SpawnedRelay, SpawnedRelay];
let devices: Devices;

beforeAll(async () => {
  relays = await Promise.all([spawnRelay(), spawnRelay()]);
  devices = await openDevices();
});

afterAll(async () => {
  await devices[Symbol.asyncDispose]();
  for (const relay of relays) await relay[Symbol.asyncDispose]();
});

/** Bob with a message from "good" at the second relay, and a conversation with "bad" at the first. */
async function bobBetween(options: { relayMsMax?: number } = {}) {
  await using stack = new AsyncDisposableStack();
  const bob = stack.use(await openChatter(devices, options));
  for (const [at, name] of (["bad", "good"] as const).entries()) {
    const other = stack.use(await openChatter(devices));
    const { uri } = await other.client.invite({ name: "bob", addresses: [relays[at]?.address ?? ""] });
    await bob.client.accept({ uri, name });
    await other.client.sync();
    await other.client.send({ to: "bob", text: `from ${name}` });
  }
  const [first] = await bob.store.transact((keeper) => keeper.conversations());
  if (first === undefined) throw new Error("bob has conversations");
  const owned = stack.move();
  const isBad = (mailbox: Uint8Array) => crypto.equal(mailbox, first.place.mailbox);
  return { bob, isBad, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe("Client.sync()", () => {
  test("ends with a relay that starts one generation after the other", async () => {
    await using stage = await bobBetween();
    const { bob, isBad } = stage;
    let asked = 0;
    bob.bend((session) => ({
      async command(body, signing, options) {
        if (body.op !== "describe" || !isBad(signing.mailbox)) return session.command(body, signing, options);
        asked += 1;
        const { mailbox, generation } = signing;
        const root = crypto.hash.sha256(new Uint8Array());
        const started = { mailbox, generation: generation + 1, size: 0, root: root as never, timeMs: 0 };
        const signed = { ...started, signature: signature(new Uint8Array(64)) };
        return { is: "refused", refusal: { code: "generation", started: signed } };
      },
    }));
    await bob.client.sync();
    expect(asked).toBeLessThan(8);
    expect(bob.failures.map((error) => isFault(error, "client/untrue"))).toEqual([true]);
    expect((await bob.client.history("good")).map(({ text }) => text)).toEqual(["from good"]);
  });

  test("shows what came from one relay while another takes its time, which is limited", async () => {
    await using stage = await bobBetween({ relayMsMax: 2000 });
    const { bob, isBad } = stage;
    bob.bend((session) => ({
      async command(body, signing, options) {
        if (!isBad(signing.mailbox)) return session.command(body, signing, options);
        const { promise, reject } = Promise.withResolvers<never>();
        options?.signal?.addEventListener("abort", () => reject(options.signal?.reason), { once: true });
        return promise;
      },
    }));
    let news = 0;
    const texts: string[] = [];
    const synced = bob.client.sync(undefined, () => {
      news += 1;
      void bob.client.showNew((messages) => texts.push(...messages.map(({ text }) => text)));
    });
    for (let tries = 0; tries < 100 && texts.length === 0; tries++) await Bun.sleep(10);
    expect(texts).toEqual(["from good"]);
    expect(news).toBe(1);
    await synced;
    expect(bob.offline.join()).toContain("The relay takes too long");
    expect(bob.failures).toEqual([]);
  });
});

describe("Client.follow()", () => {
  test.each([
    ["says of more and more that it is gone", 1],
    ["never answers", null],
  ])("ends when it is told to, though an invitation's relay %s", async (_, pauseMs) => {
    await using ann = await openChatter(devices);
    await ann.client.invite({ name: "bob", addresses: [relays[0].address] });
    let asked = 0;
    ann.bend(() => ({
      async read(range, _signing, options) {
        asked += 1;
        const { promise, reject } = Promise.withResolvers<never>();
        options?.signal?.addEventListener("abort", () => reject(options.signal?.reason), { once: true });
        options?.signal?.throwIfAborted();
        await (pauseMs === null ? promise : Promise.race([promise, Bun.sleep(pauseMs)]));
        return { is: "refused", refusal: { code: "lapsed", floor: range.from + 1 } };
      },
    }));
    const over = new AbortController();
    const following = ann.client.follow(over.signal, () => undefined);
    while (asked === 0) await Bun.sleep(10);
    over.abort();
    const isOver = await Promise.race([following.then(() => true), Bun.sleep(3000).then(() => false)]);
    expect(isOver).toBe(true);
    expect(ann.failures).toEqual([]);
  });
});
