import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logOf, SigningNode } from "../../../test/harness/evidence.ts";
import { crypto, makePlace, randomId, randomKey } from "../../../test/harness/party.ts";
import type { Keeper } from "../../conversation/mod.ts";
import { openDeviceStore } from "./mod.ts";

const node = new SigningNode(crypto, { identity: 0x04, head: 0x05, peer: 0x70 });
const log = logOf(crypto, 3);

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "dchat-signed-"));
  path = join(dir, "device.db");
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = () => openDeviceStore({ path, crypto, passphrase: null });

function addConversation(keeper: Keeper): number {
  return keeper.addConversation({
    name: "ann",
    peer: randomKey().publicKey,
    createdMs: 1,
    place: makePlace(),
    ownerSeed: new Uint8Array(32),
    readerSeed: new Uint8Array(32),
    founding: null,
    position: { generation: 1, size: 0, peaks: [], turn: 0, acknowledged: 0 },
    alarms: [],
  });
}

function addSent(keeper: Keeper, conversation: number, seq: number): void {
  const id = randomId();
  const sent = { generation: 2, seq, leaf: log[seq]! };
  keeper.addOutgoing({ conversation, id, kind: "plain", sealed: null, change: null, sent });
  keeper.putPromise(conversation, id, node.promise(log, seq));
}

/** Numbers of what was sent, with their promises. */
function promised(keeper: Keeper) {
  return keeper.sent(1).map(({ id, sent }) => [sent?.seq, keeper.promise(1, id)]);
}

test("keeps promises until a head has their entries, the last head, and evidence in order", async () => {
  const document = '{"format":"dchat-evidence"}';
  {
    await using store = await open();
    await store.transact((keeper) => {
      const id = addConversation(keeper);
      for (const seq of [0, 1, 2]) addSent(keeper, id, seq);
      keeper.putHead(id, node.head(log.slice(0, 1)));
      keeper.putHead(id, node.head(log));
      keeper.addEvidence({ conversation: id, foundMs: 7, document });
      keeper.addEvidence({ conversation: id, foundMs: 8, document });
      keeper.dropPromises(id, 2);
    });
  }
  await using store = await open();
  const kept = await store.transact((keeper) => {
    return {
      sent: promised(keeper),
      head: keeper.head(1),
      none: keeper.head(2),
      evidence: keeper.evidence(1),
    };
  });
  expect(kept.sent).toEqual([
    [0, null],
    [1, null],
    [2, node.promise(log, 2)],
  ]);
  expect([kept.head, kept.none]).toEqual([node.head(log), null]);
  expect(kept.evidence).toEqual([
    { number: 1, conversation: 1, foundMs: 7, document },
    { number: 2, conversation: 1, foundMs: 8, document },
  ]);
});

test("shows nothing of what relays signed to whoever has the file", async () => {
  await using store = await open();
  await store.transact((keeper) => {
    const id = addConversation(keeper);
    addSent(keeper, id, 2);
    keeper.putHead(id, node.head(log));
    keeper.addEvidence({ conversation: id, foundMs: 7, document: "what a thief may not read" });
  });
  const bytes = Buffer.concat([path, `${path}-wal`].map((name) => readFileSync(name)));
  const { certificate, promise } = node.promise(log, 2);
  for (const needle of [certificate.relay, certificate.headKey, promise.mailbox, "what a thief"])
    expect(bytes.includes(needle)).toBe(false);
});

test("brings a database of the first version up to date, with what it holds", async () => {
  {
    await using store = await open();
    await store.transact((keeper) => addSent(keeper, addConversation(keeper), 1));
  }
  // What the first version had.
  const raw = new Database(path);
  raw.run("DROP TABLE head");
  raw.run("DROP TABLE evidence");
  raw.run("ALTER TABLE outgoing DROP COLUMN promise");
  raw.run("PRAGMA user_version = 1");
  raw.close();
  await using store = await open();
  const kept = await store.transact((keeper) => {
    addSent(keeper, 1, 2);
    const name = keeper.conversation(1)?.name;
    return { sent: promised(keeper), name, head: keeper.head(1), evidence: keeper.evidence(1) };
  });
  expect(kept).toEqual({
    sent: [
      [1, null],
      [2, node.promise(log, 2)],
    ],
    name: "ann",
    head: null,
    evidence: [],
  });
});

test("forgets the promise of what is to be sent again", async () => {
  await using store = await open();
  const kept = await store.transact((keeper) => {
    addSent(keeper, addConversation(keeper), 2);
    const [own] = keeper.sent(1);
    if (own === undefined) throw new Error("it was sent");
    keeper.putOutgoing(own);
    const before = keeper.promise(1, own.id);
    keeper.putOutgoing({ ...own, sent: null });
    return [before, keeper.promise(1, own.id)];
  });
  expect(kept).toEqual([node.promise(log, 2), null]);
});
