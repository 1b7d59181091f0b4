/**
 * README's commands, run as a reader would run them: from a copy of the checkout, with an empty home, through
 * npx. The test command alone is left out, since CI runs it; the relay's default ports are replaced by free ones.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { requireOrSkip } from "./harness/require.ts";

const root = join(import.meta.dir, "..");
const hasNpx = requireOrSkip("npx", Bun.which("npx") !== null);

let home = "";
let checkout = "";
let env: Record<string, string> = {};

/** The shell blocks of README, in order. */
async function blocks(): Promise<string[]> {
  const text = await Bun.file(join(root, "README.md")).text();
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
}

async function copyCheckout(to: string): Promise<void> {
  const list = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  const files = list.stdout.toString().trim().split("\n");
  for (const file of files) {
    const from = join(root, file);
    if (!(await Bun.file(from).exists())) continue;
    await mkdir(dirname(join(to, file)), { recursive: true });
    await cp(from, join(to, file));
  }
}

/** PATH without what `bun run` and npx put in front for this test run: a reader's terminal has none of it. */
function readersPath(): string {
  const folders = (process.env["PATH"] ?? "").split(":");
  return folders.filter((folder) => !/node_modules|bun-node-/.test(folder)).join(":");
}

interface RelayFile {
  readonly pid: number;
  readonly api: string;
}

async function relayFile(relay: {
  readonly stdout: ReadableStream;
  readonly stderr: ReadableStream;
  kill(): void;
}) {
  const path = join(home, "state/dchat/relay/relay.json");
  for (let attempt = 0; attempt < 600; attempt++) {
    const file = Bun.file(path);
    if (await file.exists()) return (await file.json()) as RelayFile;
    await Bun.sleep(100);
  }
  relay.kill();
  const said = await Promise.all([new Response(relay.stdout).text(), new Response(relay.stderr).text()]);
  throw new Error(`no ${path} within a minute; the relay said:\n${said.join("\n")}`);
}

beforeAll(async () => {
  if (!hasNpx) return;
  home = await mkdtemp(join(tmpdir(), "dchat-readme-"));
  checkout = join(home, "checkout");
  await copyCheckout(checkout);
  const cache = Bun.spawnSync([process.execPath, "pm", "cache"], { cwd: root }).stdout.toString().trim();
  env = {
    PATH: readersPath(),
    HOME: home,
    XDG_STATE_HOME: join(home, "state"),
    TMPDIR: home,
    npm_config_cache: join(home, "npm"),
    BUN_INSTALL_CACHE_DIR: cache,
    NO_COLOR: "1",
    DCHAT_RELAY_LISTEN: "127.0.0.1:0",
    DCHAT_RELAY_API_LISTEN: "127.0.0.1:0",
    DCHAT_RELAY_METRICS_LISTEN: "127.0.0.1:0",
  };
}, 120_000);

afterAll(async () => {
  if (home !== "") await rm(home, { recursive: true, force: true });
});

test.skipIf(!hasNpx)(
  "README's commands do what README says",
  async () => {
    const all = await blocks();
    const [relayCommand = "", testCommand = "", ...rest] = all;
    expect(relayCommand.trim()).toBe("npx -y bun@1.4.5 run relay");
    expect(testCommand.trim()).toBe("npx -y bun@1.4.5 run test");

    const relay = Bun.spawn(["bash", "-c", relayCommand], {
      cwd: checkout,
      env,
      stdout: "pipe",
      stderr: "pipe",
    });
    const { pid } = await relayFile(relay);
    try {
      const script = `set -euo pipefail\n${rest.join("\n")}`;
      const run = Bun.spawn(["bash", "-c", script], {
        cwd: checkout,
        env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, problems, code] = await Promise.all([
        new Response(run.stdout).text(),
        new Response(run.stderr).text(),
        run.exited,
      ]);
      expect({ code, problems: code === 0 ? "" : problems }).toEqual({ code: 0, problems: "" });
      expect(out).toContain("Hello Ann, this is Bob.");
      expect(out).toContain("Hello Bob! I read you.");
      const safety = [...out.matchAll(/safety number((?:\s+\d{5}){12})/g)].map((match) =>
        match[1]?.replaceAll(/\s+/g, " "),
      );
      expect(safety.length).toBeGreaterThanOrEqual(2);
      expect(new Set(safety).size).toBe(1);
    } finally {
      process.kill(pid, "SIGTERM");
      await relay.exited;
    }
    expect(await Bun.file(join(home, "state/dchat/relay/relay.json")).exists()).toBe(false);
  },
  240_000,
);
