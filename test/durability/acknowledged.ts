/** What a store acknowledged, and whether it is still there. */
import { expect } from "bun:test";
import { join } from "node:path";
import { mailboxId } from "../../core/ground/mod.ts";
import { Checker } from "../../core/node/database/check.ts";
import { openDatabase, openStore, type StoreLocation } from "../../core/store/mod.ts";

const APPENDER = join(import.meta.dir, "appender.ts");
const PAGE_BYTES = 1024 * 1024;

/** The command that starts an appender. */
export function appenderCommand(where: StoreLocation, load: { batch: number; batches?: number }): string[] {
  const { batch, batches = 0 } = load;
  return [process.execPath, APPENDER, where.url ?? "", where.path, String(batch), String(batches)];
}

/** Leaves by mailbox and sequence number, of the lines that an appender wrote whole. */
export function acknowledgedIn(output: string): Map<string, Map<number, string>> {
  const found = new Map<string, Map<number, string>>();
  for (const line of output.split("\n").slice(0, -1)) {
    const [word, mailbox, seq, leaf] = line.split(" ");
    if (word !== "ack" || mailbox === undefined || leaf === undefined) continue;
    const entries = found.get(mailbox) ?? new Map<number, string>();
    entries.set(Number(seq), leaf);
    found.set(mailbox, entries);
  }
  return found;
}

/** How many entries `acknowledgedIn` found. */
export function countOf(acknowledged: ReadonlyMap<string, ReadonlyMap<number, string>>): number {
  return [...acknowledged.values()].reduce((sum, entries) => sum + entries.size, 0);
}

/**
 * Opens the store as a relay does and returns which acknowledged entries aren't as they were acknowledged; then
 * checks the whole of it, so that heads verify. Empty where all is well.
 */
export async function lostFrom(
  where: StoreLocation,
  acknowledged: ReadonlyMap<string, ReadonlyMap<number, string>>,
): Promise<string[]> {
  const lost: string[] = [];
  {
    await using store = await openStore(where);
    for (const [hex, entries] of acknowledged) {
      const id = mailboxId(Uint8Array.fromHex(hex));
      const found = new Map<number, string>();
      for (let from = 0; ;) {
        const page = await store.read(id, { from, bytesMax: PAGE_BYTES, entriesMax: 1000 });
        for (const entry of page) if (entry.entry !== null) found.set(entry.seq, entry.leaf.toHex());
        const last = page.at(-1);
        if (last === undefined) break;
        from = last.seq + 1;
      }
      for (const [seq, leaf] of entries) {
        if (found.get(seq) !== leaf) lost.push(`acknowledged entry ${seq} of mailbox ${hex}`);
      }
    }
  }
  await using database = await openDatabase(where);
  const checker = new Checker();
  lost.push(...(await database.integrity()));
  for await (const record of database.records()) checker.take(record);
  lost.push(...checker.finish().damage);
  return lost;
}

/** A process whose standard output is kept. */
export interface Watched extends AsyncDisposable {
  readonly pid: number;
  /** What it wrote until now. */
  output(): string;
  /** Resolves when its output holds `text` behind `from`; fails when it ends or `timeoutMs` pass before. */
  until(text: string | RegExp, options?: { from?: number; timeoutMs?: number }): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  readonly exited: Promise<number>;
}

/** Starts `command` and reads what it says. */
export function watch(command: readonly string[]): Watched {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit", stdin: "ignore" });
  let text = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) text += decoder.decode(chunk, { stream: true });
  })();
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    await reading;
  };
  return {
    pid: child.pid,
    output: () => text,
    async until(wanted, { from = 0, timeoutMs = 30_000 } = {}) {
      const endMs = performance.now() + timeoutMs;
      const has = (): boolean => {
        const part = text.slice(from);
        return typeof wanted === "string" ? part.includes(wanted) : wanted.test(part);
      };
      while (!has()) {
        if (child.exitCode !== null) await reading;
        const late = performance.now() > endMs || child.exitCode !== null;
        if (late && !has()) expect(text.slice(-2000)).toContain(String(wanted));
        await Bun.sleep(20);
      }
    },
    kill,
    exited: child.exited.then(async (code) => {
      await reading;
      return code;
    }),
    [Symbol.asyncDispose]: kill,
  };
}
