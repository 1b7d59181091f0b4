#!/usr/bin/env bun
/** dchat's command line. */
import { commands } from "./commands.ts";
import { guard, main } from "./frame/mod.ts";
import manifest from "./package.json" with { type: "json" };

guard("dchat");
process.exitCode = await main(
  {
    name: "dchat",
    version: manifest.version,
    about: "Private messaging on relays that people choose.",
    commands,
  },
  { argv: process.argv.slice(2), env: process.env, stdout: process.stdout, stderr: process.stderr },
);
// What failed may leave a connection that its other end never closes, to a server that hangs: it keeps no command alive.
if (process.exitCode !== 0) setTimeout(() => process.exit(), 1000).unref();
