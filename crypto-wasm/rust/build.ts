/**
 * Builds crypto-wasm/wasm/{wide,portable}.wasm from this crate, byte for byte the same wherever the toolchain is
 * the same, and writes wasm.lock.json beside them: the hashes of the sources and of the results, the versions of
 * the tools.
 *
 *     bun run wasm           builds and writes
 *     bun run wasm --check   builds beside and compares
 *     bun run wasm --tools   prints the packages in the lock's versions, as apt-get install takes them
 *
 * Tools, from Debian: rustc-web, cargo-web, rust-web-src, lld-22, libllvm22; and `patch`. Where other versions are
 * installed than the lock names, a check fails if apt offers those, and says how to get them; if it doesn't, nothing
 * can be built to compare with, and the check says so and holds the committed files to the hashes in the lock.
 *
 * curve25519-dalek comes from the registry by the checksum in Cargo.lock and is built with curve25519-dalek.patch
 * upon it: the same formulas, arranged for what WebAssembly engines make of them. docs/decision/crypto-backends.md
 * says what is in it and why.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";

const CRATE = import.meta.dirname;
const OUT = join(CRATE, "..", "wasm");
const LOCK = join(OUT, "wasm.lock.json");
const PATCHED = "curve25519-dalek";
const PATCH = `${PATCHED}.patch`;
/** libLLVM generates the code of both the compiler and, for LTO, the linker. */
const PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "lld-22", "libllvm22"] as const;
/** WebAssembly never gives memory back: a bound keeps a mistake from taking the machine. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;
/** The deepest operation uses a quarter of it; what is here is wiped after each use of a secret. */
const STACK_BYTES = 256 * 1024;

/**
 * The two builds. Wide arithmetic makes 64-bit limbs the fastest there are; without it they are the slowest, and
 * 32-bit limbs are what remains. Both use SIMD, which every engine of today has.
 */
const BUILDS = {
  wide: { features: "+wide-arithmetic,+simd128", bits: 64, args: ["--features", "wide"] },
  portable: { features: "+simd128", bits: 32, args: [] },
} as const;
type Build = keyof typeof BUILDS;

interface Lock {
  readonly sources: Readonly<Record<string, string>>;
  readonly toolchain: Readonly<Record<string, string>>;
  readonly wasm: Readonly<Record<Build, string>>;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The hash of every file that the result depends on, by its path in the crate. */
export function sourceHashes(): Record<string, string> {
  const sources = readdirSync(join(CRATE, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(CRATE, join(entry.parentPath, entry.name)));
  // Not there as it stands; one that appears changes what is built.
  const settings = [".cargo/config.toml", ".cargo/config"].filter((file) => existsSync(join(CRATE, file)));
  const files = ["Cargo.toml", "Cargo.lock", "build.ts", PATCH, ...settings, ...sources].sort();
  return Object.fromEntries(files.map((file) => [file, sha256(readFileSync(join(CRATE, file)))]));
}

/** What the lock says. */
export function readLock(): Lock {
  return JSON.parse(readFileSync(LOCK, "utf8"));
}

/** The environment without what steers cargo and rustc, but for where the registry's crates lie. */
export function cleared(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => name === "CARGO_HOME" || !/^(CARGO|RUST)/.test(name)),
  );
}

function run(command: readonly string[], env: Record<string, string | undefined> = {}): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd: CRATE,
    env: { ...cleared(process.env), ...env },
  });
  if (exitCode !== 0) throw new Error(`${command.join(" ")} failed:\n${stderr.toString()}`);
  return stdout.toString();
}

/** The installed version of each tool, "none" where it is missing. */
function toolchain(): Record<string, string> {
  return Object.fromEntries(
    PACKAGES.map((name) => {
      const found = Bun.spawnSync(["dpkg-query", "-W", "-f", "${Version}", name], {
        env: { ...process.env, LC_ALL: "C" },
      });
      return [name, found.exitCode === 0 ? found.stdout.toString().trim() : "none"];
    }),
  );
}

/** What every call of cargo gets: Debian's compiler, and nothing of the surroundings. */
const TOOLS = {
  RUSTC: "/usr/bin/rustc",
  RUSTC_BOOTSTRAP: "1",
};

/** The profile of Cargo.toml, once more: a command's own settings go before those of any file around the crate. */
const PROFILE = [
  "opt-level=3",
  'lto="fat"',
  "codegen-units=1",
  'panic="abort"',
  "strip=true",
  "debug=false",
  "debug-assertions=false",
  "overflow-checks=false",
  "incremental=false",
].map((setting) => `--config=profile.release.${setting}`);

/**
 * Lays a patched copy of the curve library below the crate, in its locked version, and returns its path. Not elsewhere:
 * cargo hashes the path of a crate into its symbols, and within the crate it is the same on every machine.
 */
function patchedCurve(): string {
  const metadata: { packages: { name: string; version: string; manifest_path: string }[] } = JSON.parse(
    run(["/usr/bin/cargo", "metadata", "--locked", "--format-version=1"], TOOLS),
  );
  const found = metadata.packages.find(({ name }) => name === PATCHED);
  if (found === undefined) throw new Error(`Cargo.lock has no ${PATCHED}`);
  const copy = join(CRATE, "target", `${PATCHED}-${found.version}`);
  rmSync(copy, { recursive: true, force: true });
  cpSync(dirname(found.manifest_path), copy, { recursive: true });
  run([
    "patch",
    "--quiet",
    "--fuzz=0",
    "--no-backup-if-mismatch",
    "-p1",
    "-d",
    copy,
    "-i",
    join(CRATE, PATCH),
  ]);
  return copy;
}

