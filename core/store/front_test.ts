import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFault } from "../ground/mod.ts";
import { OPTIONS, Owner } from "./conformance/data.ts";
import { openFront } from "./front.ts";

const ANSWER_MS = 200;

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "dchat-front-"))));
afterEach(() => rmSync(folder, { recursive: true }));

async function told(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: unknown) => (isFault(error) ? `${error.code} ${error.message}` : String(error)),
  );
}

test("openFront() answers in time for a store that hangs, without a word that isn't true, and works on with it", async () => {
  const path = join(folder, "relay.sqlite");
  await using store = await openFront(
    { kind: "sqlite", file: { path, migrate: true } },
    { answerMs: ANSWER_MS },
  );
  const owner = new Owner();
  await store.commit([owner.create()], OPTIONS);
  // Whoever writes meanwhile waits, as for a disk.
  const hanging = new Database(path);
  hanging.run("PRAGMA busy_timeout = 5000");
  hanging.run("BEGIN IMMEDIATE");
  const [first, second] = [owner.append(), owner.append()];
  const beganMs = performance.now();
  expect(await told(store.commit([first], OPTIONS))).toBe(
    `store/unknown Cannot say whether ${path} keeps a batch: it hasn't answered for 0.2 s`,
  );
  expect(await told(store.mailbox(owner.mailbox))).toBe(
    `store/unavailable Cannot read from ${path}: it hasn't answered for 0.2 s`,
  );
  const lateMs = performance.now();
  expect(lateMs - beganMs).toBeGreaterThan(2 * ANSWER_MS - 20);
  // Nothing more is asked of it, so this is refused for good, and at once.
  expect(await told(store.commit([second], OPTIONS))).toStartWith("store/unavailable Cannot write to");
  expect(performance.now() - lateMs).toBeLessThan(ANSWER_MS);
  hanging.run("ROLLBACK");
  hanging.close();
  while ((await told(store.mailbox(owner.mailbox))) !== "done") await Bun.sleep(20);
  const again = await store.commit([first, second], OPTIONS);
  expect(again).toMatchObject([
    { is: "appended", fresh: false, entry: { seq: 0 } },
    { is: "appended", fresh: true, entry: { seq: 1 } },
  ]);
});
