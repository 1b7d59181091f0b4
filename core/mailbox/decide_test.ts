/** Who may, one id, and turns: the rules one by one, in the words of docs/protocol/mailbox.md. */
import { describe, expect, test } from "bun:test";
import {
  ANN,
  append,
  BOB,
  code,
  control,
  DENIED,
  filled,
  NOBODY,
  NOW_MS,
  OWNER,
  RECORD,
  room,
  seqOf,
  WRITER,
  WRITER_2,
} from "../../test/harness/mailbox_room.ts";
import { entryId, limit, publicKey, type PublicKey } from "../ground/mod.ts";
import type { CommandBody } from "../wire/mod.ts";
import type { Outcome } from "./outcome.ts";

describe("decideBatch() authorises with one answer", () => {
  test("no such mailbox, a signature that doesn't hold, and a wrong key look the same", () => {
    const { one, run, command, create } = room();
    expect(one(WRITER, append(1))).toEqual(DENIED);
    one(OWNER, create);
    expect(one(NOBODY, append(1))).toEqual(DENIED);
    expect(run({ ...command(WRITER, append(1)), authentic: false })).toEqual([DENIED]);
  });

  test.each<[string, CommandBody, readonly PublicKey[]]>([
    ["describe", { op: "describe" }, [OWNER, WRITER, ANN, BOB]],
    ["append plain", append(1), [WRITER]],
    ["append control", control(1, WRITER_2), [WRITER]],
    ["append package", append(1, { kind: "package", slot: 1 }), [OWNER]],
    ["append lastResort", append(1, { kind: "lastResort", slot: 1 }), [OWNER]],
    ["read", { op: "read", from: 0, bytesMax: 1 }, [ANN, BOB]],
    ["subscribe", { op: "subscribe", from: 0 }, [ANN, BOB]],
    ["receipts", { op: "receipts", from: ANN }, [ANN, BOB]],
    ["acknowledge", { op: "acknowledge", cursor: 0 }, [ANN, BOB]],
    ["take", { op: "take", take: entryId(filled(16, 1)) }, [WRITER]],
    [
      "reset",
      { op: "reset", version: 1, owner: OWNER, writer: WRITER, readers: [], policy: RECORD.policy },
      [OWNER],
    ],
    ["delete", { op: "delete" }, [OWNER]],
    ["proveInclusion", { op: "proveInclusion", seq: 0, size: 1 }, [OWNER, WRITER, ANN, BOB]],
    ["proveConsistency", { op: "proveConsistency", from: 0, to: 0 }, [OWNER, WRITER, ANN, BOB]],
  ])("%s is for those who may, and nobody else", (_, body, allowed) => {
    for (const who of [OWNER, WRITER, ANN, BOB, NOBODY]) {
      const { one, create } = room();
      one(OWNER, create);
      expect([who[0], code(one(who, body)) === "denied"]).toEqual([who[0], !allowed.includes(who)]);
    }
  });

  test("a create is signed by the record's owner", () => {
    const { one, create } = room();
    expect(one(WRITER, create)).toEqual(DENIED);
    expect(code(one(OWNER, create))).toBe("created");
  });

  test("what isn't authorised doesn't hear that it came too late, or about generations", () => {
    const { one, create } = room();
    one(OWNER, create);
    expect(one(NOBODY, append(1), { notAfterMs: 0, generation: 4 })).toEqual(DENIED);
    expect(code(one(WRITER, append(1), { notAfterMs: 0, generation: 4 }))).toBe("expired");
    expect(code(one(WRITER, append(1), { generation: 4 }))).toBe("generation");
  });

  test("notAfter counts to its last millisecond and is no further away than a command may live", () => {
    const { one, create } = room();
    one(OWNER, create);
    const latestMs = NOW_MS + limit.COMMAND_LIFETIME_MS_MAX + limit.CLOCK_SKEW_MS_MAX;
    const at = (notAfterMs: number) => code(one(ANN, { op: "describe" }, { notAfterMs }));
    expect([NOW_MS - 1, NOW_MS, latestMs, latestMs + 1].map(at)).toEqual([
      "expired",
      "allowed",
      "allowed",
      "expired",
    ]);
  });
});

