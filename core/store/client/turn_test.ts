import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crypto } from "../../../test/harness/party.ts";
import type { DeviceStore } from "../../conversation/mod.ts";
import { isFault } from "../../ground/mod.ts";
import { openDeviceStore } from "./mod.ts";

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "dchat-device-turn-"));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(): Promise<DeviceStore> {
  return openDeviceStore({ path: join(dir, "device.db"), crypto, passphrase: null });
}

describe("DeviceStore.inTurn()", () => {
  test("runs one at a time, over all processes, and transactions go on beside it", async () => {
    await using store = await open();
    await using other = await open();
    const order: string[] = [];
    const ended = Promise.withResolvers<void>();
    const first = store.inTurn(async () => {
      order.push("first begins");
      await ended.promise;
      order.push("first ends");
    });
    const rest = [store, other].map((one) => one.inTurn(() => void order.push("another")));
    await other.transact((keeper) => keeper.putValue("device", new Uint8Array(32)));
    const stopped = new AbortController();
    stopped.abort(new Error("enough"));
    await using third = await open();
    expect(third.inTurn(() => expect.unreachable(), { signal: stopped.signal })).rejects.toThrow("enough");
    const late = await third
      .inTurn(() => expect.unreachable(), { waitMs: 30 })
      .catch((error: unknown) => error);
    expect(isFault(late, "store/busy")).toBe(true);
    ended.resolve();
    await Promise.all([first, ...rest]);
    expect(order).toEqual(["first begins", "first ends", "another", "another"]);
  });

  test("passes on from whoever throws", async () => {
    await using store = await open();
    const failed = store.inTurn(() => {
      throw new Error("midway");
    });
    expect(failed).rejects.toThrow("midway");
    expect(await store.inTurn(() => 7)).toBe(7);
  });
});
