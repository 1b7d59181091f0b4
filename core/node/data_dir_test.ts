import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFault } from "../ground/mod.ts";
import {
  defaultRelayDir,
  defaultUserDir,
  findRelay,
  openDataDir,
  publishRelay,
  shareDataDir,
} from "./data_dir.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "dchat-dir-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Another process that holds `path` and says so. */
async function holder(path: string): Promise<Bun.Subprocess<"ignore", "pipe", "inherit">> {
  const code = `import { openDataDir } from ${JSON.stringify(join(import.meta.dir, "data_dir.ts"))};
    globalThis.dir = openDataDir(${JSON.stringify(path)});
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", code], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  return child;
}

function refusal(path: string): string {
  try {
    openDataDir(path)[Symbol.dispose]();
  } catch (error) {
    return isFault(error) ? `${error.code} ${error.message}` : String(error);
  }
  return "opened";
}

describe("openDataDir()", () => {
  test("refuses a directory that its owner has shut against writing, and leaves its mode", () => {
    const path = join(folder, "shut");
    mkdirSync(path);
    for (const mode of [0o555, 0o500]) {
      chmodSync(path, mode);
      expect(refusal(path)).toContain(
        `its mode is ${mode.toString(8)}, which keeps even its owner from writing`,
      );
      expect(statSync(path).mode & 0o777).toBe(mode);
    }
  });

  test("makes the directory with mode 0700, and shuts one that is open", () => {
    using made = openDataDir(join(folder, "a/b"));
    expect(statSync(made.path).mode & 0o777).toBe(0o700);
    mkdirSync(join(folder, "wide"));
    chmodSync(join(folder, "wide"), 0o755);
    using shut = openDataDir(join(folder, "wide"));
    expect(statSync(shut.path).mode & 0o777).toBe(0o700);
  });

  test("leaves the mode of a directory alone that others use for something else, and refuses it", () => {
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, "lock"), "");
    openDataDir(folder)[Symbol.dispose]();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    chmodSync(folder, 0o1777);
    writeFileSync(join(folder, "somebody's"), "");
    expect(refusal(folder)).toBe(
      `data/unusable Cannot use the data directory ${folder}: it holds other things (somebody's), and others may read it: its mode is 777, expected 700`,
    );
    expect(statSync(folder).mode & 0o7777).toBe(0o1777);
    chmodSync(folder, 0o700);
    expect(refusal(folder)).toBe("opened");
  });

  test("refuses a second process and names the first one's pid", async () => {
    const child = await holder(folder);
    try {
      expect(refusal(folder)).toBe(
        `data/locked Cannot use the data directory ${folder}: another process (pid ${child.pid}) works in it`,
      );
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test("opens at once what a killed process held, and removes the relay.json it left", async () => {
    const child = await holder(folder);
    writeFileSync(join(folder, "relay.json"), "{}");
    child.kill("SIGKILL");
    await child.exited;
    expect(existsSync(join(folder, "lock.pid"))).toBe(true);
    using dir = openDataDir(folder);
    expect(existsSync(join(dir.path, "relay.json"))).toBe(false);
  });

  test("is not misled by a pid file that names a living process", () => {
    writeFileSync(join(folder, "lock.pid"), `${process.ppid}\n`);
    expect(refusal(folder)).toBe("opened");
  });

  test("refuses a second time within one process, and opens again once let go", () => {
    const first = openDataDir(folder);
    expect(refusal(folder)).toContain(`pid ${process.pid}`);
    first[Symbol.dispose]();
    expect(refusal(folder)).toBe("opened");
    expect(readdirSync(folder)).toEqual(["lock"]);
  });

  test("says what is wrong with a path that is no directory", () => {
    writeFileSync(join(folder, "file"), "");
    for (const path of ["file", "file/below"]) {
      expect(refusal(join(folder, path))).toBe(
        `data/unusable Cannot use the data directory ${folder}/${path}: it is a file, or below one`,
      );
    }
  });
});

describe("publishRelay()", () => {
  const relay = {
    pid: 1,
    peerId: "12D3KooW",
    addresses: ["/ip4/127.0.0.1/tcp/7070/p2p/12D3KooW"],
    api: "http://127.0.0.1:8080",
    metrics: "http://127.0.0.1:9090/metrics",
  };

  test("is found by findRelay until it is disposed of", () => {
    using dir = openDataDir(folder);
    const published = publishRelay(dir, relay);
    expect(findRelay(folder)).toEqual(relay);
    expect(statSync(join(folder, "relay.json")).mode & 0o777).toBe(0o600);
    published[Symbol.dispose]();
    expect(() => findRelay(folder)).toThrow(/No relay runs on/);
  });

  test("leaves no other file behind, and nobody reads half of one", () => {
    using dir = openDataDir(folder);
    for (let at = 0; at < 20; at++) {
      using _ = publishRelay(dir, { ...relay, pid: at });
      expect(findRelay(folder).pid).toBe(at);
    }
    expect(readdirSync(folder).sort()).toEqual(["lock", "lock.pid"]);
  });
});

test("default directories follow XDG_STATE_HOME where it is absolute, else the home directory", () => {
  expect(defaultRelayDir({ XDG_STATE_HOME: "/x", HOME: "/h" })).toBe("/x/dchat/relay");
  expect(defaultRelayDir({ XDG_STATE_HOME: "x", HOME: "/h" })).toBe("/h/.local/state/dchat/relay");
  expect(defaultUserDir({ HOME: "/h" }, "abc")).toBe("/h/.local/state/dchat/user/abc");
});

describe("shareDataDir()", () => {
  test("lets others share and nobody take the directory, and changes nothing in it", () => {
    openDataDir(folder)[Symbol.dispose]();
    const before = readdirSync(folder);
    {
      using first = shareDataDir(folder);
      using second = shareDataDir(folder);
      expect([first.holder, second.holder]).toEqual([null, null]);
      expect(refusal(folder)).toContain("data/locked");
      expect(readdirSync(folder)).toEqual(before);
    }
    expect(refusal(folder)).toBe("opened");
  });

  test("says who has it for himself, in another process too", async () => {
    const child = await holder(folder);
    using shared = shareDataDir(folder);
    expect(shared.holder).toBe(`another process (pid ${child.pid}) works in ${folder}`);
    child.kill("SIGKILL");
    await child.exited;
    using after = shareDataDir(folder);
    expect(after.holder).toBeNull();
  });

  test("makes nothing where nobody has worked", () => {
    using shared = shareDataDir(join(folder, "none"));
    expect(shared.holder).toBeNull();
    expect(readdirSync(folder)).toEqual([]);
  });
});
