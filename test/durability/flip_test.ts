/** A byte of a store's file flips on the disk: the check names what is damaged, or nothing that is kept changed. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checker } from "../../core/node/database/check.ts";
import { encodeLine } from "../../core/node/database/file.ts";
import { openDatabase } from "../../core/store/mod.ts";
import { appenderCommand } from "./acknowledged.ts";
import { seeded } from "./trace.ts";

const FLIPS = process.env["DCHAT_TEST_LONG"] === "1" ? 5_000 : 300;
const SEED = Number(process.env["DCHAT_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

/** What the check says, and a digest of all that is kept. */
async function look(path: string): Promise<{ damage: string[]; kept: string }> {
  const hasher = new Bun.CryptoHasher("sha256");
  const checker = new Checker();
  try {
    await using database = await openDatabase({ url: null, path });
    const damage = [...(await database.integrity())];
    for await (const record of database.records()) {
      checker.take(record);
      if (record.is !== "damage") hasher.update(encodeLine(record));
    }
    return { damage: [...damage, ...checker.finish().damage], kept: hasher.digest("hex") };
  } catch (error) {
    return { damage: [error instanceof Error ? error.message : String(error)], kept: "" };
  }
}

test("a flipped byte is found and named, wherever it changes what is kept", async () => {
  const root = mkdtempSync(join(tmpdir(), "dchat-flip-"));
  const path = join(root, "relay.sqlite");
  Bun.spawnSync(appenderCommand({ url: null, path }, { batch: 6, batches: 4 }));
  const sound = readFileSync(path);
  const before = await look(path);
  expect(before.damage).toEqual([]);
  const chance = seeded(SEED);
  let found = 0;
  for (let round = 0; round < FLIPS; round += 1) {
    const folder = join(root, String(round));
    mkdirSync(folder);
    const changed = sound.slice();
    const at = Math.floor(chance() * changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(chance() * 8));
    writeFileSync(join(folder, "relay.sqlite"), changed);
    const { damage, kept } = await look(join(folder, "relay.sqlite"));
    if (damage.length > 0) found += 1;
    else expect({ seed: SEED, at, kept }).toEqual({ seed: SEED, at, kept: before.kept });
    for (const what of damage) expect(what.length).toBeGreaterThan(10);
    rmSync(folder, { recursive: true });
  }
  expect(found).toBeGreaterThan(FLIPS / 4);
  rmSync(root, { recursive: true });
});
