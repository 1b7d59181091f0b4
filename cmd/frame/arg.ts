/** Flags and positionals, and how people write them. */
import type { ArgDef } from "citty";

/** One flag or positional. Keys of the table are camelCase; `maxConnections` is given as `--max-connections`. */
export type Arg = ArgDef & {
  /** May be given more than once; the value is then always a list. A positional that is `multiple` takes the rest. */
  readonly multiple?: boolean;
  /** Names the configuration key that this flag sets; such flags go to the configuration and not to `input`. */
  readonly setting?: string;
};

export type ArgTable = Readonly<Record<string, Arg>>;

/** `maxConnections` to `max-connections`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A flag as people write it, or a positional's upper-case name. */
export function written(name: string, arg: Arg): string {
  return arg.type === "positional" ? (arg.valueHint ?? kebab(name).toUpperCase()) : `--${kebab(name)}`;
}

/** The short form of a flag, where it has one. */
export function short(arg: Arg): string | undefined {
  if (arg.type === "positional" || !("alias" in arg)) return undefined;
  const alias = arg.alias;
  return typeof alias === "string" ? alias : alias?.[0];
}
