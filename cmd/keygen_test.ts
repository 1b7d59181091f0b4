import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDchat } from "../test/harness/dchat.ts";
import { requireOrSkip } from "../test/harness/require.ts";

const folder = mkdtempSync(join(tmpdir(), "dchat-keygen-"));
const at = (name: string): string => join(folder, name);
const keygen = (...args: string[]) => runDchat(["keygen", ...args]);

beforeAll(async () => {
  writeFileSync(at("pass"), "correct horse\n");
  writeFileSync(at("other"), "battery staple\n");
  const made = await keygen("--output", at("id.json"), "--passphrase-file", at("pass"));
  expect(made).toMatchObject({ code: 0, err: "" });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function publicKeyOf(file: string): Promise<string> {
  const { out } = await keygen("inspect", file, "--json");
  return JSON.parse(out).publicKey;
}

describe("dchat keygen", () => {
  test("makes a file of mode 0600 that shows only public parts, in a folder of mode 0700", async () => {
    const { code, out } = await keygen("-o", at("deep/er/burner.json"), "--burner", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ type: "identity", sealed: false, version: 1 });
    expect(statSync(at("deep/er/burner.json")).mode & 0o777).toBe(0o600);
    expect(statSync(at("deep/er")).mode & 0o777).toBe(0o700);
  });

  test("refuses -o= with exit 2, and makes no file called =", async () => {
    const dir = at("cwd");
    mkdirSync(dir);
    const { code, err } = await runDchat(["keygen", "-o=", "--burner"], { cwd: dir });
    expect(code).toBe(2);
    expect(err).toContain("write -o FILE or --output=FILE");
    expect(readdirSync(dir)).toEqual([]);
  });

  test("says of a burner that it is unencrypted", async () => {
    const { err } = await keygen("-o", at("burner.json"), "--burner");
    expect(err).toContain(`unencrypted  ${at("burner.json")} is a burner`);
  });

  test("never replaces a file without --force, and asks for nothing before saying so", async () => {
    const before = readFileSync(at("id.json"), "utf8");
    const refused = await keygen("-o", at("id.json"));
    expect(refused.code).toBe(1);
    expect(refused.err).toContain("is there already");
    expect(readFileSync(at("id.json"), "utf8")).toBe(before);
    writeFileSync(at("forced.json"), before, { mode: 0o600 });
    expect((await keygen("-o", at("forced.json"), "--burner", "--force")).code).toBe(0);
    expect(readFileSync(at("forced.json"), "utf8")).not.toBe(before);
  });

  test("replaces nothing but a file, with --force either", async () => {
    const pipe = at("pipe");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    symlinkSync(at("burner.json"), at("link"));
    for (const [path, what] of [
      [pipe, "a device, pipe or socket"],
      [at("link"), "a link"],
      [folder, "a folder"],
    ] as const) {
      const was = lstatSync(path).mode;
      for (const more of [[], ["--force"]]) {
        const made = await keygen("-o", path, "--burner", ...more);
        expect(made.code).toBe(1);
        expect(made.err).toContain(`Cannot write the key file ${path}: it is ${what}`);
        const exported = await keygen("export", at("burner.json"), "-o", path, ...more);
        expect(exported.err).toContain(`it is ${what}`);
      }
      expect(lstatSync(path).mode).toBe(was);
    }
  });

  test("exits 2 and names all three ways where there is no passphrase and no terminal", async () => {
    const { code, err } = await keygen("-o", at("none.json"));
    expect(code).toBe(2);
    for (const way of ["--passphrase-file", "DCHAT_PASSPHRASE_FILE", "/dev/tty"]) expect(err).toContain(way);
    expect(existsSync(at("none.json"))).toBe(false);
  });

  test("takes the passphrase's file from DCHAT_PASSPHRASE_FILE, under the flag", async () => {
    const env = { DCHAT_PASSPHRASE_FILE: at("other") };
    await runDchat(["keygen", "-o", at("env.json")], { env });
    const rewrapped = ["keygen", "rewrap", at("env.json"), "--burner"];
    expect((await runDchat([...rewrapped, "--passphrase-file", at("pass")], { env })).code).toBe(1);
    expect((await runDchat(rewrapped, { env })).code).toBe(0);
  });

  test("refuses an empty passphrase and a passphrase for a burner", async () => {
    writeFileSync(at("empty"), "\n");
    expect((await keygen("-o", at("x.json"), "--passphrase-file", at("empty"))).code).toBe(2);
    expect((await keygen("-o", at("x.json"), "--passphrase-file", at("nowhere"))).code).toBe(2);
    expect((await keygen("-o", at("x.json"), "--burner", "--passphrase-file", at("pass"))).code).toBe(2);
    expect(existsSync(at("x.json"))).toBe(false);
  });

  test.each([
    ["a wrong passphrase", (text: string) => text, "other", "The passphrase does not open this key file"],
    ["a cut file", (text: string) => text.slice(0, -40), "pass", "This key file is cut off"],
    [
      "a changed header",
      (text: string) => text.replace('"identity"', '"relay"'),
      "pass",
      "was changed or damaged",
    ],
    [
      "a newer version",
      (text: string) => text.replace('"version": 1', '"version": 9'),
      "pass",
      "has version 9, and this dchat knows versions to 1",
    ],
    ["something else", () => "hello", "pass", "This is not a dchat key file"],
  ])("refuses %s by an error of its own", async (_, change, passphrase, message) => {
    writeFileSync(at("bad.json"), change(readFileSync(at("id.json"), "utf8")), { mode: 0o600 });
    const out = at("never.pem");
    const { code, err } = await keygen(
      "export",
      at("bad.json"),
      "-o",
      out,
      "--passphrase-file",
      at(passphrase),
    );
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).toContain(at("bad.json"));
    expect(existsSync(out)).toBe(false);
  });

  test("import names the file that is no PEM", async () => {
    writeFileSync(at("junk.pem"), "junk", { mode: 0o600 });
    const { code, err } = await keygen("import", at("junk.pem"), "-o", at("junk.json"), "--burner");
    expect([code, err]).toEqual([
      1,
      expect.stringContaining(`Cannot read ${at("junk.pem")}: Expected a PEM`),
    ]);
  });

  test("inspect names the file that it can't read", async () => {
    writeFileSync(at("cut.json"), readFileSync(at("id.json")).subarray(0, 100), { mode: 0o600 });
    const { code, err } = await keygen("inspect", at("cut.json"));
    expect([code, err]).toEqual([
      1,
      expect.stringContaining(`Cannot read ${at("cut.json")}: This key file is cut`),
    ]);
  });

  test("refuses a key file that others may read, and says how to mend it", async () => {
    writeFileSync(at("open.json"), readFileSync(at("id.json")), { mode: 0o600 });
    chmodSync(at("open.json"), 0o644);
    const { code, err } = await keygen("inspect", at("open.json"));
    expect(code).toBe(1);
    expect(err).toContain(`its mode is 644, expected 600 (chmod 600 ${at("open.json")})`);
  });
});

