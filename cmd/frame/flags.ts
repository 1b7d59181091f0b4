/** Flags that every subcommand takes. */
import type { ArgTable } from "./arg.ts";

export const commonArgs = {
  config: {
    type: "string",
    valueHint: "FILE",
    description: "Configuration; else $DCHAT_CONFIG, else ./dchat.toml where there is one",
  },
  logLevel: {
    type: "enum",
    options: ["trace", "debug", "info", "warn", "error", "silent"],
    setting: "log.level",
    valueHint: "LEVEL",
    description: "trace, debug, info, warn, error or silent",
  },
  logFormat: {
    type: "enum",
    options: ["json", "pretty"],
    setting: "log.format",
    valueHint: "FORMAT",
    description: "json or pretty",
  },
} satisfies ArgTable;

/** For commands that print data. */
export const jsonArg = {
  json: { type: "boolean", description: "Print JSON, one document a line" },
} satisfies ArgTable;
