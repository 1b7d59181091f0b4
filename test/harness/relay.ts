/** Real relays as processes of their own, on loopback and free ports, for journeys and benches. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stateHome } from "./state_home.ts";

/** What a running relay says of itself in relay.json. */
export interface RelayFile {
  readonly pid: number;
  readonly peerId: string;
  /** Multiaddrs with /p2p/. */
  readonly addresses: readonly string[];
  readonly api: string;
  readonly metrics: string;
}

function parseRelayFile(text: string): RelayFile {
  const file: RelayFile = JSON.parse(text);
  const whole = Number.isInteger(file.pid) && file.addresses.length > 0 && URL.canParse(file.api);
  if (!whole || !URL.canParse(file.metrics)) throw new Error(`relay.json isn't what it should be: ${text}`);
  return file;
}

export interface SpawnRelayOptions {
  /** Kept after dispose where it is given; else a temporary one that goes. */
  readonly dataDir?: string;
  /** Flags besides those that name ports and the data directory. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Listens on these ports again, as a relay that restarts does. */
  readonly same?: RelayFile;
  /** Also listens for WebSockets. */
  readonly ws?: boolean;
  /** What runs the relay; the checkout's own command unless a compiled one is under test. */
  readonly command?: readonly string[];
  readonly timeoutMs?: number;
}

/** A relay process that listens. Dispose kills it at once. */
export interface SpawnedRelay extends AsyncDisposable {
  readonly file: RelayFile;
  readonly dataDir: string;
  readonly pid: number;
  /** The first TCP address, with /p2p/. */
  readonly address: string;
  /** Exit code, or null after a signal, once it has ended. */
  readonly exited: Promise<number | null>;
  /** What it wrote to stdout and stderr so far. */
  output(): string;
  /** Resolves once it wrote `text`: what a relay answers and what it writes come by ways of their own. */
  said(text: string): Promise<void>;
  /** Sends `signal` and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  signal(signal: NodeJS.Signals): void;
  /** Health, readiness or metrics by path. */
  get(path: string): Promise<Response>;
}

const SAID_TIMEOUT_MS = 10_000;

const root = resolve(import.meta.dir, "../..");

/** The relay's command in this checkout; bun by its absolute path, since none may be on PATH. */
export const relayCommand: readonly string[] = [process.execPath, join(root, "cmd/dchat.ts"), "relay"];

/** Starts a relay process and waits for its relay.json. Throws with its output where it ends before. */
export async function spawnRelay(options: SpawnRelayOptions = {}): Promise<SpawnedRelay> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), "dchat-relay-"));
  const path = join(dataDir, "relay.json");
  // What a killed relay left says nothing of the one that starts now.
  rmSync(path, { force: true });
  const child = Bun.spawn([...(options.command ?? relayCommand), ...flags(options, dataDir)], {
    cwd: root,
    env: { ...baseEnv(), ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const text: string[] = [];
  void collect(child.stdout, text);
  void collect(child.stderr, text);
  const file = await waitForFile(path, child, options.timeoutMs ?? 15_000).catch(async (error: unknown) => {
    child.kill("SIGKILL");
    await child.exited;
    throw new Error(`The relay did not start: ${String(error)}\n${text.join("")}`, { cause: error });
  });
  const exited = child.exited.then(() => child.exitCode);
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return exited;
  };
  return {
    file,
    dataDir,
    pid: child.pid,
    address: file.addresses[0] ?? "",
    exited,
    output: () => text.join(""),
    async said(wanted) {
      const endMs = performance.now() + SAID_TIMEOUT_MS;
      while (!text.join("").includes(wanted)) {
        if (performance.now() > endMs) throw new Error(`The relay didn't say "${wanted}":\n${text.join("")}`);
        await Bun.sleep(5);
      }
    },
    stop,
    signal: (signal) => child.kill(signal),
    get: (route) => fetch(new URL(route, route.startsWith("/metrics") ? file.metrics : file.api)),
    async [Symbol.asyncDispose]() {
      await stop("SIGKILL");
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function flags({ same, ws, args = [] }: SpawnRelayOptions, dataDir: string): string[] {
  const listen = (same?.addresses ?? []).map((each) => each.replace(/\/p2p\/.*$/, ""));
  if (listen.length === 0) listen.push("127.0.0.1:0", ...(ws === true ? ["/ip4/127.0.0.1/tcp/0/ws"] : []));
  const hostOf = (url: string | undefined): string => (url === undefined ? "127.0.0.1:0" : new URL(url).host);
  return [
    `--data-dir=${dataDir}`,
    `--api-listen=${hostOf(same?.api)}`,
    `--metrics-listen=${hostOf(same?.metrics)}`,
    ...listen.flatMap((each) => ["--listen", each]),
    ...args,
  ];
}

/** A relay under test reads nothing of the developer's own settings. */
function baseEnv(): Record<string, string> {
  const env: Record<string, string> = { NO_COLOR: "1", XDG_STATE_HOME: stateHome };
  for (const name of ["PATH", "HOME", "TMPDIR"]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

async function waitForFile(path: string, child: Bun.Subprocess, timeoutMs: number): Promise<RelayFile> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    // Written by rename, so what exists is whole.
    if (existsSync(path)) return parseRelayFile(readFileSync(path, "utf8"));
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`);
    }
    // Polling a file that another process renames into place
    await Bun.sleep(5);
  }
  throw new Error(`no relay.json within ${timeoutMs} ms`);
}

async function collect(stream: ReadableStream<Uint8Array>, into: string[]): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) into.push(decoder.decode(chunk, { stream: true }));
}
