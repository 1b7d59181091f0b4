/**
 * Builds the Go and Rust programs that tests and benchmarks run beside dchat. Everything lands inside the
 * checkout, under node_modules/.cache; toolchains that are missing give null, and the caller says what it skips.
 */
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const cache = join(root, "node_modules/.cache/dchat");

async function run(command: readonly string[], cwd: string, env: Record<string, string>): Promise<void> {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, problems] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`${command.join(" ")} in ${cwd} failed with ${code}:\n${problems}`);
}

/** Builds the Go program in `folder` (from the checkout's root); its path, or null where Go is missing. */
export async function buildGo(folder: string): Promise<string | null> {
  const go = Bun.which("go");
  if (go === null) return null;
  const output = join(cache, "bin", folder.replaceAll("/", "-"));
  await run([go, "build", "-trimpath", "-o", output, "."], join(root, folder), {
    GOPATH: join(cache, "go"),
    GOCACHE: join(cache, "go-build"),
    GOFLAGS: "-mod=readonly -modcacherw",
  });
  return output;
}

/** Builds the Rust program in `folder`, whose package is named `name`; its path, or null where Cargo is missing. */
export async function buildRust(folder: string, name: string): Promise<string | null> {
  const cargo = Bun.which("cargo");
  if (cargo === null) return null;
  const target = join(cache, "cargo-target", folder.replaceAll("/", "-"));
  await run([cargo, "build", "--release", "--locked", "--quiet"], join(root, folder), {
    CARGO_HOME: join(cache, "cargo"),
    CARGO_TARGET_DIR: target,
  });
  return join(target, "release", name);
}