describe("decideBatch() on one id", () => {
  test("answers the same entry again, in the same batch and later, and appends nothing", () => {
    const { run, command, create, row } = room();
    const [, first, second] = run(
      command(OWNER, create),
      command(WRITER, append(1)),
      command(WRITER, append(1)),
    );
    const [third] = run(command(WRITER, append(1)));
    for (const again of [second, third]) expect(again).toMatchObject({ is: "appended", fresh: false });
    expect([first, second, third].map(seqOf)).toEqual([0, 0, 0]);
    if (first?.is !== "appended" || third?.is !== "appended") throw new Error("both were kept");
    expect(third.entry.leaf).toEqual(first.entry.leaf);
    expect(row().size).toBe(1);
  });

  test("looks it up before turn and keys: the former writer hears that its entry was kept", () => {
    const { one, create } = room();
    one(OWNER, create);
    one(WRITER, append(1));
    one(WRITER, control(2, WRITER_2));
    expect(one(WRITER, append(1))).toMatchObject({ is: "appended", fresh: false });
    expect(one(WRITER, control(2, WRITER_2))).toMatchObject({ is: "appended", fresh: false });
    expect(code(one(WRITER, append(3)))).toBe("turn");
  });

  test("looks it up before the quota", () => {
    const { one, create } = room({ entriesMax: 1 });
    one(OWNER, create);
    one(WRITER, append(1));
    expect(code(one(WRITER, append(2)))).toBe("full");
    expect(one(WRITER, append(1))).toMatchObject({ is: "appended", fresh: false });
  });

  test("refuses another entry, turn, kind or slot under it", () => {
    const { one, create } = room();
    one(OWNER, create);
    one(WRITER, append(1));
    one(OWNER, append(2, { kind: "package", slot: 1 }));
    expect(code(one(WRITER, append(1, { entry: filled(1024, 77) })))).toBe("reused");
    expect(code(one(WRITER, append(1, { turn: 1 })))).toBe("reused");
    expect(code(one(WRITER, control(1, WRITER_2)))).toBe("reused");
    expect(code(one(OWNER, append(2, { kind: "package", slot: 2 })))).toBe("reused");
  });
});

describe("decideBatch() on turns", () => {
  test("lets one control entry of a turn win and tells the losers its number, in one batch too", () => {
    const { run, command, create } = room();
    const outcomes = run(
      command(OWNER, create),
      command(WRITER, append(1)),
      command(WRITER, control(2, WRITER_2)),
      command(WRITER, control(3, WRITER_2)),
      command(WRITER, append(4)),
      command(WRITER_2, append(5, { turn: 1 })),
    );
    const lost = { is: "refused", refusal: { code: "turn", turn: 1, seq: 1 } };
    expect(outcomes.slice(3, 5)).toEqual([lost, lost] as Outcome[]);
    expect(seqOf(outcomes[5])).toBe(2);
  });

  test("names the winner of the turn that the command names, however many came since", () => {
    const { one, create } = room();
    one(OWNER, create);
    one(WRITER, control(1, WRITER_2));
    one(WRITER_2, append(2, { turn: 1 }));
    one(WRITER_2, control(3, WRITER, { turn: 1 }));
    expect(one(WRITER, append(4))).toMatchObject({ refusal: { code: "turn", turn: 2, seq: 0 } });
    expect(one(WRITER_2, append(4, { turn: 1 }))).toMatchObject({
      refusal: { code: "turn", turn: 2, seq: 2 },
    });
  });

  test("changes entry, turn, writer and readers together; who joins reads from behind the control entry on", () => {
    const { one, create, row } = room();
    one(OWNER, create);
    one(BOB, { op: "acknowledge", cursor: 0 });
    const change = { writer: WRITER_2, added: [NOBODY, ANN], removed: [BOB] };
    one(WRITER, append(1, { kind: "control", change }));
    expect(row()).toMatchObject({ turn: 1, version: 2, writer: WRITER_2, size: 1 });
    expect(row().readers).toEqual([
      { key: ANN, cursor: 0, lapsed: false },
      { key: NOBODY, cursor: 1, lapsed: false },
    ]);
    expect(one(BOB, { op: "read", from: 0, bytesMax: 1 })).toEqual(DENIED);
    expect(code(one(NOBODY, { op: "subscribe", from: 1 }))).toBe("allowed");
  });

  test("refuses a control entry that leaves more readers than a mailbox may have, and changes nothing", () => {
    const { one, create, row } = room();
    one(OWNER, create);
    const keys = Array.from({ length: limit.MAILBOX_READERS_MAX }, (_, at) => {
      const bytes = filled(32, 200);
      new DataView(bytes.buffer).setUint32(0, at);
      return publicKey(bytes);
    });
    one(OWNER, {
      op: "reset",
      version: 1,
      owner: OWNER,
      writer: WRITER,
      readers: keys,
      policy: RECORD.policy,
    });
    const before = row();
    const change = { writer: WRITER_2, added: [ANN], removed: [] };
    expect(code(one(WRITER, append(1, { turn: 1, kind: "control", change })))).toBe("limit");
    expect(row()).toEqual(before);
  });
});
