/** Invitations and acceptances that break off midway: whatever was lost on the wire, doing it again ends it well. */
import { describe, expect, test } from "bun:test";
import { type Chatter, openChatter } from "../../test/harness/chat.ts";
import { clock } from "../../test/harness/device.ts";
import { spawnRelay } from "../../test/harness/relay.ts";
import { Fault } from "../ground/mod.ts";
import type { SingleBody } from "./port.ts";
import { openRig } from "../../test/harness/rig.ts";

const { relay, devices } = await openRig();

interface Two extends AsyncDisposable {
  readonly ann: Chatter;
  readonly bob: Chatter;
}

async function open(): Promise<Two> {
  const [ann, bob] = [await openChatter(devices), await openChatter(devices)];
  return {
    ann,
    bob,
    async [Symbol.asyncDispose]() {
      await ann[Symbol.asyncDispose]();
      await bob[Symbol.asyncDispose]();
    },
  };
}

const closed = () => new Fault("session/closed", "the connection is gone");

/** The relay obeys the first command that `chosen` picks, and its answer is lost. */
function loseAnswer(chatter: Chatter, chosen: (body: SingleBody) => boolean): void {
  let lost = false;
  chatter.bend((session) => ({
    async command(body, signing, options) {
      const result = await session.command(body, signing, options);
      if (lost || !chosen(body)) return result;
      lost = true;
      throw closed();
    },
  }));
}

async function talks({ ann, bob }: Two, names: { ofAnn: string; ofBob: string }): Promise<void> {
  await bob.client.send({ to: names.ofAnn, text: "hello" });
  await ann.client.sync();
  await ann.client.send({ to: names.ofBob, text: "and hello" });
  await bob.client.sync();
  const texts = (await bob.client.history(names.ofAnn)).map(({ text }) => text);
  expect(texts).toEqual(["hello", "and hello"]);
  expect([...ann.failures, ...bob.failures, ...ann.alarms, ...bob.alarms]).toEqual([]);
}

describe("Client.invite()", () => {
  for (const op of ["create", "append"] as const) {
    test(`gives the same invitation again after the answer to its ${op} was lost`, async () => {
      await using two = await open();
      const { ann, bob } = two;
      loseAnswer(ann, (body) => body.op === op);
      const options = { name: "bob", addresses: [relay.address] };
      expect(await ann.client.invite(options).catch((error: unknown) => String(error))).toContain("gone");
      const first = await ann.client.invite(options);
      expect(await ann.client.invite(options)).toEqual(first);
      await bob.client.accept({ uri: first.uri, name: "ann" });
      await talks(two, { ofAnn: "ann", ofBob: "bob" });
    });
  }
});

describe("an invitation that is over", () => {
  for (const code of ["full", "limit"] as const) {
    test(`is forgotten though its relay answers ${code}`, async () => {
      await using two = await open();
      const { ann } = two;
      await ann.client.invite({ name: "bob", addresses: [relay.address] });
      await ann.store.transact((keeper) => {
        const [kept] = keeper.invites();
        if (kept !== undefined) keeper.putInvite({ ...kept, invite: { ...kept.invite, expiresMs: 1 } });
      });
      const refused = { is: "refused", refusal: { code } } as const;
      ann.bend(() => ({ read: async () => refused, command: async () => refused }));
      await ann.client.sync();
      expect(ann.failures).toEqual([]);
      expect(await ann.store.transact((keeper) => keeper.invites())).toEqual([]);
    });
  }

  test("waits for a relay that is away", async () => {
    await using two = await open();
    const { ann } = two;
    await ann.client.invite({ name: "bob", addresses: [relay.address] });
    ann.bend(() => ({
      read() {
        throw closed();
      },
    }));
    await ann.client.sync();
    expect(await ann.store.transact((keeper) => keeper.invites().length)).toBe(1);
  });

  test("is given up, and said so, once nothing can lie there any more at a relay that is gone for good", async () => {
    await using gone = await spawnRelay();
    let aheadMs = 0;
    const later = { ...clock, now: () => clock.now() + aheadMs };
    await using ann = await openChatter(devices, { clock: later });
    await ann.client.invite({ name: "bob", addresses: [gone.address] });
    await gone.stop();
    const left = () => ann.store.transact((keeper) => keeper.invites().length);
    const day = 24 * 60 * 60 * 1000;
    // An answer of the seventh day lies there for seven more.
    for (const days of [1, 13]) {
      aheadMs = days * day;
      await ann.client.sync();
      expect([await left(), ann.alarms.length]).toEqual([1, 0]);
    }
    aheadMs = 14 * day + 1000;
    const away = ann.offline.length;
    await ann.client.sync();
    expect([await left(), ann.offline.length]).toEqual([0, away]);
    expect(ann.alarms.join()).toContain("it is given up");
  });

  test("leaves its name to the next, also where its relay is away", async () => {
    await using gone = await spawnRelay();
    let aheadMs = 0;
    const later = { ...clock, now: () => clock.now() + aheadMs };
    await using ann = await openChatter(devices, { clock: later });
    const old = await ann.client.invite({ name: "bob", addresses: [gone.address] });
    await gone.stop();
    const again = () => ann.client.invite({ name: "bob", addresses: [relay.address] });
    expect(await again().catch((error: unknown) => String(error))).toContain("choose another name by --name");
    aheadMs = 8 * 24 * 60 * 60 * 1000;
    expect((await again()).uri).not.toBe(old.uri);
  });
});

