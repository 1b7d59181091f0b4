/**
 * The references in docs/ and the example configuration are made from the tables that the program runs by. Run
 * with DCHAT_WRITE_DOCS=1 to write them anew; without it, a difference fails.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../core/node/config.ts";
import { defaultText, type Setting, settings } from "../core/node/config/schema.ts";
import { Metrics } from "../core/telemetry/mod.ts";
import { commands } from "./commands.ts";
import { commonArgs } from "./frame/flags.ts";
import { listed } from "./frame/command.ts";
import { exit } from "./frame/exit.ts";
import { commandHelp } from "./frame/help.ts";
import type { Registry } from "./frame/mod.ts";
import { openTerminal, wrap } from "./frame/terminal.ts";

const root = join(import.meta.dir, "..");
const terminal = openTerminal({ columns: 96, write: () => true }, {});
const defaults = new Map([...settings.values()].map((setting) => [setting.key, defaultText(setting)]));

/** Every command as its --help shows it, without the flags that all take. */
async function commandReference(registry: Registry, before: readonly string[] = ["dchat"]): Promise<string> {
  let text = "";
  for (const [name, entry] of listed(registry)) {
    const path = [...before, name];
    text += `### ${path.join(" ")}\n\n`;
    if (entry.load === null) text += `${entry.summary}.\n\n`;
    else {
      const help = commandHelp(await entry.load(), entry.commands, { path, terminal, defaults });
      const blocks = help
        .trim()
        .split("\n\n")
        .filter((block) => !block.startsWith("Common flags"));
      text += `${blocks[0]?.replaceAll("\n", " ")}\n\n\`\`\`text\n${blocks.slice(1).join("\n\n")}\n\`\`\`\n\n`;
    }
    if (entry.commands !== undefined) text += await commandReference(entry.commands, path);
  }
  return text;
}

