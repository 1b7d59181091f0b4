/** A full disk: appends are refused with the reason, nothing acknowledged is lost, and with room again it goes on. */
import { describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isFault } from "../../core/ground/mod.ts";
import type { MailboxStore } from "../../core/mailbox/mod.ts";
import { key, NOW_MS, OPTIONS, Owner } from "../../core/store/conformance/data.ts";
import { openStore } from "../../core/store/mod.ts";
import { requireOrSkip } from "../harness/require.ts";
import { acknowledgedIn, appenderCommand, countOf, lostFrom, watch } from "./acknowledged.ts";
import { canMount, mountTmpfs } from "./mount.ts";

const MIB = 2 ** 20;
const LATER_MS = NOW_MS + 100 * 86_400_000;

const isThere = requireOrSkip("a full disk (root, to mount a tmpfs with a size)", canMount());

function told(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "ok",
    (error: unknown) => (isFault(error) ? `${error.code} ${error.message}` : String(error)),
  );
}

/** Appends until the store refuses; returns why. */
async function fillUp(store: MailboxStore, owners: readonly Owner[]): Promise<string> {
  for (;;) {
    const batch = owners.flatMap((owner) =>
      Array.from({ length: 128 / owners.length }, () => owner.append()),
    );
    const answer = await told(store.commit(batch, OPTIONS));
    if (answer !== "ok") return answer;
  }
}

/** Sweeps all that may go; returns in how many pieces, and why not where it failed. */
async function sweepAll(store: MailboxStore): Promise<[number, string]> {
  for (let pieces = 1; ; pieces += 1) {
    const answer = await store.sweep(LATER_MS).catch((error: unknown) => String(error));
    if (typeof answer === "string") return [pieces, answer];
    if (!answer) return [pieces, ""];
  }
}

describe.skipIf(!isThere)("a full disk", () => {
  test("refuses appends, says why, and takes them again when there is room", async () => {
    using disk = mountTmpfs(160);
    const filler = join(disk.path, "filler");
    writeFileSync(filler, new Uint8Array(60 * MIB));
    const where = { url: null, path: join(disk.path, "relay.sqlite") };
    await using appender = watch(appenderCommand(where, { batch: 20 }));
    await appender.until("refused store/unavailable");
    expect(appender.output()).toContain("full");
    await appender.until("probe store/unavailable");
    const full = countOf(acknowledgedIn(appender.output()));
    expect(full).toBeGreaterThan(0);
    rmSync(filler);
    await appender.until("ack ", { from: appender.output().length });
    await appender.kill();
    const acknowledged = acknowledgedIn(appender.output());
    expect(countOf(acknowledged)).toBeGreaterThan(full);
    expect(await lostFrom(where, acknowledged)).toEqual([]);
  });

  test("is emptied by what expires, with no help and in a new process too, and then takes appends", async () => {
    using disk = mountTmpfs(128);
    const place = { url: null, path: join(disk.path, "relay.sqlite") };
    const owners = Array.from({ length: 20 }, () => new Owner({ policy: { entriesMax: 100_000 } }));
    {
      await using store = await openStore(place);
      await store.commit(
        owners.map((owner) => owner.create()),
        OPTIONS,
      );
      expect(await fillUp(store, owners)).toContain("the disk is full");
      expect(await told(store.probe(0))).toContain("the disk is full");
      const [pieces, failure] = await sweepAll(store);
      expect([failure, pieces > 10]).toEqual(["", true]);
      expect(await told(store.probe(MIB))).toBe("ok");
      expect(await fillUp(store, owners)).toContain("the disk is full");
    }
    await using store = await openStore(place);
    await fillUp(store, owners);
    expect((await sweepAll(store))[1]).toBe("");
    expect(
      await told(
        store.commit(
          [owners[0]?.append()].filter((each) => each !== undefined),
          OPTIONS,
        ),
      ),
    ).toBe("ok");
  });

  test("keeps acknowledgements beside appends that it refuses", async () => {
    using disk = mountTmpfs(100);
    await using store = await openStore({ url: null, path: join(disk.path, "relay.sqlite") });
    const owner = new Owner({ policy: { entriesMax: 100_000 } });
    const [reader = key()] = owner.readers;
    await store.commit([owner.create()], OPTIONS);
    expect(await fillUp(store, [owner])).toContain("the disk is full");
    const outcomes = await store.commit(
      [owner.append(), owner.acknowledge(reader, 5), new Owner().create()],
      OPTIONS,
    );
    expect(outcomes.map((each) => (each.is === "refused" ? each.refusal.code : each.is))).toEqual([
      "unavailable",
      "acknowledged",
      "unavailable",
    ]);
  });

  test("that others filled to the last byte is mended once there is room, in the same process", async () => {
    using disk = mountTmpfs(128);
    await using store = await openStore({ url: null, path: join(disk.path, "relay.sqlite") });
    const owners = Array.from({ length: 20 }, () => new Owner({ policy: { entriesMax: 100_000 } }));
    await store.commit(
      owners.map((owner) => owner.create()),
      OPTIONS,
    );
    await fillUp(store, owners);
    const filler = join(disk.path, "filler");
    Bun.spawnSync(["sh", "-c", `cat /dev/zero > ${filler} 2>/dev/null`]);
    await sweepAll(store);
    await fillUp(store, owners);
    expect(await told(store.probe(MIB))).toContain("the disk is full");
    rmSync(filler);
    expect((await sweepAll(store))[1]).toBe("");
    expect(await told(store.probe(MIB))).toBe("ok");
  });

  test("that can't be written to refuses a new store and one that is there, and says why", async () => {
    using disk = mountTmpfs(8);
    const there = { url: null, path: join(disk.path, "there.sqlite") };
    await (await openStore(there))[Symbol.asyncDispose]();
    Bun.spawnSync(["mount", "-o", "remount,ro", disk.path]);
    for (const path of [there.path, join(disk.path, "new.sqlite")]) {
      const refused = await openStore({ url: null, path }).then(
        () => "opened",
        (error: unknown) => (isFault(error) ? `${error.code} ${error.message}` : String(error)),
      );
      expect(refused).toStartWith(`store/unavailable Cannot open ${path}`);
    }
  });
});
