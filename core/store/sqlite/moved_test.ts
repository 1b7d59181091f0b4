/** A store whose files are taken away while it is open: it keeps nothing that the next opening wouldn't find. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isFault } from "../../ground/mod.ts";
import type { MailboxStore } from "../../mailbox/mod.ts";
import { OPTIONS, Owner } from "../conformance/data.ts";
import { openSqliteStore } from "../sqlite.ts";

const dir = mkdtempSync(join(tmpdir(), "dchat-moved-"));
afterAll(() => rmSync(dir, { recursive: true }));

const REMOVED = /store\/unavailable Cannot write to .*: it or its log was removed or moved away/;

async function told(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "ok",
    (error: unknown) => (isFault(error) ? `${error.code} ${error.message}` : String(error)),
  );
}

async function opened(name: string): Promise<{ path: string; store: MailboxStore; owner: Owner }> {
  const path = join(dir, name, "relay.sqlite");
  mkdirSync(dirname(path));
  const store = await openSqliteStore({ path });
  const owner = new Owner();
  await store.commit([owner.create()], OPTIONS);
  return { path, store, owner };
}

describe("the SQLite store refuses to write", () => {
  test.each(["", "-wal"])("while its file%s lies elsewhere, and goes on when it is back", async (which) => {
    const { path, store, owner } = await opened(`moved${which}`);
    await using _ = store;
    renameSync(`${path}${which}`, `${path}.away`);
    expect(await told(store.commit([owner.append()], OPTIONS))).toMatch(REMOVED);
    expect(await told(store.probe(null))).toMatch(REMOVED);
    renameSync(`${path}.away`, `${path}${which}`);
    expect(await told(store.probe(null))).toBe("ok");
    expect(await told(store.commit([owner.append()], OPTIONS))).toBe("ok");
  });

  test("when its folder was removed", async () => {
    const { path, store, owner } = await opened("removed");
    await using _ = store;
    rmSync(dirname(path), { recursive: true });
    expect(await told(store.commit([owner.append()], OPTIONS))).toMatch(REMOVED);
    expect(await told(store.probe(null))).toMatch(REMOVED);
  });
});
