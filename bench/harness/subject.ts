/**
 * A subject under measurement: a process of its own that prints JSON lines, and whose CPU time and memory the
 * kernel accounts for. Nothing is measured from inside it.
 */
import { readFileSync } from "node:fs";

const TICK_MS = 10;

export interface Usage {
  /** User and system time since the process began. */
  readonly cpuMs: number;
  /** What of it was spent in the kernel. */
  readonly systemMs: number;
  readonly rssKib: number;
}

/** What the kernel says of process `pid` (Linux). */
export function usage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    systemMs: Number(fields[12]) * TICK_MS,
    rssKib: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN),
  };
}

/** Bytes that process `pid` has had read from disks, and has dirtied in the page cache to be written (Linux). */
export function diskBytes(pid: number): { readonly read: number; readonly written: number } {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  const of = (name: string): number =>
    Number(new RegExp(`^${name}: (\\d+)`, "m").exec(io)?.[1] ?? Number.NaN);
  return { read: of("read_bytes"), written: of("write_bytes") };
}

export interface Subject extends AsyncDisposable {
  readonly pid: number;
  /** The next JSON line that it prints; rejects when it ends or says nothing for `timeoutMs`. */
  next(timeoutMs?: number): Promise<Record<string, unknown>>;
  /** Writes a line to its stdin. */
  say(line: string): void;
  usage(): Usage;
}

/**
 * Starts `command`; the process ends when the subject is disposed. Its stderr goes to ours. One in the background
 * gets the processor that the others leave (SCHED_IDLE, by chrt of util-linux): a load that stands for machines
 * elsewhere.
 */
export function openSubject(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string | undefined>; background?: boolean } = {},
): Subject {
  const own = tethered(command);
  const process_ = Bun.spawn(options.background === true ? ["chrt", "-i", "0", ...own] : own, {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  const lines = linesOf(process_.stdout);
  return {
    pid: process_.pid,
    async next(timeoutMs = 60_000) {
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        late.reject(new Error(`${command.join(" ")} said nothing for ${timeoutMs} ms`));
      }, timeoutMs);
      try {
        const line = await Promise.race([lines.next(), late.promise]);
        if (line.done === true)
          throw new Error(`${command.join(" ")} ended with code ${await process_.exited}`);
        return JSON.parse(line.value) as Record<string, unknown>;
      } finally {
        clearTimeout(timer);
      }
    },
    say(line) {
      void process_.stdin.write(`${line}\n`);
      void process_.stdin.flush();
    },
    usage: () => usage(process_.pid),
    async [Symbol.asyncDispose]() {
      process_.kill("SIGTERM");
      // One that shuts down in peace and listens to its stdin stays as long as something may come there.
      void process_.stdin.end();
      const hard = setTimeout(() => process_.kill("SIGKILL"), 5000);
      await process_.exited;
      clearTimeout(hard);
    },
  };
}

/** A Bun process that ends with us, however we end: a load left behind would spoil every later figure. */
function tethered(command: readonly string[]): string[] {
  const [program = "", ...rest] = command;
  return program === process.execPath ? [program, "--no-orphans", ...rest] : [program, ...rest];
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
}
