/**
 * What people do first: `receive --follow` in one terminal, `send` in another, on one user directory. Both are
 * killed at random moments; nothing that was acknowledged is lost or doubled, and no ratchet is stepped twice.
 */
import { expect, test } from "bun:test";
import { dchatCommand } from "../harness/dchat.ts";
import { makePair, type MessageLine, type Person } from "../harness/people.ts";
import { spawnRelay } from "../harness/relay.ts";
import { openWriter } from "../harness/writer_process.ts";

const SENDS = 16;
const FROM_BOB = 120;

function spawnUser(person: Person, args: readonly string[]) {
  const flags = ["--identity", person.identity, "--data-dir", person.dataDir, "--json"];
  return Bun.spawn([...dchatCommand, "user", ...args, ...flags], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** `receive --follow` that is killed and started again until it is told to stop; gathers all that it printed. */
async function followUnderFire(
  person: Person,
  signal: AbortSignal,
): Promise<{ lines: MessageLine[]; kills: number }> {
  const lines: MessageLine[] = [];
  let kills = 0;
  while (!signal.aborted) {
    const child = spawnUser(person, ["receive", "--follow"]);
    const text = new Response(child.stdout).text();
    await Promise.race([
      Bun.sleep(600 + Math.random() * 900),
      new Promise((stop) => signal.addEventListener("abort", stop)),
    ]);
    child.kill("SIGKILL");
    await child.exited;
    kills += 1;
    // The last line may have been cut off by the kill.
    const whole = (await text).split("\n").slice(0, -1);
    lines.push(...whole.filter((line) => line !== "").map((line): MessageLine => JSON.parse(line)));
  }
  return { lines, kills };
}

/** Sends `texts`, killing every third process midway; returns those whose sequence number was printed. */
async function sendUnderFire(person: Person, texts: readonly string[]): Promise<string[]> {
  const acknowledged: string[] = [];
  for (const [at, text] of texts.entries()) {
    const child = spawnUser(person, ["send", "--to", person.other, text]);
    if (at % 3 === 2) {
      await Bun.sleep(100 + Math.random() * 350);
      child.kill("SIGKILL");
    }
    const out = await new Response(child.stdout).text();
    await child.exited;
    const line: MessageLine | null = out.endsWith("\n") ? JSON.parse(out) : null;
    if (line !== null && line.sequence !== null) acknowledged.push(text);
  }
  return acknowledged;
}

test("receive --follow beside send, both killed at random, lose and double nothing", async () => {
  await using relay = await spawnRelay();
  using pair = await makePair(relay.address);
  const { ann, bob } = pair;
  const over = new AbortController();
  const following = followUnderFire(ann, over.signal);
  await using bobWrites = await openWriter(bob);
  const bobTexts = Array.from({ length: FROM_BOB }, (_, at) => `bob ${at}`);
  const [acknowledged] = await Promise.all([
    sendUnderFire(
      ann,
      Array.from({ length: SENDS }, (_, at) => `ann ${at}`),
    ),
    (async () => {
      for (const text of bobTexts) {
        await bobWrites.send(text);
        await Bun.sleep(30);
      }
    })(),
  ]);
  await Bun.sleep(500);
  over.abort();
  const { lines, kills } = await following;
  const rest = await ann.lines<MessageLine>("receive");
  await bobWrites.sync();
  const [annHas, bobHas] = await Promise.all([
    ann.lines<MessageLine>("history", "--with", "bob"),
    bob.lines<MessageLine>("history", "--with", "ann"),
  ]);
  expect(kills).toBeGreaterThan(3);
  expect(annHas.map(({ sequence, text }) => [sequence, text])).toEqual(
    bobHas.map(({ sequence, text }) => [sequence, text]),
  );
  const texts = bobHas.map(({ text }) => text);
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.filter((text) => text.startsWith("bob"))).toEqual(bobTexts);
  const annTexts = texts.filter((text) => text.startsWith("ann"));
  expect(acknowledged.filter((text) => !annTexts.includes(text))).toEqual([]);
  expect(annTexts).toEqual([...annTexts].sort((a, b) => Number(a.slice(4)) - Number(b.slice(4))));
  // What was printed: everything, in order; a kill between printing and noting it may show a few once more.
  const printed = [...lines, ...rest].map(({ text }) => text);
  expect([...new Set(printed)]).toEqual(bobTexts);
  expect(printed.length - bobTexts.length).toBeLessThanOrEqual(kills * 8);
  expect(bobWrites.alarms).toEqual([]);
  const [kept] = await ann.lines<{ notes: readonly string[] }>("conversations");
  expect(kept?.notes).toEqual([]);
}, 120_000);
