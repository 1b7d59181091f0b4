/** What is in force, for people and scripts. */
import { unreachable } from "../../ground/mod.ts";
import { type Environment, type LoadedConfig, masked, type Origin, show } from "../config.ts";
import { defaultText, settings } from "./schema.ts";
import { defaultRelayDir } from "../data_dir.ts";

export interface ReportRow {
  readonly key: string;
  readonly section: string;
  readonly name: string;
  /** As it would be written, secrets masked; empty where nothing is set. */
  readonly value: string;
  /** The same as a value of JSON; null where nothing is set. */
  readonly json: unknown;
  /** `--listen`, `DCHAT_RELAY_LISTEN`, `dchat.toml:12` or `default`. */
  readonly origin: string;
  readonly isDefault: boolean;
  /** Whether a running relay takes a change of it. */
  readonly live: boolean;
}

/** One row for each setting, in the file's order. `env` says where default directories are. */
export function configReport({ origins, given }: LoadedConfig, env: Environment): ReportRow[] {
  const inForce = new Map([["relay.data_dir", defaultRelayDir(env)]]);
  return [...settings.values()].map((setting) => {
    const origin = origins.get(setting.key) ?? { is: "default" };
    const value = given.get(setting.key) ?? inForce.get(setting.key);
    return {
      key: setting.key,
      section: setting.section,
      name: setting.name,
      value: value === undefined ? defaultText(setting) : show(setting, value),
      json: masked(setting, value),
      origin: originText(origin),
      isDefault: origin.is === "default",
      live: setting.live ?? false,
    };
  });
}

/** Where a value came from, in a word. */
export function originText(origin: Origin): string {
  switch (origin.is) {
    case "flag":
      return origin.flag;
    case "variable":
      return origin.variable;
    case "file":
      return origin.line === undefined ? origin.path : `${origin.path}:${origin.line}`;
    case "default":
      return "default";
    default:
      return unreachable(origin);
  }
}