describe("Client.accept()", () => {
  test("gets the same package after the answer to its take was lost", async () => {
    await using two = await open();
    const { ann, bob } = two;
    const { uri } = await ann.client.invite({ name: "bob", addresses: [relay.address] });
    bob.bend((session) => ({
      async take(take, signing, options) {
        await session.take(take, signing, options);
        throw closed();
      },
    }));
    expect(await bob.client.accept({ uri, name: "ann" }).catch((error: unknown) => String(error))).toContain(
      "gone",
    );
    bob.bend(() => ({}));
    await bob.client.accept({ uri, name: "ann" });
    await talks(two, { ofAnn: "ann", ofBob: "bob" });
  });

  for (const op of ["create", "append"] as const) {
    test(`leaves the rest to the next command after the answer to its ${op} was lost`, async () => {
      await using two = await open();
      const { ann, bob } = two;
      const { uri } = await ann.client.invite({ name: "bob", addresses: [relay.address] });
      loseAnswer(bob, (body) => body.op === op);
      const contact = await bob.client.accept({ uri, name: "ann" });
      expect(contact.founded).toBe(false);
      await bob.client.sync();
      expect((await bob.client.contacts())[0]?.founded).toBe(true);
      await ann.client.sync();
      await talks(two, { ofAnn: "ann", ofBob: "bob" });
    });
  }

  test("again is the same conversation, and ends what was left", async () => {
    await using two = await open();
    const { ann, bob } = two;
    const { uri } = await ann.client.invite({ name: "bob", addresses: [relay.address] });
    loseAnswer(bob, (body) => body.op === "create");
    await bob.client.accept({ uri, name: "ann" });
    const again = await bob.client.accept({ uri, name: "another name" });
    expect([again.name, again.founded]).toEqual(["ann", true]);
    await ann.client.sync();
    await talks(two, { ofAnn: "ann", ofBob: "bob" });
  });

  test("twice at once is one conversation", async () => {
    await using two = await open();
    const { ann, bob } = two;
    const { uri } = await ann.client.invite({ name: "bob", addresses: [relay.address] });
    const accept = () => bob.client.accept({ uri, name: "ann" });
    expect((await Promise.all([accept(), accept()])).map(({ name }) => name)).toEqual(["ann", "ann"]);
    expect((await bob.client.contacts()).map(({ name }) => name)).toEqual(["ann"]);
    await ann.client.sync();
    await talks(two, { ofAnn: "ann", ofBob: "bob" });
  });

  test("is joined once, though two processes of the inviter read the inbox at once", async () => {
    await using two = await open();
    const { ann, bob } = two;
    const { uri } = await ann.client.invite({ name: "bob", addresses: [relay.address] });
    await bob.client.accept({ uri, name: "ann" });
    await Promise.all([ann.client.sync(), ann.client.sync(), ann.client.sync()]);
    expect((await ann.client.contacts()).map(({ name }) => name)).toEqual(["bob"]);
    await talks(two, { ofAnn: "ann", ofBob: "bob" });
  });
});
