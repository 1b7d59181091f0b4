/** Runs dchat's command line as a process of its own, as people and scripts do. */
import { resolve } from "node:path";
import { stateHome } from "./state_home.ts";

const root = resolve(import.meta.dir, "../..");

/** bun by its absolute path, since none may be on PATH. */
export const dchatCommand: readonly [bun: string, script: string] = [
  process.execPath,
  resolve(root, "cmd/dchat.ts"),
];

const shiftedClock = resolve(import.meta.dir, "shifted_clock.ts");

export interface RunOptions {
  /** Besides PATH, HOME and a state home of the tests; nothing else of this process's environment goes along. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** How much later than the machine's its clock is. */
  readonly shiftMs?: number;
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
}

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function ownEnv(): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME, XDG_STATE_HOME: stateHome };
}

/** Runs `dchat ...args` to its end, without a terminal. */
export async function runDchat(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  // setsid takes the controlling terminal away, so that /dev/tty can't be opened where a developer runs this.
  const setsid = Bun.which("setsid");
  const prefix = setsid === null ? [] : [setsid, "--wait"];
  const { shiftMs } = options;
  const shift = shiftMs === undefined ? {} : { DCHAT_TEST_SHIFT_MS: String(shiftMs) };
  const [bun, script] = dchatCommand;
  const preload = shiftMs === undefined ? [] : ["--preload", shiftedClock];
  const child = Bun.spawn([...prefix, bun, ...preload, script, ...args], {
    cwd: options.cwd ?? root,
    env: { ...ownEnv(), ...shift, ...options.env },
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}
