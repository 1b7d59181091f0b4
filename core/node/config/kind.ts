/** The kinds of values that configuration holds: what text becomes of them, and what is said when they are wrong. */
import { z } from "zod";
import {
  type Address,
  formatAddress,
  parseAddress,
  parseIp4,
  parseIp6,
  parseListenAddress,
  parsePeerId,
} from "../../link/mod.ts";
import { parseDuration } from "../duration.ts";

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
export function integer(options: Common & { min: number; max: number; initial?: number }) {
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

/** Where an HTTP server listens; port 0 takes a free one. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, for HTTP. */
export function hostPort(options: Common & { initial: string }) {
  const schema = z.string().transform((text, context): HostPort => {
    const address = text.startsWith("/") ? null : listenAddress(text);
    if (address !== null) return { host: address.host.name, port: address.port };
    context.addIssue("an address");
    return z.NEVER;
  });
  const expected = `HOST:PORT, like "${options.initial}"`;
  return schema.register(settingMeta, { ...options, expected, form: "text" });
}

/** Several addresses to listen on for devices, at least one; read as multiaddrs. */
export function listenAddresses(options: Common & { initial: readonly string[] }) {
  const schema = z.string().transform((text, context) => {
    const address = listenAddress(text);
    if (address !== null) return formatAddress(address);
    context.addIssue("an address");
    return z.NEVER;
  });
  const expected = 'a list of HOST:PORT or a multiaddr, like "0.0.0.0:7070" or "/ip4/0.0.0.0/tcp/7071/ws"';
  return z
    .array(schema)
    .min(1)
    .register(settingMeta, { ...options, expected, form: "list" });
}

function listenAddress(text: string): Address | null {
  try {
    const address = parseListenAddress(text);
    // What looks like an IPv4 address must be one: 256.0.0.1 is nobody's name.
    const named = address.host.kind.startsWith("dns") && /^[\d.]+$/.test(address.host.name);
    return named || address.peer !== null ? null : address;
  } catch {
    return null;
  }
}

/** Several multiaddrs, as others can dial them. */
export function multiaddrs(options: Common & { initial: readonly string[] }) {
  const expected = 'a list of multiaddrs, like "/dns4/relay.example/tcp/7070"';
  return z
    .array(z.string().refine((text) => reads(() => parseAddress(text))))
    .register(settingMeta, { ...options, expected, form: "list" });
}

/** Several multiaddrs that say who must answer there: without that, whoever answers first is believed. */
export function peerAddresses(options: Common & { initial: readonly string[] }) {
  const expected =
    'a list of multiaddrs with their /p2p/ part, like "/dns4/relay.example/tcp/7070/p2p/12D3KooW…"';
  return z
    .array(z.string().refine((text) => reads(() => parseAddress(text)) && parseAddress(text).peer !== null))
    .register(settingMeta, { ...options, expected, form: "list" });
}

/** Addresses, networks and PeerIds, as an access list takes them. */
export function accessEntries(options: Common) {
  const expected = 'a list of IP addresses, networks like "192.0.2.0/24", and PeerIds';
  return z
    .array(z.string().refine(isAccessEntry))
    .register(settingMeta, { ...options, initial: [], expected, form: "list" });
}

function isAccessEntry(text: string): boolean {
  const [address = "", prefix = "0", more] = text.split("/");
  const bytes = parseIp4(address) ?? parseIp6(address);
  if (bytes === null) return reads(() => parsePeerId(text));
  return more === undefined && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bytes.length * 8;
}

function reads(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

const sizeUnits = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** `"512MiB"`: read as bytes; `"0"` for no limit, unless there is a most. */
export function size(options: Common & { initial: string; min?: string; max?: string }) {
  const { min, max, ...meta } = options;
  const least = min === undefined ? 0 : (parseSize(min) ?? 0);
  const most = max === undefined ? Infinity : (parseSize(max) ?? 0);
  const schema = z.string().transform((text, context) => {
    const bytes = parseSize(text);
    const isUnlimited = bytes === 0 && max === undefined;
    if (bytes !== null && (isUnlimited || (bytes >= least && bytes <= most))) return bytes;
    context.addIssue("a size");
    return z.NEVER;
  });
  const from = min === undefined ? "" : ` from ${min}`;
  const expected =
    max === undefined
      ? `a size${from}, like "512MiB" or "2GiB", or "0" for no limit`
      : `a size${from} to ${max}, like "${options.initial}"`;
  return schema.register(settingMeta, { ...meta, expected, form: "text" });
}

function parseSize(text: string): number | null {
  if (text === "0") return 0;
  const [, number, unit] = /^(\d{1,9})(KiB|MiB|GiB)$/.exec(text) ?? [];
  const factor = Object.entries(sizeUnits).find(([name]) => name === unit)?.[1];
  return number === undefined || factor === undefined ? null : Number(number) * factor;
}

/** A path; `~/` is the home directory. */
export function path(options: Common) {
  return z
    .string()
    .min(1)
    .register(settingMeta, { ...options, expected: "a path", form: "text", path: true });
}

/**
 * A server's URL. Null for what is none, and where a password has a bare "#" or "/" in it: its rest is then taken for
 * a place, and shown.
 */
export function serverUrl(text: string): URL | null {
  const url = URL.parse(text);
  if (url === null || !/^[a-z]+:\/\//i.test(text)) return null;
  return url.hash !== "" || url.pathname.includes("@") ? null : url;
}

/** A PostgreSQL URL. */
export function postgresUrl(options: Common) {
  const schema = z.string().refine((text) => {
    const url = serverUrl(text);
    return url !== null && (url.protocol === "postgres:" || url.protocol === "postgresql:");
  });
  const expected = 'a PostgreSQL URL, like "postgres://user:password@host:5432/dchat"';
  return schema.register(settingMeta, { ...options, expected, form: "text", secret: "password" });
}
