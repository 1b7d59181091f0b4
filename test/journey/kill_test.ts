/**
 * Two people write to each other while their relay is killed again and again, one of them away for a part.
 * Everything that the relay has acknowledged arrives: once, in order, readable.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { openDatabase } from "../../core/store/mod.ts";
import { runDchat } from "../harness/dchat.ts";
import { makePair, type MessageLine, type Person } from "../harness/people.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";
import { openWriter, type WriterProcess } from "../harness/writer_process.ts";

const MESSAGES = 500;
const KILLS = 10;
/** Own messages after which a device changes its keys; docs/protocol/conversation.md. */
const COMMIT_AFTER = 32;
/** Real text in several scripts, long and short. */
const WORDS =
  "a relay keeps what it has acknowledged 水 até amanhã здравствуй 🙂 and every device catches up by itself".split(
    " ",
  );

function textOf(who: string, at: number): string {
  const words = Array.from(
    { length: 3 + ((at * 7) % 40) },
    (_, word) => WORDS[(at + word * 5) % WORDS.length],
  );
  return `${who} ${at}: ${words.join(" ")}`;
}

/** Relay that is killed and started again on the same ports and data. */
class Mortal {
  relay: SpawnedRelay;
  kills = 0;

  constructor(relay: SpawnedRelay) {
    this.relay = relay;
  }

  async kill(): Promise<void> {
    const { dataDir, file } = this.relay;
    await this.relay.stop("SIGKILL");
    this.kills += 1;
    this.relay = await spawnRelay({ dataDir, same: file });
  }
}

interface Said {
  readonly seq: number;
  readonly text: string;
}

/** Writes `texts` in order; `onSaid` after each. */
async function write(writer: WriterProcess, texts: readonly string[], onSaid: () => void): Promise<Said[]> {
  const said: Said[] = [];
  for (const text of texts) {
    said.push(await writer.send(text));
    onSaid();
  }
  return said;
}

function range(from: number, to: number, who: string): string[] {
  return Array.from({ length: to - from }, (_, at) => textOf(who, from + at));
}

/** Numbers below the largest that none of `seqs` has. */
function missing(seqs: readonly number[]): number[] {
  const all = new Set(seqs);
  return Array.from({ length: Math.max(...seqs) + 1 }, (_, at) => at).filter((at) => !all.has(at));
}

async function history(person: Person): Promise<MessageLine[]> {
  return person.lines<MessageLine>("history", "--with", person.other);
}

/** Numbers of the plain entries and of the others in the relay's largest mailbox, by its own database. */
async function countedBy(relay: SpawnedRelay): Promise<{ plain: number[]; others: number[] }> {
  await using database = await openDatabase({ url: null, path: join(relay.dataDir, "relay.sqlite") });
  const found = new Map<string, { plain: number[]; others: number[] }>();
  for await (const record of database.records()) {
    if (record.is !== "entry") continue;
    const { mailbox, seq, kind } = record.entry;
    const counted = found.get(mailbox.toHex()) ?? { plain: [], others: [] };
    found.set(mailbox.toHex(), counted);
    (kind === "plain" ? counted.plain : counted.others).push(seq);
  }
  const [largest] = [...found.values()].toSorted((a, b) => b.plain.length - a.plain.length);
  if (largest === undefined) throw new Error("the relay keeps nothing");
  return largest;
}

test("two people lose and double nothing while their relay is killed ten times under load", async () => {
  await using first = await spawnRelay();
  using pair = await makePair(first.address);
  const { ann, bob } = pair;
  const mortal = new Mortal(first);
  const half = MESSAGES / 2;
  // Moments at random, but never two at once: after so many acknowledged messages.
  const moments = Array.from({ length: KILLS }, () => Math.floor(Math.random() * (MESSAGES - 20)) + 5).sort(
    (a, b) => a - b,
  );
  let count = 0;
  let killing: Promise<void> = Promise.resolve();
  const onSaid = (): void => {
    count += 1;
    while ((moments[0] ?? Number.POSITIVE_INFINITY) <= count) {
      moments.shift();
      killing = killing.then(() => mortal.kill());
    }
  };
  const received: Record<string, string[]> = { ann: [], bob: [] };
  await using annWrites = await openWriter(ann);
  // Bob is away while Ann writes the first part.
  const fromAnn = await write(annWrites, range(0, half / 2, "ann"), onSaid);
  const fromBob: Said[] = [];
  {
    await using bobWrites = await openWriter(bob);
    const both = await Promise.all([
      write(annWrites, range(half / 2, half, "ann"), onSaid),
      write(bobWrites, range(0, half, "bob"), onSaid),
    ]);
    fromAnn.push(...both[0]);
    fromBob.push(...both[1]);
    await killing;
    received["bob"]?.push(...(await bobWrites.sync()));
    received["ann"]?.push(...(await annWrites.sync()));
    received["bob"]?.push(...(await bobWrites.sync()));
    expect([annWrites.alarms, bobWrites.alarms]).toEqual([[], []]);
  }
  expect(mortal.kills).toBe(KILLS);
  expect(received["bob"]).toEqual(fromAnn.map(({ text }) => text));
  expect(received["ann"]).toEqual(fromBob.map(({ text }) => text));
  const [annHas, bobHas] = await Promise.all([history(ann), history(bob)]);
  const acknowledged = [...fromAnn, ...fromBob].sort((a, b) => a.seq - b.seq);
  expect(annHas.map(({ sequence, text }) => ({ seq: sequence, text }))).toEqual(acknowledged);
  expect(bobHas.map(({ sequence, text }) => [sequence, text])).toEqual(
    annHas.map(({ sequence, text }) => [sequence, text]),
  );
  // Sequence numbers are dense, so the log's size counts the messages and the commits between them.
  const [kept] = await ann.lines<{ size: number; unsent: number }>("conversations");
  const commits = missing(acknowledged.map(({ seq }) => seq));
  // Whoever came to the relay last may have renewed its keys behind the last message.
  const last = (kept?.size ?? 0) - MESSAGES - commits.length;
  expect([0, 1, 2]).toContain(last);
  expect(kept).toMatchObject({ unsent: 0 });
  // An epoch ends when either has written so many, so it holds less than twice that.
  expect(commits.length).toBeGreaterThanOrEqual(Math.floor(MESSAGES / (2 * COMMIT_AFTER)));
  await mortal.relay.stop();
  const { code, out } = await runDchat(["database", "check", "--json", "--data-dir", mortal.relay.dataDir]);
  expect([code, JSON.parse(out)]).toMatchObject([0, { damage: [] }]);
  // The relay's own count: of what it keeps each plain entry is a message, and all others are the commits.
  const { plain, others } = await countedBy(mortal.relay);
  expect(plain).toEqual(acknowledged.map(({ seq }) => seq));
  expect(others.slice(0, commits.length)).toEqual(commits);
  expect(others.length).toBe(commits.length + last);
  await mortal.relay[Symbol.asyncDispose]();
}, 180_000);