function compile(build: Build): Uint8Array {
  const { features, bits, args } = BUILDS[build];
  const curve = patchedCurve();
  const target = join(tmpdir(), "dchat-wasm", build);
  mkdirSync(target, { recursive: true });
  const home = process.env["CARGO_HOME"] ?? join(homedir(), ".cargo");
  const flags = [
    `-Ctarget-feature=${features}`,
    "-Clinker=/usr/bin/wasm-ld-22",
    `-Clink-arg=-zstack-size=${STACK_BYTES}`,
    `-Clink-arg=--max-memory=${MEMORY_BYTES_MAX}`,
    // The stack grows down from here to address 0: the loader wipes it after secrets.
    "-Clink-arg=--export=__stack_pointer",
    `--cfg=curve25519_dalek_bits="${bits}"`,
    `--cfg=curve25519_dalek_backend="serial"`,
    // No path of the machine that builds reaches the result.
    "-Zlocation-detail=none",
    `--remap-path-prefix=${home}=/cargo`,
    `--remap-path-prefix=${CRATE}=/src`,
    `--remap-path-prefix=${target}=/target`,
  ];
  run(
    [
      "/usr/bin/cargo",
      "build",
      "--locked",
      "--release",
      "--target=wasm32-unknown-unknown",
      "-Zbuild-std=core,alloc,compiler_builtins",
      // The locked crate stays what Cargo.lock names; only where its source is read from changes.
      `--config=paths=[${JSON.stringify(curve)}]`,
      ...PROFILE,
      ...args,
    ],
    {
      ...TOOLS,
      CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f"),
      CARGO_TARGET_DIR: target,
      CARGO_INCREMENTAL: "0",
      SOURCE_DATE_EPOCH: "0",
    },
  );
  return readFileSync(join(target, "wasm32-unknown-unknown", "release", "dchat_crypto.wasm"));
}

function write(): void {
  const wide = compile("wide");
  const portable = compile("portable");
  writeFileSync(join(OUT, "wide.wasm"), wide);
  writeFileSync(join(OUT, "portable.wasm"), portable);
  const lock: Lock = {
    sources: sourceHashes(),
    toolchain: toolchain(),
    wasm: { wide: sha256(wide), portable: sha256(portable) },
  };
  writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`wide ${wide.length} bytes, portable ${portable.length} bytes, ${relative(".", LOCK)} written`);
}

/** The versions of a package that apt offers. */
function offered(name: string): string[] {
  if (!existsSync("/usr/bin/apt-cache")) return [];
  const listed = run(["apt-cache", "madison", name]);
  return listed.split("\n").flatMap((line) => line.split("|")[1]?.trim() ?? []);
}

/** The lock's tools as apt-get install takes them. */
function pinned(lock: Lock, names: readonly string[] = PACKAGES): string {
  return names.map((name) => `${name}=${lock.toolchain[name]}`).join(" ");
}

/**
 * Says which tools are others than the lock's, and whether that is a failure: it is where apt offers the lock's, so
 * that nothing but an installation stands between here and a comparison.
 */
export function judgeTools(
  lock: Pick<Lock, "toolchain">,
  here: Readonly<Record<string, string>>,
  offer: (name: string) => readonly string[],
): { readonly same: boolean; readonly fails: boolean; readonly lines: readonly string[] } {
  const other = PACKAGES.filter((name) => here[name] !== lock.toolchain[name]);
  const lines = other.map((name) => {
    const versions = offer(name);
    const all = versions.length === 0 ? "none" : versions.join(", ");
    return `${name}: the .wasm was built by ${lock.toolchain[name]}; installed: ${here[name]}; apt offers: ${all}`;
  });
  const fails = other.length > 0 && other.every((name) => offer(name).includes(lock.toolchain[name] ?? ""));
  return { same: other.length === 0, fails, lines };
}

/** Whether the sources are those of the committed .wasm, and a build from them gives the same bytes. */
function check(): boolean {
  const lock = readLock();
  const stale = JSON.stringify(sourceHashes()) !== JSON.stringify(lock.sources);
  if (stale) console.error("A source changed since the .wasm was built: run `bun run wasm` and commit.");
  const tools = judgeTools(lock, toolchain(), offered);
  for (const line of tools.lines) console.log(line);
  if (tools.fails) console.error(`Install the lock's tools, so that it can be compared: ${pinned(lock)}`);
  else if (!tools.same)
    console.log("Not rebuilt: apt doesn't offer the lock's tools. Held to the lock's hashes.");
  const differing = (["wide", "portable"] as const).filter((build) => {
    const committed = sha256(readFileSync(join(OUT, `${build}.wasm`)));
    const built = tools.same ? sha256(compile(build)) : lock.wasm[build];
    console.log(`${build}: ${tools.same ? "built" : "locked"} ${built}, committed ${committed}`);
    return built !== committed || built !== lock.wasm[build];
  });
  for (const build of differing) console.error(`${build}.wasm is not what its sources build to.`);
  return !stale && !tools.fails && differing.length === 0;
}

if (import.meta.main) {
  if (process.argv.includes("--check")) process.exitCode = check() ? 0 : 1;
  else if (process.argv.includes("--tools")) console.log(pinned(readLock()));
  else write();
}
