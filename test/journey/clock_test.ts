/** People whose machines are far off in time: they are told both times and how to mend it, and nothing is lost. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { runDchat } from "../harness/dchat.ts";
import { makePair, type Person } from "../harness/people.ts";
import { spawnRelay } from "../harness/relay.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const BOTH =
  /this machine's clock says \d{4}-\d\d-\d\d \d\d:\d\d UTC, the relay's \d{4}-\d\d-\d\d \d\d:\d\d UTC; set the one right/;

function late(person: Person, days: number, ...args: readonly string[]) {
  const flags = ["--identity", person.identity, "--data-dir", person.dataDir];
  return runDchat(["user", ...args, ...flags], { shiftMs: days * DAY_MS });
}

test("a clock 400 days ahead or behind: both times are named, what was written waits or goes, and arrives once", async () => {
  await using relay = await spawnRelay();
  using pair = await makePair(relay.address);
  const { ann, bob } = pair;

  const ahead = await late(bob, 400, "send", "--to", "ann", "from the future");
  expect(ahead.code).toBe(0);
  expect(ahead.err).toMatch(BOTH);
  expect(ahead.err).toContain("queued");
  const received = await late(bob, 400, "receive");
  expect(received.code).toBe(1);
  expect(received.err).toMatch(BOTH);
  expect(received.err).not.toContain("doesn't hold");

  const behind = await late(bob, -400, "send", "--to", "ann", "from the past");
  expect([behind.code, behind.out]).toEqual([0, "1\n"]);
  expect(behind.err).toMatch(BOTH);
  const texts = (await ann.lines<{ text: string }>("receive")).map(({ text }) => text);
  expect(texts).toEqual(["from the future", "from the past"]);

  const { out: uri } = await ann.user("invite", "--name", "carl", "--bootstrap", relay.address);
  const carl = { ...bob, identity: join(pair.dir, "carl.json"), dataDir: join(pair.dir, "carl") };
  await runDchat(["keygen", "--output", carl.identity, "--burner"]);
  const tooLate = await late(carl, 400, "accept", uri.trim());
  expect(tooLate.code).toBe(1);
  expect(tooLate.err).toMatch(/was good until .* UTC, and this machine's clock says .* UTC/);
  const tooEarly = await late(carl, -400, "accept", uri.trim());
  expect(tooEarly.code).toBe(1);
  expect(tooEarly.err).toMatch(/certificate doesn't hold by this machine's clock, which says .* UTC/);
  // Nothing was used up meanwhile.
  expect((await late(carl, 0, "accept", uri.trim())).code).toBe(0);
}, 60_000);
