import { describe, expect, test } from "bun:test";
import type { Outcome } from "../mailbox/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";
import { packBatch, packOutcomes, transfersOf, unpackBatch, unpackOutcomes } from "./batch_message.ts";
import { key, NOW_MS, Owner, plain, random } from "./conformance_data.ts";
import { hash } from "../ground/mod.ts";

const owner = new Owner();

function sent<T extends Parameters<typeof transfersOf>[0]>(packed: T): T {
  return structuredClone(packed, { transfer: transfersOf(packed) });
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
  test("gives the same batch on the other side, in order", () => {
    const batch = batchOf();
    expect(unpackBatch(sent(packBatch(batch))).map(plain)).toEqual(batch.map(plain));
    expect(unpackBatch(sent(packBatch([])))).toEqual([]);
  });

  test("copies: the batch that was packed is still whole", () => {
    const batch = batchOf();
    const before = batch.map(plain);
    sent(packBatch(batch));
    expect(batch.map(plain)).toEqual(before);
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
  const received = unpackOutcomes(sent(packOutcomes(outcomes, batch)), batch);
  expect(received.map(plain)).toEqual(outcomes.map(plain));
});
