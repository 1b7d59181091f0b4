/** Two people with devices on one relay, by the command line, for journeys. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ran, runDchat } from "./dchat.ts";

/** One line of `dchat user … --json`. */
export interface MessageLine {
  readonly conversation: string;
  readonly sender: string;
  readonly sequence: number | null;
  readonly generation: number;
  readonly time: string;
  readonly text: string;
}

export interface Person {
  readonly name: string;
  /** What the other side is called here. */
  readonly other: string;
  readonly identity: string;
  readonly dataDir: string;
  /** Runs `dchat user ...args` as this person. */
  user(...args: readonly string[]): Promise<Ran>;
  /** What `dchat user ... --json` prints, line by line; throws where it fails. */
  lines<T>(...args: readonly string[]): Promise<T[]>;
}

export interface Pair extends Disposable {
  readonly ann: Person;
  readonly bob: Person;
  readonly dir: string;
}

async function must(ran: Promise<Ran>): Promise<Ran> {
  const done = await ran;
  if (done.code !== 0) throw new Error(`dchat exited ${done.code}: ${done.err}`);
  return done;
}

function person(dir: string, names: { name: string; other: string }): Person {
  const identity = join(dir, `${names.name}.json`);
  const dataDir = join(dir, names.name);
  const user = (...args: readonly string[]) =>
    runDchat(["user", ...args, "--identity", identity, "--data-dir", dataDir], {
      env: { XDG_STATE_HOME: dir },
    });
  return {
    ...names,
    identity,
    dataDir,
    user,
    async lines<T>(...args: readonly string[]) {
      const { out } = await must(user(...args, "--json"));
      return out
        .split("\n")
        .filter((line) => line !== "")
        .map((line): T => JSON.parse(line));
    },
  };
}

/** Ann has invited Bob on the relay at `address`, and both have joined. */
export async function makePair(address: string): Promise<Pair> {
  const dir = mkdtempSync(join(tmpdir(), "dchat-people-"));
  const ann = person(dir, { name: "ann", other: "bob" });
  const bob = person(dir, { name: "bob", other: "ann" });
  try {
    for (const one of [ann, bob]) await must(runDchat(["keygen", "--output", one.identity, "--burner"]));
    const { out } = await must(ann.user("invite", "--name", "bob", "--bootstrap", address));
    await must(bob.user("accept", out.trim(), "--name", "ann"));
    await must(ann.user("receive"));
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return { ann, bob, dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}
