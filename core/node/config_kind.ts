/** The kinds of values that configuration holds: what text becomes of them, and what is said when they are wrong. */
import { z } from "zod";
import { parseListenAddress } from "./config_address.ts";
import { parseDuration } from "./duration.ts";

/** What is known of a setting beside its schema. */
export interface SettingMeta {
  /** One sentence for help, docs and `dchat config show`. */
  readonly about: string;
  /** What a right value is, to stand after "must be". */
  readonly expected: string;
  /** As it would stand in the file; undefined where there is none. */
  readonly initial?: unknown;
  /** Said in place of `initial` where the default depends on the machine. */
  readonly initialText?: string;
  /** May change while the relay runs. */
  readonly live?: boolean;
  /** Whole values, or the password of a URL, that are never shown. */
  readonly secret?: "whole" | "password";
  /** What flags and variables, which are text, are turned into before the schema sees them. */
  readonly form: "text" | "integer" | "list";
  /** The variable's name where it doesn't follow from the key. */
  readonly variable?: string;
  /** Relative paths in a file count from the file's folder. */
  readonly path?: boolean;
}

export const settingMeta = z.registry<SettingMeta>();

type Common = Pick<SettingMeta, "about" | "live" | "initialText">;

/** A whole number. */
export function integer(options: Common & { min: number; max: number; initial: number }) {
  const { min, max, ...meta } = options;
  const expected = `a whole number from ${min} to ${max}`;
  return z
    .int()
    .min(min)
    .max(max)
    .register(settingMeta, { ...meta, expected, form: "integer" });
}

/** `"30s"`: read as milliseconds. */
export function duration(options: Common & { min: string; max: string; initial: string }) {
  const { min, max, ...meta } = options;
  const least = parseDuration(min) ?? 0;
  const most = parseDuration(max) ?? 0;
  const schema = z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= least && ms <= most) return ms;
    context.addIssue("a duration");
    return z.NEVER;
  });
  const expected = `a duration from ${min} to ${max}, like "${options.initial}"`;
  return schema.register(settingMeta, { ...meta, expected, form: "text" });
}

/** One word of a few. */
export function choice<const Words extends readonly [string, ...string[]]>(
  words: Words,
  options: Common & { initial?: Words[number]; variable?: string },
) {
  const expected = `one of ${words.join(", ")}`;
  return z.enum(words).register(settingMeta, { ...options, expected, form: "text" });
}

/** `HOST:PORT` or a multiaddr. */
export function listenAddress(options: Common & { initial: string; tcpOnly: boolean }) {
  const { tcpOnly, ...meta } = options;
  const schema = addressSchema(tcpOnly);
  const expected = tcpOnly ? 'HOST:PORT, like "127.0.0.1:8080"' : addressExpected;
  return schema.register(settingMeta, { ...meta, expected, form: "text" });
}

const addressExpected = 'HOST:PORT or a multiaddr, like "0.0.0.0:7070" or "/ip4/0.0.0.0/tcp/7071/ws"';

function addressSchema(tcpOnly: boolean) {
  return z.string().transform((text, context) => {
    const address = parseListenAddress(text);
    if (address !== undefined && (!tcpOnly || address.transport === "tcp")) return address;
    context.addIssue("an address");
    return z.NEVER;
  });
}

/** Several addresses to listen on, at least one. */
export function listenAddresses(options: Common & { initial: readonly string[] }) {
  const expected = `a list of ${addressExpected}`;
  return z
    .array(addressSchema(false))
    .min(1)
    .register(settingMeta, { ...options, expected, form: "list" });
}

const multiaddrText = /^(?:\/[a-z0-9-]+\/[^/\s]+)+(?:\/(?:ws|wss|tls))*(?:\/p2p\/[A-Za-z0-9]+)?$/;

/** Several multiaddrs, as others can dial them. */
export function multiaddrs(options: Common & { initial: readonly string[] }) {
  const expected = 'a list of multiaddrs, like "/dns4/relay.example/tcp/7070"';
  return z
    .array(z.string().regex(multiaddrText))
    .register(settingMeta, { ...options, expected, form: "list" });
}

/** A path; `~/` is the home directory. */
export function path(options: Common) {
  return z
    .string()
    .min(1)
    .register(settingMeta, { ...options, expected: "a path", form: "text", path: true });
}

/** A PostgreSQL URL. */
export function postgresUrl(options: Common) {
  const schema = z.string().refine((text) => {
    const url = URL.parse(text);
    return url !== null && (url.protocol === "postgres:" || url.protocol === "postgresql:");
  });
  const expected = 'a PostgreSQL URL, like "postgres://user:password@host:5432/dchat"';
  return schema.register(settingMeta, { ...options, expected, form: "text", secret: "password" });
}