describe("dchat keygen rewrap", () => {
  test("keeps the key, takes the new passphrase and no longer the old one", async () => {
    const file = at("wrapped.json");
    writeFileSync(file, readFileSync(at("id.json")), { mode: 0o600 });
    const files = ["--passphrase-file", at("pass"), "--new-passphrase-file", at("other")];
    expect((await keygen("rewrap", file, ...files)).code).toBe(0);
    expect(await publicKeyOf(file)).toBe(await publicKeyOf(at("id.json")));
    expect((await keygen("rewrap", file, ...files)).err).toContain("The passphrase does not open");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("locks the file that a link leads to, and leaves the link one", async () => {
    const [link, file] = [at("link.json"), at("vault.json")];
    await keygen("-o", file, "--burner");
    symlinkSync(file, link);
    expect((await keygen("rewrap", link, "--new-passphrase-file", at("other"))).code).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(file, "utf8")).not.toContain('"burner"');
  });

  test("says where it looked for a database and found none, and what that means", async () => {
    const [file, dir] = [at("device.json"), at("device")];
    await keygen("-o", file, "--passphrase-file", at("pass"));
    const device = ["--identity", file, "--data-dir", dir];
    const openBy = (name: string) =>
      runDchat(["user", "conversations", ...device, "--passphrase-file", at(name)]);
    expect((await openBy("pass")).code).toBe(0);
    const change = (from: string, to: string, ...more: string[]) =>
      runDchat(
        ["keygen", "rewrap", file, "--passphrase-file", at(from), "--new-passphrase-file", at(to), ...more],
        { env: { XDG_STATE_HOME: folder } },
      );
    const lone = await change("pass", "other");
    expect(lone.err).toMatch(/no device's database at .*device\.db/);
    expect((await openBy("other")).err).toContain("sealed under a former one");
    // As it says.
    expect((await change("other", "pass")).code).toBe(0);
    const both = await change("pass", "other", "--data-dir", dir);
    expect([both.code, both.err.includes("no device's database")]).toEqual([0, false]);
    expect((await openBy("other")).code).toBe(0);
  });
});

describe("dchat keygen export and import", () => {
  test("bring the same key back, and openssl reads what is between", async () => {
    const pem = at("id.pem");
    expect((await keygen("export", at("id.json"), "-o", pem, "--passphrase-file", at("pass"))).code).toBe(0);
    expect(statSync(pem).mode & 0o777).toBe(0o600);
    expect((await keygen("import", pem, "-o", at("back.json"), "--burner")).code).toBe(0);
    expect(await publicKeyOf(at("back.json"))).toBe(await publicKeyOf(at("id.json")));
    const openssl = Bun.which("openssl");
    if (!requireOrSkip("openssl", openssl !== null) || openssl === null) return;
    const read = Bun.spawnSync([openssl, "pkey", "-in", pem, "-pubout", "-outform", "DER"]);
    expect(read.stdout.subarray(-32).toString("hex")).toBe(await publicKeyOf(at("id.json")));
  });
});

describe("the prompt", () => {
  // util-linux's script gives a command a terminal of its own.
  const script = Bun.which("script");

  async function typed(args: readonly string[], input: string): Promise<{ code: number; screen: string }> {
    const command = [process.execPath, join(import.meta.dir, "dchat.ts"), ...args]
      .map((word) => `'${word}'`)
      .join(" ");
    const child = Bun.spawn([script ?? "", "-qec", command, "/dev/null"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    let screen = "";
    const decoder = new TextDecoder();
    const lines = input.split("\n").slice(0, -1);
    for await (const chunk of child.stdout) {
      screen += decoder.decode(chunk, { stream: true });
      const asked = screen.split(": ").length - 1;
      const line = asked > 0 ? lines[asked - 1] : undefined;
      if (line !== undefined && screen.endsWith(": ")) {
        await child.stdin.write(`${line}\r`);
        await child.stdin.flush();
      }
    }
    await child.stdin.end();
    return { code: await child.exited, screen };
  }

  test("asks on the terminal twice, shows nothing of what is typed, and the file opens by it", async () => {
    if (!requireOrSkip("a terminal (script)", script !== null)) return;
    const file = at("typed.json");
    const { code, screen } = await typed(["keygen", "-o", file], "sesame öffne\nsesame öffne\n");
    expect(screen).toContain("again: ");
    expect(screen).not.toContain("sesame");
    expect(code).toBe(0);
    writeFileSync(at("sesame"), "sesame öffne");
    expect((await keygen("rewrap", file, "--passphrase-file", at("sesame"), "--burner")).code).toBe(0);
  });

  test("refuses two that differ, and Ctrl-C leaves nothing behind", async () => {
    if (!requireOrSkip("a terminal (script)", script !== null)) return;
    const differ = await typed(["keygen", "-o", at("differ.json")], "one\ntwo\n");
    expect(differ).toMatchObject({ code: 2 });
    expect(differ.screen).toContain("The two passphrases differ");
    const stopped = await typed(["keygen", "-o", at("differ.json")], "half\x03\n");
    expect(stopped).toMatchObject({ code: 1 });
    expect(existsSync(at("differ.json"))).toBe(false);
  });

  /** Runs `line` in a shell on a terminal; `answer` gets the screen after each change and says what to type. */
  async function inShell(line: string, answer: (screen: string) => string | undefined): Promise<string> {
    const child = Bun.spawn([script ?? "", "-qec", line, "/dev/null"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    let screen = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      screen += decoder.decode(chunk, { stream: true });
      const text = answer(screen);
      if (text === undefined) continue;
      await child.stdin.write(text);
      await child.stdin.flush();
    }
    await child.stdin.end();
    await child.exited;
    return screen;
  }
  const dchat = `'${process.execPath}' '${join(import.meta.dir, "dchat.ts")}'`;

  test("keeps quiet between the prompts of rewrap, and gives the echo back", async () => {
    if (!requireOrSkip("a terminal (script)", script !== null)) return;
    const file = at("ahead.json");
    writeFileSync(at("ahead"), "before");
    await keygen("-o", file, "--type", "relay", "--passphrase-file", at("ahead"));
    let step = 0;
    const screen = await inShell(`${dchat} keygen rewrap '${file}'; stty -a`, (seen) => {
      if (step === 0 && seen.endsWith(": ")) return step++ === 0 ? "before\r" : undefined;
      // The key is being opened: nothing asks yet.
      if (step === 1 && seen.endsWith("\n")) return step++ === 1 ? "sesame\rsesame\r" : undefined;
      return undefined;
    });
    expect(screen).toContain("opens by the new passphrase");
    expect(screen).not.toContain("sesame");
    expect(screen).toMatch(/[^-]\becho\b/);
  });

  /** Sends `signal` to `dchat WORDS` once it asks; returns the screen, with the exit code and the terminal's settings. */
  async function signalled(words: string, signal: NodeJS.Signals): Promise<string> {
    const started = `sh -c 'echo $$ > "${at("pid")}"; exec "$@"' sh ${dchat} ${words}`;
    let isSent = false;
    const screen = await inShell(`${started}; echo "exit $?"; stty -a`, (seen) => {
      if (isSent || !seen.endsWith(": ")) return undefined;
      isSent = true;
      process.kill(Number(readFileSync(at("pid"), "utf8")), signal);
      return undefined;
    });
    expect(isSent).toBe(true);
    expect(screen).toContain("exit 1");
    return screen;
  }

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "gives the echo back when %s comes, with every stream redirected too",
    async (signal) => {
      if (!requireOrSkip("a terminal (script)", script !== null)) return;
      const err = at(`err-${signal}`);
      for (const streams of ["", `< /dev/null > /dev/null 2> '${err}'`]) {
        const screen = await signalled(`keygen -o '${at("ended.json")}' ${streams}`, signal);
        expect(screen).toMatch(/[^-]\becho\b/);
      }
      expect(readFileSync(err, "utf8")).toContain(`Stopped by ${signal} at the prompt; nothing was changed`);
      expect(existsSync(at("ended.json"))).toBe(false);
    },
  );

  test("of a relay whose identity is sealed ends when the relay is told to stop", async () => {
    if (!requireOrSkip("a terminal (script)", script !== null)) return;
    const dataDir = at("asking");
    mkdirSync(dataDir, { mode: 0o700 });
    await keygen("-o", join(dataDir, "identity.json"), "--type", "relay", "--passphrase-file", at("pass"));
    const ports = ["--listen", "--api-listen", "--metrics-listen"].map((flag) => `${flag} 127.0.0.1:0`);
    const screen = await signalled(`relay --data-dir '${dataDir}' ${ports.join(" ")}`, "SIGTERM");
    expect(screen).toContain("Stopped by SIGTERM at the prompt");
    expect(screen).toMatch(/[^-]\becho\b/);
  });
});
