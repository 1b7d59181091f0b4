/** A byte of a store's files flips on the disk: the check names what is damaged, or nothing that is kept changed. */
import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checker } from "../../core/node/database/check.ts";
import { encodeLine } from "../../core/node/database/file.ts";
import { fill } from "../../core/node/database/_kit.ts";
import { loadConfig } from "../../core/node/config.ts";
import { openDatabase } from "../../core/store/mod.ts";
import { openSqliteStore } from "../../core/store/sqlite.ts";
import { acknowledgedIn, appenderCommand, lostFrom, watch } from "./acknowledged.ts";
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
  const env = { DCHAT_RELAY_DATA_DIR: root };
  await fill({ config: loadConfig({ env, flags: {} }).config, env, nowMs: Date.now() });
  const sound = readFileSync(path);
  const before = await look(path);
  expect(before.damage).toEqual([]);
  const chance = seeded(SEED);
  let found = 0;
  for (let round = 0; round < FLIPS; round += 1) {
    const folder = join(root, String(round));
    mkdirSync(folder);
    const changed = new Uint8Array(sound);
    const at = Math.floor(chance() * changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(chance() * 8));
    writeFileSync(join(folder, "relay.sqlite"), changed);
    const { damage, kept } = await look(join(folder, "relay.sqlite"));
    if (damage.length > 0) found += 1;
    else expect({ seed: SEED, at, kept }).toEqual({ seed: SEED, at, kept: before.kept });
    for (const what of damage) expect(what.length).toBeGreaterThan(10);
    rmSync(folder, { recursive: true });
  }
  // What lies in free pages and in gaps holds nothing.
  expect(found).toBeGreaterThan(FLIPS / 8);
  rmSync(root, { recursive: true });
});

const LOG_FLIPS = process.env["DCHAT_TEST_LONG"] === "1" ? 1_000 : 60;
const HEADER_BYTES = 32;
const FRAME_BYTES = 4096 + 24;

/** Where a log's last commit begins: what comes before was synced before it was written. */
function lastCommitAt(log: Uint8Array): number {
  const view = new DataView(log.buffer, log.byteOffset, log.length);
  const ends: number[] = [];
  for (let at = HEADER_BYTES; at + FRAME_BYTES <= log.length; at += FRAME_BYTES) {
    if (view.getBigUint64(at + 8) !== view.getBigUint64(16)) break;
    if (view.getUint32(at + 4) !== 0) ends.push(at + FRAME_BYTES);
  }
  return ends.at(-2) ?? HEADER_BYTES;
}

test("a flipped byte in the log of a relay that was killed is found, and what stands behind it isn't dropped", async () => {
  const root = mkdtempSync(join(tmpdir(), "dchat-flip-log-"));
  const path = join(root, "relay.sqlite");
  await using appender = watch(appenderCommand({ url: null, path }, { batch: 3 }));
  await appender.until(/^ack \w+ 20 /m);
  await appender.kill();
  const sound = readFileSync(`${path}-wal`);
  const end = lastCommitAt(sound);
  expect(end).toBeGreaterThan(20 * FRAME_BYTES);
  const chance = seeded(SEED);
  for (let round = 0; round < LOG_FLIPS; round += 1) {
    const folder = join(root, String(round));
    const copy = join(folder, "relay.sqlite");
    mkdirSync(folder);
    copyFileSync(path, copy);
    const changed = new Uint8Array(sound);
    // Headers are few of a log's bytes, and each of them counts.
    const frame = Math.floor((chance() * (end - HEADER_BYTES)) / FRAME_BYTES);
    const inFrame =
      HEADER_BYTES + frame * FRAME_BYTES + Math.floor(chance() * (round % 3 === 1 ? 24 : FRAME_BYTES));
    const at = round % 3 === 2 ? Math.floor(chance() * HEADER_BYTES) : inFrame;
    changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(chance() * 8));
    writeFileSync(`${copy}-wal`, changed);
    const { damage } = await look(copy);
    expect({ seed: SEED, at, damage }).toEqual({
      seed: SEED,
      at,
      damage: [expect.stringContaining("-wal is damaged")],
    });
    const opened = openSqliteStore({ path: copy }).then((store) => store[Symbol.asyncDispose]());
    expect(await opened.catch(String)).toContain("-wal is damaged");
    expect(Buffer.compare(readFileSync(`${copy}-wal`), changed)).toBe(0);
    rmSync(folder, { recursive: true });
  }
  expect(await lostFrom({ url: null, path }, acknowledgedIn(appender.output()))).toEqual([]);
  rmSync(root, { recursive: true });
});
