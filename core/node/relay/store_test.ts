import { expect, test } from "bun:test";
import { startPostgres } from "../../../test/harness/postgres.ts";
import { isFault } from "../../ground/mod.ts";
import { openOwnStore } from "./store.ts";

test("openOwnStore() waits for another relay of its PostgreSQL database to go, says so, and then refuses", async () => {
  await using server = await startPostgres();
  const location = { url: await server.database(), path: "" };
  const warnings: string[] = [];
  const log = { warn: (message: string) => void warnings.push(message) };
  await using first = await openOwnStore(location, log);
  expect(warnings).toEqual([]);
  const startMs = performance.now();
  const refused = await openOwnStore(location, log).then(
    () => null,
    (error: unknown) => error,
  );
  expect(isFault(refused, "store/busy")).toBe(true);
  expect(String(refused)).toContain("a relay at 127.0.0.1 works on it");
  expect(performance.now() - startMs).toBeGreaterThan(4_900);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toEndWith("; waiting 5 s for it to go");
  const next = openOwnStore(location, log);
  await Bun.sleep(1_000);
  await first[Symbol.asyncDispose]();
  await using _ = await next;
  expect(warnings).toHaveLength(2);
}, 60_000);