/** A table of every setting. */
function settingReference(): string {
  const rows = [...settings.values()].map((setting) => {
    const initial = defaultText(setting);
    const cells = [
      `\`${setting.key}\``,
      setting.about,
      setting.expected,
      initial === "" ? "" : setting.initialText === undefined ? `\`${initial}\`` : initial,
      setting.live ? "yes" : "",
      `\`${setting.variable}\``,
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  const head =
    "| Key | What it is | Values | Default | Changes while running | Variable |\n|---|---|---|---|---|---|";
  return `${head}\n${rows.join("\n")}\n\n`;
}

/** The example file: every setting, commented, at its default where it has one. */
function exampleFile(): string {
  let text =
    "# dchat's configuration, every key at its default. Flags and DCHAT_* variables go over what stands here.\n" +
    "# `dchat config check` says whether a file is right, `dchat config show` what is in force and whence.\n" +
    "# Marked (live): a running relay takes the change when the file is saved.\n";
  let section = "";
  for (const setting of settings.values()) {
    if (setting.section !== section) text += `\n[${setting.section}]\n`;
    section = setting.section;
    const note = setting.initialText === undefined ? "" : `; default: ${setting.initialText}`;
    const about = `${setting.about}${note}${setting.live ? " (live)" : ""}`;
    text += `${wrap(about, 108)
      .map((line) => `# ${line}`)
      .join("\n")}\n${exampleLine(setting)}\n`;
  }
  return text;
}

const examples: Readonly<Record<string, string>> = {
  "relay.tls_certificate": '"/etc/dchat/certificate.pem"',
  "relay.tls_key": '"/etc/dchat/key.pem"',
  "relay.data_dir": '"/var/lib/dchat/relay"',
  "relay.max_accepts_per_second": "50",
  "database.url": '"postgres://dchat:password@127.0.0.1:5432/dchat"',
  "log.format": '"json"',
  "user.identity": '"keys/identity.json"',
  "user.data_dir": '"/var/lib/dchat/user"',
};

function exampleLine({ key, name, initial }: Setting): string {
  return initial === undefined ? `# ${name} = ${examples[key]}` : `${name} = ${JSON.stringify(initial)}`;
}

function hold(path: string, make: (before: string) => string): void {
  const before = readFileSync(join(root, path), { encoding: "utf8", flag: "a+" });
  const text = make(before);
  if (process.env["DCHAT_WRITE_DOCS"] === "1") writeFileSync(join(root, path), text);
  else if (words(text) !== words(before)) {
    const how = `DCHAT_WRITE_DOCS=1 bun test cmd/reference_test.ts && bun fmt ${path}`;
    throw new Error(`${path} is not what the program says; this writes it: ${how}`);
  }
}

/** What a formatter of Markdown leaves as it is: no blank lines, no padding of tables. */
function words(text: string): string {
  return text
    .replace(/-{3,}/g, "---")
    .replace(/[ \t]+/g, " ")
    .replace(/\n\s*/g, "\n")
    .replace(/\| ?--- ?/g, "|---");
}

/** `text` with what is between the markers replaced. */
function between(text: string, made: string): string {
  const [head, rest] = text.split("<!-- made from the program: begin -->\n");
  const [, tail] = rest?.split("<!-- made from the program: end -->\n") ?? [];
  if (head === undefined || tail === undefined) throw new Error("the markers are missing");
  return `${head}<!-- made from the program: begin -->\n${made}<!-- made from the program: end -->\n${tail}`;
}

describe("docs/CLI.md", () => {
  test("shows every command as its --help does", async () => {
    const made = await commandReference(commands);
    hold("docs/CLI.md", (text) => between(text, made));
  });

  test("has a table of exit codes that is the program's", () => {
    const text = readFileSync(join(root, "docs/CLI.md"), "utf8");
    const rows = [...text.matchAll(/^\| (\d) +\| ([a-z]+) +\|/gm)].map(([, code, name]) => [
      name,
      Number(code),
    ]);
    expect(Object.fromEntries(rows)).toEqual(exit);
  });

  test("says which flags every command takes", () => {
    const text = readFileSync(join(root, "docs/CLI.md"), "utf8");
    for (const name of ["--config", "--log-level", "--log-format", "--help"])
      expect(text).toContain(`\`${name}`);
    expect(Object.keys(commonArgs)).toHaveLength(3);
  });
});

test("docs/CONFIGURATION.md has a row for every setting", () => {
  const made = settingReference();
  hold("docs/CONFIGURATION.md", (text) => between(text, made));
});

test("docs/METRICS.md has a row for every metric", async () => {
  const { text } = await new Metrics({ version: "0", startedMs: 0 }).expose();
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const rows = [...text.matchAll(/^# HELP (\S+) (.+)$/gm)].map(
    ([, name, about]) => `| \`${name}\` | ${types.get(name)} | ${about} |`,
  );
  const made = `| Name | Type | What it counts |\n|---|---|---|\n${rows.join("\n")}\n`;
  hold("docs/METRICS.md", (before) => between(before, made));
});

describe("dchat.example.toml", () => {
  test("is every setting at its default", () => hold("dchat.example.toml", exampleFile));

  test("loads, and says what holds without it", () => {
    const withFile = loadConfig({ env: {}, file: join(root, "dchat.example.toml") });
    const without = loadConfig({ env: { DCHAT_CONFIG: "/dev/null" } });
    expect(withFile.config).toEqual(without.config);
  });

  test("loads with every comment mark taken off its settings", () => {
    const text = readFileSync(join(root, "dchat.example.toml"), "utf8").replace(/^# (\w+ = )/gm, "$1");
    const path = join(process.env["TMPDIR"] ?? "/tmp", `dchat-example-${process.pid}.toml`);
    writeFileSync(path, text);
    const { origins } = loadConfig({ env: {}, file: path });
    expect([...origins.values()].every((origin) => origin.is === "file")).toBe(true);
  });
});
