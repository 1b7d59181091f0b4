/** A relay starts on the mailboxes of its own identity only, whichever store they are in. */
import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ran, runDchat } from "../harness/dchat.ts";
import { makePair } from "../harness/people.ts";
import { startPostgres } from "../harness/postgres.ts";
import { spawnRelay } from "../harness/relay.ts";

const folder = mkdtempSync(join(tmpdir(), "dchat-identity-"));
afterAll(() => rmSync(folder, { recursive: true }));

const free = ["--listen", "--api-listen", "--metrics-listen"].flatMap((flag) => [flag, "127.0.0.1:0"]);
const KEYS = ["identity.json", "node.json", "head.json"];

function start(dataDir: string, env: Record<string, string>): Promise<Ran> {
  return runDchat(["relay", "--data-dir", dataDir, ...free], { env });
}

function identityIn(dataDir: string): string {
  const { publicKey } = JSON.parse(readFileSync(join(dataDir, "identity.json"), "utf8")) as {
    publicKey: string;
  };
  return Uint8Array.fromBase64(publicKey).toHex();
}

/** A data directory with mailboxes of a relay that ran there, and one of another relay. */
async function twoRelays(name: string, env: Record<string, string>): Promise<{ own: string; other: string }> {
  const [own, other] = [join(folder, `${name}-own`), join(folder, `${name}-other`)];
  const relay = await spawnRelay({ dataDir: own, env });
  (await makePair(relay.address))[Symbol.dispose]();
  await relay.stop();
  await (await spawnRelay({ dataDir: other })).stop();
  return { own, other };
}

describe("a relay", () => {
  test("refuses its database's file where that was emptied, and begins anew where it is gone", async () => {
    const dataDir = join(folder, "emptied");
    await (await spawnRelay({ dataDir })).stop();
    const path = join(dataDir, "relay.sqlite");
    writeFileSync(path, "");
    const { code, err } = await start(dataDir, {});
    expect([code, err]).toEqual([1, expect.stringContaining(`${path}: it is empty`)]);
    expect(err).toContain("database restore");
    rmSync(path);
    expect(await (await spawnRelay({ dataDir })).stop()).toBe(0);
  }, 60_000);

  test("on SQLite refuses the mailboxes of another one, naming both, and starts under their own", async () => {
    const { own, other } = await twoRelays("sqlite", {});
    const kept = join(folder, "kept");
    mkdirSync(kept);
    for (const name of KEYS) cpSync(join(own, name), join(kept, name));
    const owner = identityIn(own);
    for (const name of KEYS) cpSync(join(other, name), join(own, name));
    const { code, err } = await start(own, {});
    expect(code).toBe(1);
    for (const what of [
      owner,
      identityIn(other),
      join(own, "relay.sqlite"),
      "identity.json",
      "database restore",
    ])
      expect(err).toContain(what);
    // Where the identity is missing altogether, the one to look for is named and none is made.
    for (const name of KEYS) rmSync(join(own, name));
    const bare = await start(own, {});
    expect(bare.code).toBe(1);
    expect(bare.err).toContain(owner);
    expect(readdirSync(own)).not.toContain("identity.json");
    for (const name of KEYS) cpSync(join(kept, name), join(own, name));
    await using again = await spawnRelay({ dataDir: own });
    expect((await again.get("/ready")).status).toBe(200);
  }, 60_000);

  test("whose note in its store is damaged mends it by its own keys, and makes none in their place", async () => {
    const dataDir = join(folder, "note");
    await (await spawnRelay({ dataDir })).stop();
    const damage = (): void => {
      using db = new Database(join(dataDir, "relay.sqlite"));
      db.run("UPDATE total SET relay = randomblob(32)");
    };
    damage();
    await using relay = await spawnRelay({ dataDir });
    expect(relay.output()).toContain("doesn't fit its checksum");
    expect(relay.output()).toContain("is noted anew");
    await relay.stop();
    await using again = await spawnRelay({ dataDir });
    expect(again.output()).not.toContain("is noted anew");
    await again.stop();
    damage();
    rmSync(join(dataDir, "identity.json"));
    const { code, err } = await start(dataDir, {});
    expect([code, err]).toEqual([1, expect.stringContaining("identity.json")]);
    expect(readdirSync(dataDir)).not.toContain("identity.json");
  }, 60_000);

  test("on PostgreSQL refuses a database that one works on, and follows one that goes", async () => {
    await using server = await startPostgres();
    const env = { DCHAT_DATABASE_URL: await server.database() };
    const [own, copy] = [join(folder, "alone-own"), join(folder, "alone-copy")];
    await using running = await spawnRelay({ dataDir: own, env });
    mkdirSync(copy);
    for (const name of KEYS) cpSync(join(own, name), join(copy, name));
    const { code, err, out } = await start(copy, env);
    expect(code).toBe(1);
    expect(err).toContain("a relay at 127.0.0.1 works on it (dchat relay, process");
    expect(out).toContain("waiting 5 s for it to go");
    expect(err).not.toContain("dchat:dchat");
    expect((await running.get("/ready")).status).toBe(200);
    const following = spawnRelay({ dataDir: copy, env });
    await Bun.sleep(1_000);
    expect(await running.stop()).toBe(0);
    await using next = await following;
    expect((await next.get("/ready")).status).toBe(200);
  }, 60_000);

  test("on PostgreSQL refuses the database of another one", async () => {
    await using server = await startPostgres();
    const env = { DCHAT_DATABASE_URL: await server.database() };
    const { own, other } = await twoRelays("postgres", env);
    const { code, err } = await start(other, env);
    expect(code).toBe(1);
    for (const what of [identityIn(own), identityIn(other), "/test_1", join(other, "identity.json")])
      expect(err).toContain(what);
    expect(err).not.toContain("dchat:dchat");
    expect(await (await spawnRelay({ dataDir: own, env })).stop()).toBe(0);
  }, 60_000);

  test("that lost its store starts on the backup of its own, and not on that of another one", async () => {
    const { own, other } = await twoRelays("backup", {});
    const file = join(folder, "backup.jsonl");
    expect((await runDchat(["database", "backup", file, "--data-dir", own])).code).toBe(0);
    const restore = (dataDir: string) => runDchat(["database", "restore", file, "--data-dir", dataDir]);
    for (const dataDir of [own, other]) {
      for (const name of ["", "-wal", "-shm"]) rmSync(join(dataDir, `relay.sqlite${name}`), { force: true });
    }
    const refused = await restore(other);
    expect(refused.code).toBe(1);
    for (const dataDir of [own, other]) expect(refused.err).toContain(identityIn(dataDir));
    expect((await restore(own)).code).toBe(0);
    await (await spawnRelay({ dataDir: own })).stop();
    cpSync(join(own, "relay.sqlite"), join(other, "relay.sqlite"));
    expect((await start(other, {})).code).toBe(1);
  }, 60_000);
});
