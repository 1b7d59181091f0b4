/** `dchat database` as scripts and operators meet it: what it says where a disk, a pipe or a folder refuses. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dirOf, fill, openPlaces, type Places } from "../core/node/database/_kit.ts";
import { canMount, isRoot, mountTmpfs } from "../test/durability/mount.ts";
import { dchatCommand, runDchat } from "../test/harness/dchat.ts";
import { requireOrSkip } from "../test/harness/require.ts";

const NOT_FORESEEN = "This was not foreseen";
const folder = mkdtempSync(join(tmpdir(), "dchat-database-cli-"));
const backup = join(folder, "backup.jsonl");
let places: Places;
/** The data directory of a relay on SQLite. */
let relay: string;

beforeAll(async () => {
  places = await openPlaces();
  const here = await places.place("sqlite");
  relay = dirOf(here);
  for (let count = 0; count < 20; count++) await fill(here);
  const made = await database("backup", backup, "--data-dir", relay);
  expect([made.code, made.err]).toEqual([0, ""]);
});
afterAll(async () => {
  await places[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function database(...args: string[]) {
  return runDchat(["database", ...args]);
}

/** Runs a line of shell in which `$dchat` is the command; returns what went to standard error, and `$?` behind it. */
async function shell(line: string, by: readonly string[] = []): Promise<string> {
  const [bun, script] = dchatCommand;
  const child = Bun.spawn([...by, "sh", "-c", `dchat() { '${bun}' '${script}' "$@"; }; ${line}`], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  return await new Response(child.stderr).text();
}

describe("dchat database export", () => {
  const exporting = () => `dchat database export --data-dir '${relay}'`;

  test("says that it is incomplete, and exits 1, where its reader has gone", async () => {
    expect(await shell(`{ ${exporting()}; echo "exit $?" >&2; } | true`)).toBe(
      "error  Cannot write the export: whoever reads it has gone before its end, and what came by then is incomplete\n" +
        "exit 1\n",
    );
  });

  test("leaves the database that it came from in use until the import is done", async () => {
    const { code, err } = await database("export", "--data-dir", relay);
    expect([code, err]).toEqual([
      0,
      expect.stringMatching(
        /^Exported \d+ records. Once they are imported elsewhere, never start a relay on this database again; until then it is the only one.\n$/,
      ),
    ]);
  });

  test("names standard output, and says what to do, where the disk behind it is full", async () => {
    const said = await shell(`${exporting()} > /dev/full; echo "exit $?" >&2`);
    expect(said).toContain("Cannot write to standard output: no space is left there\n       Make room there");
    expect(said).toEndWith("exit 1\n");
  });
});

describe("dchat database", () => {
  test("names the file of a backup that can't be written, and its folder where there is none", async () => {
    const missing = await database("backup", join(folder, "no/such/x"), "--data-dir", relay);
    expect(missing.err).toContain(`Cannot write ${join(folder, "no/such/x")}: there is no folder`);
    writeFileSync(join(folder, "plain"), "");
    const below = await database("backup", join(folder, "plain/x"), "--data-dir", relay);
    expect(below.err).toContain(
      `Cannot write ${join(folder, "plain/x")}: what should be its folder is a file`,
    );
    for (const { code, err } of [missing, below])
      expect([code, err.includes(NOT_FORESEEN)]).toEqual([1, false]);
  });

  test("names what it can't read", async () => {
    const to = join(folder, "other");
    const missing = await database("restore", join(folder, "none"), "--data-dir", to);
    expect(missing.err).toStartWith(`error  Cannot read ${join(folder, "none")}: there is no such file\n`);
    const isFolder = await database("restore", folder, "--data-dir", to);
    expect(isFolder.err).toStartWith(`error  Cannot read ${folder}: it is a folder\n`);
    const said = await shell(`dchat database import --data-dir '${to}' < '${folder}'`);
    expect(said).toStartWith("error  Cannot read standard input: it is a folder\n");
  });
});

/** Makes a user of root whom modes keep out as anybody else. */
const plainly = isRoot() ? ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] : [];
const canBePlain = !isRoot() || Bun.which("setpriv") !== null;

describe.skipIf(!requireOrSkip("setpriv, for a root whom modes keep out", canBePlain))(
  "dchat database where modes keep it out",
  () => {
    const denied = (path: string) =>
      `error  Cannot open ${path}: permission denied\n` +
      "       Do it as the user whose it is, or change its owner or mode, or its folder's.\n";

    test("says that it may not look, and not that nothing is there", async () => {
      const dir = dirOf(await places.place("sqlite"));
      chmodSync(dir, 0);
      try {
        for (const how of ["status", "check", "export"]) {
          const said = await shell(`dchat database ${how} --data-dir '${dir}'`, plainly);
          expect([how, said]).toEqual([how, denied(join(dir, "relay.sqlite"))]);
        }
        const health = await shell(`dchat health --relay-dir '${dir}' >&2`, plainly);
        expect(health).toBe(`unhealthy  ${dir}: its relay.json can't be read\n`);
      } finally {
        chmodSync(dir, 0o700);
      }
    });

    test("says so of a device's database as well", async () => {
      const [key, dir] = [join(folder, "ann.json"), join(folder, "ann")];
      await runDchat(["keygen", "--burner", "--output", key]);
      await runDchat(["user", "contacts", "--identity", key, "--data-dir", dir]);
      chmodSync(join(dir, "device.db"), 0);
      const said = await shell(`dchat user contacts --identity '${key}' --data-dir '${dir}'`, plainly);
      expect(said).toContain(
        `Cannot open the device's database ${join(dir, "device.db")}: permission denied\n`,
      );
    });

    test("says that it may not open the file, in SQLite's place", async () => {
      const here = await places.place("sqlite");
      await fill(here);
      const file = join(dirOf(here), "relay.sqlite");
      chmodSync(file, 0);
      const said = await shell(`dchat database check --data-dir '${dirOf(here)}'`, plainly);
      expect(said).toBe(denied(file));
      chmodSync(join(dirOf(here), "lock"), 0);
      const locked = await shell(`dchat database migrate --data-dir '${dirOf(here)}'`, plainly);
      expect(locked).toStartWith(`error  Cannot use the data directory ${dirOf(here)}: permission denied\n`);
    });
  },
);

describe("dchat database check", () => {
  test("says that there is none below a file", async () => {
    const { code, err } = await database("check", "--data-dir", backup);
    expect([code, err]).toEqual([
      1,
      `error  There is no database at ${join(backup, "relay.sqlite")}: no relay has run on it yet\n`,
    ]);
  });
});

describe.skipIf(!requireOrSkip("a full disk (root, to mount a tmpfs with a size)", canMount()))(
  "dchat database on a full disk",
  () => {
    test.each(["restore", "import"])("%s names the store, and leaves it as it was", async (how) => {
      using disk = mountTmpfs(4);
      const filler = join(disk.path, "filler");
      writeFileSync(filler, new Uint8Array(3584 * 1024));
      const dir = join(disk.path, "relay");
      const from = join(folder, "export.jsonl");
      if (!existsSync(from)) await shell(`dchat database export --data-dir '${relay}' > '${from}'`);
      const line =
        how === "restore"
          ? `restore '${backup}' --data-dir '${dir}'`
          : `import --data-dir '${dir}' < '${from}'`;
      const said = await shell(`dchat database ${line}; echo "exit $?" >&2`);
      expect(said).toBe(
        `error  Cannot fill ${join(dir, "relay.sqlite")}: the disk is full\n` +
          "       Make room there, or choose another place, then do it again.\nexit 1\n",
      );
      expect(readdirSync(dir)).toEqual(["lock"]);
      rmSync(filler);
      const again = await shell(`dchat database ${line}; echo "exit $?" >&2`);
      const moved = "never again on the one that it came from.\n";
      expect(again).toEndWith(how === "import" ? `${moved}exit 0\n` : "exit 0\n");
      expect(again.includes(moved)).toBe(how === "import");
    });

    test("backup names its file, and leaves nothing", async () => {
      using disk = mountTmpfs(1);
      writeFileSync(join(disk.path, "filler"), new Uint8Array(1000 * 1024));
      const file = join(disk.path, "backup.jsonl");
      const { code, err } = await database("backup", file, "--data-dir", relay);
      expect([code, err]).toEqual([
        1,
        `error  Cannot write ${file}: no space is left there\n       Make room there, or choose another place, then do it again.\n`,
      ]);
      expect(readdirSync(disk.path)).toEqual(["filler"]);
    });
  },
);
