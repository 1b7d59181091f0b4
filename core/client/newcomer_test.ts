import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCommit, encodeMlsMessage } from "ts-mls";
import { clock } from "../../test/harness/device.ts";
import { crypto, makePair, makeParty, mls, randomId, randomKey } from "../../test/harness/party.ts";
import {
  changedRatchets,
  type DeviceStore,
  encodeSnapshot,
  makePackage,
  type Conversation,
} from "../conversation/mod.ts";
import { sealOuter } from "../conversation/message.ts";
import { clientState } from "../conversation/mls.ts";
import { hash } from "../ground/mod.ts";
import { openDeviceStore } from "../store/client/mod.ts";
import type { DeliveredEntry } from "../wire/mod.ts";
import type { Device } from "./device.ts";
import { takeEntries } from "./intake.ts";

let dir: string;
let store: DeviceStore;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "dchat-newcomer-"));
  store = await openDeviceStore({ path: join(dir, "device.db"), crypto, passphrase: null });
});

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

/** The commit of a member with `identity` that adds a device of it. */
async function addition(state: Conversation, identity: Parameters<typeof makeParty>[0]) {
  const nowMs = Date.now();
  const device = makeParty(identity);
  const packaged = { device, reader: randomKey().publicKey, nowMs, notAfterMs: nowMs + 3_600_000 };
  const { publicPackage } = await makePackage(mls, packaged);
  const made = await createCommit(
    { state: clientState(mls, state.group), cipherSuite: mls.suite },
    { extraProposals: [{ proposalType: "add", add: { keyPackage: publicPackage } }] },
  );
  const id = randomId();
  const message = encodeMlsMessage(made.commit);
  const entry = await sealOuter(mls, state, { id, kind: "control", message });
  const times = { timeMs: nowMs, expiryMs: nowMs + 3_600_000 };
  const leaf = { generation: 1, seq: 0, id, turn: 0, kind: "control", ...times } as const;
  const delivered: DeliveredEntry = { leaf: { ...leaf, entryHash: hash(crypto.hash.sha256(entry)) }, entry };
  return { delivered, device };
}

async function keepPair(pair: Awaited<ReturnType<typeof makePair>>): Promise<number> {
  return store.transact((keeper) => {
    const id = keeper.addConversation({
      name: "ann",
      peer: pair.founder.identity,
      createdMs: 1,
      place: pair.place,
      ownerSeed: randomKey().seed,
      readerSeed: randomKey().seed,
      founding: null,
      position: { generation: 1, size: 0, peaks: [], turn: 0, acknowledged: 0 },
      alarms: [],
    });
    const { group } = pair.b;
    keeper.putSnapshot(id, { snapshot: encodeSnapshot(group), ratchets: changedRatchets(group, null) });
    return id;
  });
}

test("a device that a member adds is told once, and stays noted with the conversation", async () => {
  const identity = crypto.ed25519.generate();
  const pair = await makePair(makeParty(identity));
  const id = await keepPair(pair);
  const { delivered, device: added } = await addition(pair.a, identity);
  const told: string[] = [];
  const device: Device = {
    store,
    crypto,
    mls,
    keys: pair.joiner,
    identity: pair.joiner.identity,
    dial: () => expect.unreachable(),
    clock,
    events: {
      alarm: (_, what) => void told.push(what),
      offline: () => undefined,
      failed: () => undefined,
      joined: () => undefined,
      skewed: () => undefined,
    },
  };
  for (let round = 0; round < 2; round++) {
    await takeEntries(device, id, { generation: 1, entries: [delivered], head: null });
  }
  expect(told).toEqual([
    expect.stringContaining(`a new device of ann, ${added.publicKey.toHex().slice(0, 16)}…, reads`),
  ]);
  expect((await store.transact((keeper) => keeper.conversation(id)))?.alarms).toEqual(told);
});
