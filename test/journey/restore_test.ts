/**
 * A relay is restored from a backup that is older than what two people have said, commits of keys included. Both
 * notice the new generation, send again what it lacks, and end with the same history: nothing lost, nothing twice.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePair, type MessageLine, type Pair, type Person } from "../harness/people.ts";
import { type SpawnedRelay, spawnRelay } from "../harness/relay.ts";
import { backUp, restore } from "../harness/restore.ts";
import { openWriter, type WriterProcess } from "../harness/writer_process.ts";

/** A relay, two people with their devices running, and all that was acknowledged to each. */
class Stage implements AsyncDisposable {
  relay: SpawnedRelay;
  readonly pair: Pair;
  readonly ann: WriterProcess;
  readonly bob: WriterProcess;
  readonly said = new Set<string>();
  readonly dir = mkdtempSync(join(tmpdir(), "dchat-backup-"));
  #count = 0;

  private constructor(parts: { relay: SpawnedRelay; pair: Pair; ann: WriterProcess; bob: WriterProcess }) {
    this.relay = parts.relay;
    this.pair = parts.pair;
    this.ann = parts.ann;
    this.bob = parts.bob;
  }

  static async open(): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const relay = stack.use(await spawnRelay());
    const pair = stack.use(await makePair(relay.address));
    const ann = stack.use(await openWriter(pair.ann));
    const stage = new Stage({ relay, pair, ann, bob: await openWriter(pair.bob) });
    stack.move();
    return stage;
  }

  async say(who: "ann" | "bob", times: number): Promise<void> {
    for (let left = times; left > 0; left--) {
      const { text } = await this[who].send(`${who} ${(this.#count += 1)}`);
      this.said.add(text);
    }
  }

  async backup(name: string): Promise<string> {
    const path = join(this.dir, name);
    await backUp(this.relay, path);
    return path;
  }

  async restore(path: string): Promise<void> {
    this.relay = await restore(this.relay, path);
  }

  /** Until nothing is left to tell: what one side sends again, the other reads, and the other way round. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await this.ann.sync();
      await this.bob.sync();
    }
  }

  async holds(): Promise<void> {
    const [ann, bob] = await Promise.all([history(this.pair.ann), history(this.pair.bob)]);
    // An honest relay isn't accused, nor a device's database.
    const told = [...this.ann.alarms, ...this.bob.alarms].join("\n");
    expect(told).not.toMatch(/contradicts itself|different logs|passed over|backup seems/);
    expect(ann).toEqual(bob);
    expect(ann.map(({ text }) => text).sort()).toEqual([...this.said].sort());
    // The ways to write are open on both sides.
    await this.say("ann", 1);
    await this.say("bob", 1);
    await this.settle();
    const [annAfter, bobAfter] = await Promise.all([history(this.pair.ann), history(this.pair.bob)]);
    expect(annAfter).toEqual(bobAfter);
    expect(annAfter.length).toBe(this.said.size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ann[Symbol.asyncDispose]();
    await this.bob[Symbol.asyncDispose]();
    await this.relay[Symbol.asyncDispose]();
    this.pair[Symbol.dispose]();
    for (const dir of [this.dir, this.relay.dataDir]) rmSync(dir, { recursive: true, force: true });
  }
}

async function history(
  person: Person,
): Promise<{ text: string; sequence: number | null; generation: number }[]> {
  const lines = await person.lines<MessageLine>("history", "--with", person.other);
  return lines.map(({ text, sequence, generation }) => ({ text, sequence, generation }));
}

describe("a relay restored from an old backup", () => {
  test("gets again what both had read of each other and it had not kept", async () => {
    await using stage = await Stage.open();
    await stage.say("ann", 5);
    await stage.bob.sync();
    const old = await stage.backup("old");
    await stage.say("bob", 5);
    await stage.say("ann", 5);
    await stage.restore(old);
    await stage.settle();
    expect(stage.ann.alarms.join("\n")).toContain("restored or moved");
    expect(stage.bob.alarms.join("\n")).toContain("restored or moved");
    await stage.holds();
  }, 60_000);

  test("gets again a lost change of keys that the other side had not read", async () => {
    await using stage = await Stage.open();
    await stage.say("bob", 3);
    await stage.ann.sync();
    const old = await stage.backup("old");
    await stage.say("ann", 40);
    await stage.restore(old);
    // Bob comes first, knows nothing of the commit, and writes.
    await stage.say("bob", 3);
    await stage.settle();
    await stage.holds();
  }, 60_000);

  test("decides between two changes of keys when both sides made one from the same epoch", async () => {
    await using stage = await Stage.open();
    await stage.say("bob", 1);
    await stage.ann.sync();
    const old = await stage.backup("old");
    await stage.say("ann", 40);
    await stage.restore(old);
    await stage.say("bob", 40);
    await stage.settle();
    await stage.holds();
  }, 60_000);

  test("stays readable when the same change of keys is lost twice", async () => {
    await using stage = await Stage.open();
    const start = await stage.backup("start");
    await stage.say("bob", 40);
    await stage.restore(start);
    await stage.say("bob", 1);
    await Bun.sleep(1000);
    await stage.restore(start);
    await stage.say("ann", 40);
    await stage.settle();
    await stage.holds();
  }, 60_000);

  test("isn't accused for a generation that one side never saw", async () => {
    await using stage = await Stage.open();
    const start = await stage.backup("start");
    await stage.say("ann", 8);
    await stage.settle();
    await stage.restore(start);
    await stage.say("bob", 4);
    await stage.bob.sync();
    await stage.say("bob", 2);
    await Bun.sleep(1000);
    await stage.restore(start);
    await stage.bob.sync();
    await stage.settle();
    await stage.holds();
  }, 60_000);

  test("may be restored from a newer backup after an older one", async () => {
    await using stage = await Stage.open();
    await stage.say("ann", 2);
    const older = await stage.backup("older");
    await stage.say("ann", 4);
    await stage.settle();
    const newer = await stage.backup("newer");
    await stage.restore(older);
    await stage.say("bob", 3);
    await stage.settle();
    await Bun.sleep(1000);
    await stage.restore(newer);
    await stage.settle();
    await stage.holds();
  }, 60_000);

  test("goes on from a turn that is over for both sides", async () => {
    await using stage = await Stage.open();
    const old = await stage.backup("old");
    await stage.say("ann", 40);
    await stage.say("bob", 40);
    await stage.settle();
    await stage.restore(old);
    await stage.say("bob", 2);
    await stage.settle();
    await stage.holds();
  }, 60_000);

  test("gets back a mailbox that was made after the backup", async () => {
    await using relay = await spawnRelay();
    const dir = mkdtempSync(join(tmpdir(), "dchat-backup-"));
    const before = join(dir, "before");
    await backUp(relay, before);
    using pair = await makePair(relay.address);
    await pair.bob.user("send", "--to", "ann", "one");
    await using again = await restore(relay, before);
    await pair.ann.user("send", "--to", "bob", "two");
    for (let round = 0; round < 2; round++)
      for (const one of [pair.bob, pair.ann]) await one.lines("receive");
    expect(await history(pair.ann)).toEqual(await history(pair.bob));
    expect((await history(pair.ann)).map(({ text }) => text).sort()).toEqual(["one", "two"]);
    expect(again.file.pid).not.toBe(relay.file.pid);
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);
});

const rounds = process.env["DCHAT_TEST_LONG"] === "1" ? 12 : 1;

test.each(Array.from({ length: rounds }, (_, at) => at))(
  "restores at random moments leave both sides with one history (%i)",
  async () => {
    await using stage = await Stage.open();
    const plan: string[] = [];
    const pick = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)] as T;
    let backup = await stage.backup("start");
    for (let step = 0; step < 14; step++) {
      const what = pick([
        "ann",
        "bob",
        "annMuch",
        "bobMuch",
        "annReads",
        "bobReads",
        "backup",
        "restore",
      ] as const);
      plan.push(what);
      if (what === "ann" || what === "bob") await stage.say(what, 3);
      else if (what === "annMuch") await stage.say("ann", 34);
      else if (what === "bobMuch") await stage.say("bob", 34);
      else if (what === "annReads") await stage.ann.sync();
      else if (what === "bobReads") await stage.bob.sync();
      else if (what === "backup") backup = await stage.backup(`step-${step}`);
      else {
        // Generations after restores are numbered by the second.
        await Bun.sleep(1000);
        await stage.restore(backup);
      }
    }
    await stage.settle();
    await stage.holds().catch((error: unknown) => {
      throw new Error(`after ${plan.join(", ")}`, { cause: error });
    });
  },
  120_000,
);
