/** `dchat config check|show`. */
import { configReport } from "@dchat/core/node/mod.ts";
import { z } from "zod";
import { command, exit, jsonArg, twoColumns } from "./frame/mod.ts";

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
    "Shows what is in force and whence: a flag, a variable, a line of the file, or the default. Passwords are masked.",
  args: {
    section: {
      type: "positional",
      required: false,
      description: "Only this section: relay, database, log, user, crypto",
    },
    ...jsonArg,
  },
  input: z.strictObject({
    section: z.enum(["relay", "database", "log", "user", "crypto"]).optional(),
    json: z.boolean(),
  }),
  examples: [
    { line: "dchat config show", does: "Every setting." },
    { line: "dchat config show relay --json", does: "Those of the relay, one JSON document a line." },
  ],
  async run({ section, json }, context) {
    const loaded = await context.config();
    const rows = (await configReport(loaded)).filter(
      (row) => section === undefined || row.section === section,
    );
    if (json) {
      for (const { key, value, origin, live } of rows) context.json({ key, value, origin, live });
      return exit.done;
    }
    const { style, width } = context.out;
    let last = "";
    for (const row of rows) {
      if (row.section !== last) context.print(`${last === "" ? "" : "\n"}${style.bold(`[${row.section}]`)}`);
      last = row.section;
      const value = row.value === "" ? style.dim("not set") : row.value;
      const whence = row.isDefault ? style.dim(row.origin) : style.accent(row.origin);
      context.print(twoColumns([[row.name, `${value}  ${whence}`]], { width, indent: 2, left: 27 }));
    }
    return exit.done;
  },
});
