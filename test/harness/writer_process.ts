/** A device as a process of its own that a test asks one thing at a time; see writer.ts. */
import { resolve } from "node:path";
import type { Person } from "./people.ts";

const script = resolve(import.meta.dir, "writer.ts");

export interface WriterProcess extends AsyncDisposable {
  readonly pid: number;
  /** Resolves once the relay has acknowledged, however often it goes away meanwhile. */
  send(text: string): Promise<{ readonly seq: number; readonly text: string }>;
  /** Takes what waits; returns the texts that were new, in order. */
  sync(): Promise<readonly string[]>;
  /** What the device complained of. */
  readonly alarms: readonly string[];
  kill(): Promise<void>;
}

type Answer = Readonly<Record<string, unknown>>;

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<Answer> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) yield JSON.parse(part);
  }
}

/** Starts `person`'s device; resolves when it is open. */
export async function openWriter(person: Person): Promise<WriterProcess> {
  const child = Bun.spawn([process.execPath, script, person.identity, person.dataDir, person.other], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const answers = lines(child.stdout);
  const alarms: string[] = [];
  const next = async (): Promise<Answer> => {
    for (;;) {
      const { value, done } = await answers.next();
      if (done === true) throw new Error(`${person.name}'s device ended`);
      if (typeof value["alarm"] !== "string") return value;
      alarms.push(value["alarm"]);
    }
  };
  const ask = async (question: object): Promise<void> => {
    void child.stdin.write(`${JSON.stringify(question)}\n`);
    await child.stdin.flush();
  };
  await next();
  return {
    pid: child.pid,
    alarms,
    async send(text) {
      await ask({ send: text });
      return { seq: Number((await next())["seq"]), text };
    },
    async sync() {
      await ask({ sync: true });
      const fresh: string[] = [];
      for (let answer = await next(); !("synced" in answer); answer = await next())
        fresh.push(String(answer["new"]));
      return fresh;
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
    async [Symbol.asyncDispose]() {
      await child.stdin.end();
      await child.exited;
    },
  };
}
