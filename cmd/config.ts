/** `dchat config check|show`. */
import { configReport, type ReportRow } from "@dchat/core/node/mod.ts";
import { z } from "zod";
import { command, exit, jsonArg, type Terminal } from "./frame/mod.ts";

/** Longer values don't widen the column. */
const VALUE_COLUMNS_MAX = 40;

export const check = command({
  about: "Reads flags, variables and the file as every command does, and says whether all of it is right.",
  args: { ...jsonArg },
  input: z.strictObject({ json: z.boolean() }),
  examples: [
    { line: "dchat config check", does: "Check ./dchat.toml and the environment." },
    {
      line: "dchat config check --config /etc/dchat.toml",
      does: "Check another file before a relay reads it.",
    },
  ],
  async run({ json }, context) {
    const { file, warnings } = await context.config();
    if (json) context.json({ ok: true, file, warnings });
    else {
      for (const warning of warnings) context.note(`${context.err.style.warn("warning")}  ${warning}`);
      const read = file === null ? "no file is read; flags, variables and defaults are" : `${file} is`;
      context.print(`${context.out.style.good("ok")}  ${read} right`);
    }
    return exit.done;
  },
});

export const show = command({
  about:
    "Shows what is in force and whence: a flag, a variable, a line of the file, or the default. Passwords are masked. As JSON, a value is what a file would hold, null where nothing is set.",
  args: {
    section: {
      type: "positional",
      required: false,
      description: "Only this section: relay, database, log, user, crypto",
    },
    ...jsonArg,
  },
  input: z.strictObject({
    section: z
      .enum(["relay", "database", "log", "user", "crypto"], "must be relay, database, log, user or crypto")
      .optional(),
    json: z.boolean(),
  }),
  examples: [
    { line: "dchat config show", does: "Every setting." },
    { line: "dchat config show relay --json", does: "Those of the relay, one JSON document a line." },
  ],
  async run({ section, json }, context) {
    const all = await configReport(await context.config(), context.env);
    const rows = all.filter((row) => section === undefined || row.section === section);
    if (json)
      for (const { key, json: value, origin, live } of rows) context.json({ key, value, origin, live });
    else context.print(table(rows, context.out));
    return exit.done;
  },
});

/** Name, value and origin in three columns, a block for each section. Values that are too long push the origin on. */
function table(rows: readonly ReportRow[], { style }: Terminal): string {
  const nameWidth = Math.max(...rows.map(({ name }) => name.length));
  const values = rows.map(({ value }) => value.length).filter((length) => length <= VALUE_COLUMNS_MAX);
  const valueWidth = Math.max(...values);
  const sections = [...new Set(rows.map(({ section }) => section))].map((section) => {
    const lines = rows
      .filter((row) => row.section === section)
      .map(({ name, value, origin, isDefault }) => {
        const shown = value === "" ? style.dim("not set".padEnd(valueWidth)) : value.padEnd(valueWidth);
        const whence = isDefault ? style.dim(origin) : style.accent(origin);
        return `  ${name.padEnd(nameWidth)}  ${shown}  ${whence}`;
      });
    return [style.bold(`[${section}]`), ...lines].join("\n");
  });
  return sections.join("\n\n");
}
