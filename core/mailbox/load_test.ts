import { describe, expect, test } from "bun:test";
import {
  append,
  control,
  filled,
  NOBODY,
  OWNER,
  RECORD,
  room,
  WRITER,
  WRITER_2,
} from "../../test/harness/mailbox_room.ts";
import { entryId, type PublicKey } from "../ground/mod.ts";
import type { CommandBody } from "../wire/mod.ts";
import { packageKeys } from "./load.ts";

const reset = (owner: PublicKey, writer: PublicKey): CommandBody => ({
  op: "reset",
  version: 1,
  owner,
  writer,
  readers: [],
  policy: RECORD.policy,
});
const take = (value: number): CommandBody => ({ op: "take", take: entryId(filled(16, value)) });

/** First bytes of the takes that are looked up for these commands; null where no mailbox's packages are. */
function takes(...commands: readonly [who: PublicKey, body: CommandBody][]): readonly number[] | null {
  const { one, create, command, store, id } = room();
  one(OWNER, create);
  const found = packageKeys(
    commands.map(([who, body]) => command(who, body)),
    store.rows,
  );
  expect(found.length).toBeLessThan(2);
  for (const { mailbox } of found) expect(mailbox).toEqual(id);
  return found[0]?.takes.map((bytes) => bytes[0] ?? 0) ?? null;
}

describe("packageKeys()", () => {
  test("names each take once, however often it is asked for", () => {
    expect(takes([WRITER, take(1)], [WRITER, take(1)], [WRITER, take(2)], [WRITER, take(1)])).toEqual([1, 2]);
  });

  test("names nothing for who may not take, or says so itself", () => {
    expect(takes([NOBODY, take(1)])).toBeNull();
    expect(takes([OWNER, take(1)])).toBeNull();
    expect(
      takes([NOBODY, control(1, NOBODY)], [NOBODY, reset(NOBODY, NOBODY)], [NOBODY, take(1)]),
    ).toBeNull();
    expect(takes([NOBODY, take(1)], [WRITER, take(2)])).toEqual([2]);
  });

  test("names nothing where nothing is or is left", () => {
    const { one, create, command, store } = room();
    expect(packageKeys([command(WRITER, take(1))], store.rows)).toEqual([]);
    one(OWNER, create);
    one(OWNER, { op: "delete" });
    expect(packageKeys([command(WRITER, take(1))], store.rows)).toEqual([]);
  });

  test("follows the writer's key through the batch", () => {
    expect(takes([WRITER, control(1, WRITER_2)], [WRITER_2, take(1)])).toEqual([1]);
    expect(takes([WRITER_2, take(1)], [WRITER, control(1, WRITER_2)])).toBeNull();
    const bySecond: [PublicKey, CommandBody] = [NOBODY, reset(NOBODY, WRITER_2)];
    expect(takes([OWNER, reset(NOBODY, WRITER)], bySecond, [WRITER_2, take(1)])).toEqual([1]);
  });

  test("names what waits where the owner puts more, and nothing for other entries", () => {
    const put = append(2, { kind: "package", slot: 1 });
    expect(takes([OWNER, put])).toEqual([]);
    expect(takes([WRITER, put], [WRITER, append(1)])).toBeNull();
  });
});
