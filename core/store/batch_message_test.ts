import { describe, expect, test } from "bun:test";
import type { Outcome } from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import { packBatch, packOutcomes, unpackBatch, unpackOutcomes } from "./batch_message.ts";
import { key, NOW_MS, OPTIONS, Owner, plain, random } from "./conformance/data.ts";
import { hash } from "../ground/mod.ts";
import { Lane } from "./lane.ts";

const owner = new Owner();

/** The batch as the other side of `lane` has it. */
function across(lane: Lane, batch: readonly CheckedCommand[]) {
  const others = structuredClone(packBatch(lane, batch, OPTIONS));
  return unpackBatch(lane.memory, others);
}

/** Every shape of command, with entries of several lengths and numbers beyond 32 bits. */
function batchOf(): CheckedCommand[] {
  const change = { writer: key(), added: [key()], removed: [] };
  return [
    owner.create(),
    owner.append(),
    owner.append({ kind: "control", change }),
    owner.append({ kind: "package", slot: 65_535, entry: random(65_536) }),
    { ...owner.append({ turn: 2 ** 32 - 1, nowMs: 2 ** 52 }), authentic: false },
    owner.command(key(), { op: "read", from: 7, bytesMax: 9 }),
    owner.append({ kind: "lastResort", slot: 3, entry: random(4096) }),
    owner.acknowledge(key(), 5),
  ].map((command) => ({ ...command, statement: new Uint8Array(0) }));
}

describe("packBatch()", () => {
  test("gives the same batch and options on the other side, in order", () => {
    const batch = batchOf();
    const received = across(new Lane(-1), batch);
    expect(received.batch.map(plain)).toEqual(batch.map(plain));
    expect(received.options).toEqual(OPTIONS);
    expect(across(new Lane(-1), []).batch).toEqual([]);
  });

  test("leaves nothing beside the lane where all are plain appends", () => {
    expect(packBatch(new Lane(-1), [owner.append(), owner.append()], OPTIONS)).toEqual([]);
  });

  test("copies: the batch that was packed is still whole, and what came stays when the lane is written over", () => {
    const lane = new Lane(-1);
    const batch = batchOf();
    const before = batch.map(plain);
    const received = across(lane, batch);
    lane.memory.bytes.fill(0xff);
    expect(batch.map(plain)).toEqual(before);
    expect(received.batch.map(plain)).toEqual(before);
  });

  test("of a lane that carried a longer batch gives none of that one's commands", () => {
    const lane = new Lane(-1);
    across(lane, batchOf());
    const next = [owner.append(), owner.acknowledge(key(), 6)].map((command) => ({
      ...command,
      statement: new Uint8Array(0),
    }));
    expect(across(lane, next).batch.map(plain)).toEqual(next.map(plain));
  });
});

test("packOutcomes() gives the same outcomes on the other side, fresh, repeated and refused", () => {
  const batch = batchOf();
  const outcomes = batch.map((command, at): Outcome => {
    if (command.body.op !== "append" || command.entryHash === null) {
      return { is: "refused", refusal: { code: "busy", retryMs: at } };
    }
    const { id, turn, kind, slot } = command.body;
    const entry = {
      seq: 2 ** 40 + at,
      id,
      generation: 1,
      turn,
      kind,
      slot,
      timeMs: NOW_MS,
      expiryMs: NOW_MS + at,
      entryHash: command.entryHash,
      leaf: hash(random(32)),
      takenBy: null,
    };
    return { is: "appended", mailbox: owner.mailbox, entry, fresh: at !== 6 };
  });
  const lane = new Lane(-1);
  packBatch(lane, batch, OPTIONS);
  const others = structuredClone(packOutcomes(lane.memory, outcomes, batch));
  const received = unpackOutcomes(lane.memory, batch, others);
  lane.memory.bytes.fill(0xff);
  expect(received.map(plain)).toEqual(outcomes.map(plain));
});
