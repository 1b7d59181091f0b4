/** A relay's mailboxes move from SQLite to PostgreSQL by one pipe of two processes, and nothing is locked that isn't written. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dchatCommand, runDchat } from "../harness/dchat.ts";
import { makePair, type MessageLine } from "../harness/people.ts";
import { startPostgres, type TestPostgres } from "../harness/postgres.ts";
import { spawnRelay } from "../harness/relay.ts";

const folder = mkdtempSync(join(tmpdir(), "dchat-move-"));
let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** `dchat database export ... | dchat database import ...`, both at once; the code of the first that fails. */
async function pipe(from: readonly string[], to: readonly string[]): Promise<{ code: number; err: string }> {
  const [exporting, importing] = [
    ["database", "export", ...from],
    ["database", "import", ...to],
  ].map((args) => [...dchatCommand, ...args].map((word) => `'${word}'`).join(" "));
  const child = Bun.spawn(["bash", "-c", `set -o pipefail; ${exporting} | ${importing}`], {
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const err = await new Response(child.stderr).text();
  return { code: await child.exited, err };
}

async function counts(...args: string[]): Promise<unknown> {
  const { out } = await runDchat(["database", "status", "--json", ...args]);
  return (JSON.parse(out) as { counts: unknown }).counts;
}

describe("dchat database export | dchat database import", () => {
  test("moves a relay to PostgreSQL, beside its directory or to another one, and people go on", async () => {
    const old = join(folder, "old");
    const relay = await spawnRelay({ dataDir: old });
    using pair = await makePair(relay.address);
    await pair.bob.user("send", "--to", "ann", "before");
    await relay.stop();
    const held = await counts("--data-dir", old);
    expect(held).toMatchObject({ mailboxes: expect.any(Number) });
    const [beside, elsewhere] = [await server.database(), await server.database()];
    expect(await pipe(["--data-dir", old], ["--data-dir", old, "--url", beside])).toMatchObject({ code: 0 });
    expect(await counts("--data-dir", old, "--url", beside)).toEqual(held);
    const next = join(folder, "next");
    mkdirSync(next, { mode: 0o700 });
    for (const name of ["identity.json", "node.json", "head.json"]) cpSync(join(old, name), join(next, name));
    expect(await pipe(["--data-dir", old], ["--data-dir", next, "--url", elsewhere])).toMatchObject({
      code: 0,
    });
    await using moved = await spawnRelay({
      dataDir: next,
      env: { DCHAT_DATABASE_URL: elsewhere },
      same: relay.file,
    });
    expect((await moved.get("/ready")).status).toBe(200);
    const texts = async () =>
      (await pair.ann.lines<MessageLine>("receive")).map(({ text, generation }) => ({ text, generation }));
    expect(await texts()).toEqual([{ text: "before", generation: 1 }]);
    await pair.bob.user("send", "--to", "ann", "after");
    expect(await texts()).toEqual([{ text: "after", generation: 1 }]);
  }, 60_000);

  test("leaves a relay alone that it doesn't write to, and moves nothing while one works on what it reads", async () => {
    const [unrelated, old] = [join(folder, "unrelated"), join(folder, "working")];
    await using _running = await spawnRelay({ dataDir: unrelated });
    const relay = await spawnRelay({ dataDir: old });
    const url = await server.database();
    const refused = await pipe(["--data-dir", old], ["--data-dir", old, "--url", url]);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(`(pid ${relay.pid}) works in ${old}`);
    expect(refused.err).toContain("stop the relay and export again");
    await relay.stop();
    // Nobody's directory is locked by what goes on in PostgreSQL.
    const migrated = await runDchat(["database", "migrate", "--data-dir", unrelated, "--url", url]);
    expect(migrated.code).toBe(0);
    expect(migrated.err).toContain("warning  --url has a password in it");
    expect(migrated.err).not.toContain(url);
    expect(await pipe(["--data-dir", old], ["--data-dir", join(folder, "none"), "--url", url])).toMatchObject(
      { code: 0 },
    );
    const own = await runDchat(["database", "migrate", "--data-dir", unrelated]);
    expect(own.code).toBe(1);
    expect(own.err).toContain("works in it");
  }, 60_000);
});
