/**
 * Plays the relay over a journey of three people and three conversations, with all that a relay has: the wire after
 * Noise, its database, log, metrics and memory, and those of its PostgreSQL. Holds that it yields docs/THREATS.md's
 * numbered list, all of it and nothing more.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { limit } from "../../core/ground/mod.ts";
import { decodeIdentify } from "../../core/link/identify.ts";
import type { Command } from "../../core/wire/mod.ts";
import { COLUMNS, COMMAND_FIELDS } from "./field.ts";
import { play, type Played } from "./play.ts";
import { find, type Needle } from "./scan.ts";
import { pathsOf, type SeenCommand } from "./view.ts";

const ROUNDS = process.env["DCHAT_TEST_LONG"] === "1" ? 40 : 5;
/** Where each store leaves what a relay must keep. */
const KEPT = {
  SQLite: ["files"],
  PostgreSQL: ["PostgreSQL's tables", "PostgreSQL's files", "PostgreSQL's log"],
} as const;
const root = resolve(import.meta.dir, "../..");

/** The numbers in THREATS' tables of what a relay sees. */
function listed(): string[] {
  const page = readFileSync(join(root, "docs/THREATS.md"), "utf8");
  return [...page.matchAll(/^\| (V\d+) \|/gm)].map((match) => match[1] ?? "");
}

/** Lines of THREATS that the commands and the database of this journey fall under. */
function linesOf({ view, columns }: Played): Set<string> {
  const lines = new Set<string>();
  for (const { command } of view.commands) {
    const { authority, body } = command;
    const fields = COMMAND_FIELDS[body.op] ?? {};
    for (const path of [...pathsOf(authority, "authority"), ...pathsOf(body, "body")]) {
      if (path !== "body.op") lines.add(fields[path] ?? `${body.op} ${path}`);
    }
  }
  for (const [table, names] of columns) {
    for (const name of names) lines.add(COLUMNS[table]?.[name] ?? `${table}.${name}`);
  }
  lines.delete("own");
  return lines;
}

function identifiers({ authority, body }: Command): string[] {
  const all: Uint8Array[] = [authority.key];
  if (body.op === "create") all.push(body.record.owner, body.record.nonce, body.writer, ...body.readers);
  if (body.op === "append") all.push(body.id);
  if (body.op === "append" && body.change !== null) all.push(body.change.writer, ...body.change.added);
  if (body.op === "take") all.push(body.take);
  if (body.op === "reset") all.push(body.owner, body.writer, ...body.readers);
  return all.map((bytes) => bytes.toHex());
}

type Seen = SeenCommand & { readonly body: Extract<Command["body"], { op: "append" }> };

/** Plain entries of each conversation, by who wrote them. The relay doesn't have this; the test does. */
function written({ view, wrote }: Played): Map<string, Map<string, Seen[]>> {
  const conversations = new Map<string, Map<string, Seen[]>>();
  for (const seen of view.commands) {
    const { body, authority } = seen.command;
    if (body.op !== "append" || body.kind !== "plain") continue;
    const author = [...wrote].find(([, ids]) => ids.has(body.id.toHex()))?.[0];
    if (author === undefined) continue;
    const key = authority.mailbox.toHex();
    const authors = conversations.get(key) ?? new Map<string, Seen[]>();
    conversations.set(key, authors.set(author, [...(authors.get(author) ?? []), { ...seen, body }]));
  }
  return conversations;
}

/** Places at which all of `all` have the same byte: with five of them chance makes such a place once in 10^9 bytes. */
function constantPlaces(all: readonly Uint8Array[]): number[] {
  const [first] = all;
  if (first === undefined || all.length < ROUNDS) throw new Error("too few entries to tell");
  return [...first.keys()].filter((at) => all.every((bytes) => bytes[at] === first[at]));
}

/** Chi-square of the byte values over its expectation: about 1 for random bytes, far above for text or padding. */
function evenness(bytes: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  const expected = bytes.length / 256;
  let sum = 0;
  for (const count of counts) sum += (count - expected) ** 2 / expected;
  return sum / 255;
}

describe.each(["SQLite", "PostgreSQL"] as const)("on %s", (kind) => {
  let played: Played;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    played = await play(stack, { kind, rounds: ROUNDS });
  }, 240_000);

  afterAll(() => stack.disposeAsync());

  describe("a relay that looks", () => {
    test("saw the whole journey", () => {
      const ops = new Set(played.view.commands.map(({ command }) => command.body.op));
      for (const op of ["create", "append", "take", "read", "acknowledge", "describe", "delete"] as const) {
        expect(ops).toContain(op);
      }
      const appended = played.view.commands.filter(({ command }) => command.body.op === "append");
      expect(appended.length).toBeGreaterThanOrEqual(played.people.texts.length);
      expect(played.secrets.length).toBeGreaterThan(60);
    });

    test("sees each line of docs/THREATS.md, and no field or column that stands under none", () => {
      const { view } = played;
      const lines = linesOf(played);
      // Of connections, which have no fields of ours: address, PeerId, identify, time and size, and what came together.
      if (view.records.some(({ address, port }) => address === "127.0.0.1" && port > 0)) lines.add("V1");
      if ([...view.peers.values()].every((peer) => peer.startsWith("12D3KooW"))) lines.add("V2");
      if (view.identified.size > 0) lines.add("V3");
      if (view.records.some(({ hex, atMs }) => hex.length > 0 && atMs > 0)) lines.add("V4");
      if (Map.groupBy(view.commands, ({ connection }) => connection).size > 1) lines.add("V5").add("V13");
      expect([...lines].sort()).toEqual(listed().sort());
    });

    test("finds no text, name, identity, device, group, seed or invitation anywhere", () => {
      for (const [place, bytes] of played.places)
        expect([place, find(bytes, played.secrets)]).toEqual([place, []]);
    });

    test("finds what it should: the search isn't blind", () => {
      const { places, known } = played;
      for (const place of ["the wire after Noise", ...KEPT[kind]]) {
        expect([place, find(places.get(place) ?? new Uint8Array(), known).length]).toEqual([
          place,
          known.length,
        ]);
      }
      // Pages of memory are reused: what lies there is what was used last.
      for (const [place, bytes] of places) {
        if (place.endsWith("memory")) expect([place, find(bytes, known).length > 0]).toEqual([place, true]);
      }
    });

    test("names nobody in log and metrics: no PeerId of a device, no mailbox, no key", () => {
      const { view, places, known } = played;
      const needles: Needle[] = [...new Set(view.peers.values())].map((peer) => ({
        name: `PeerId ${peer}`,
        bytes: new TextEncoder().encode(peer),
      }));
      for (const { command } of view.commands) needles.push({ name: "a key", bytes: command.authority.key });
      for (const place of ["the log", "metrics"]) {
        expect([place, find(places.get(place) ?? new Uint8Array(), [...needles, ...known])]).toEqual([
          place,
          [],
        ]);
      }
    });
  });

  describe("what links devices", () => {
    test("no two connections have one PeerId, and all say the same by identify", () => {
      const { view } = played;
      expect(new Set(view.peers.values()).size).toBe(view.peers.size);
      const said = [...view.identified.values()].map((bytes) => {
        // The message comes behind its length, a varint of one or two bytes.
        const identified = decodeIdentify(bytes.subarray((bytes[0] ?? 0) < 0x80 ? 1 : 2));
        if (identified === null) throw new Error("not an identify message");
        const { agent, protocolVersion, protocols, listenAddresses } = identified;
        return JSON.stringify({ agent, protocolVersion, protocols, listenAddresses });
      });
      expect(new Set(said).size).toBe(1);
    });

    test("no key, id or nonce stands in two mailboxes", () => {
      const places = new Map<string, Set<string>>();
      for (const { command } of played.view.commands) {
        const mailbox = command.authority.mailbox.toHex();
        for (const value of identifiers(command)) {
          const known = places.get(value) ?? new Set();
          places.set(value, known.add(mailbox));
        }
      }
      expect([...places].filter(([, mailboxes]) => mailboxes.size > 1)).toEqual([]);
    });

    test("one connection serves one conversation or one inbox", () => {
      const byConnection = Map.groupBy(played.view.commands, ({ connection }) => connection);
      for (const commands of byConnection.values()) {
        expect(new Set(commands.map(({ command }) => command.authority.mailbox.toHex())).size).toBe(1);
      }
    });
  });

  /** Everything in a command that could be told again elsewhere. */
  describe("members of one conversation", () => {
    test("sign with one key, and their entries differ in no field but random ones and the time", () => {
      const conversations = written(played);
      expect(conversations.size).toBe(3);
      for (const authors of conversations.values()) {
        expect(authors.size).toBe(2);
        const kinds = [...authors.values()].map((entries) => {
          const told = entries.map(({ command, body }) =>
            JSON.stringify({
              writer: command.authority.key.toHex(),
              generation: command.authority.generation,
              turn: body.turn,
              kind: body.kind,
              slot: body.slot,
              change: body.change,
              bytes: body.entry.length,
            }),
          );
          return [...new Set(told)].sort();
        });
        expect(kinds[0]).toEqual(kinds[1] ?? []);
      }
    });

    test("choose notAfter alike: it tells the clock and not the member", () => {
      const lifetimes = [...written(played).values()].flatMap((authors) =>
        [...authors.values()].map((entries) => {
          const all = entries.map(({ atMs, command }) => command.authority.notAfterMs - atMs);
          return Math.round(Math.max(...all) / 60_000);
        }),
      );
      expect(new Set(lifetimes).size).toBe(1);
      expect(Math.max(...lifetimes) * 60_000).toBeLessThanOrEqual(limit.COMMAND_LIFETIME_MS_MAX);
    });

    test("write entries whose bytes look random: nothing constant, nothing that comes twice", () => {
      const blocks = new Map<string, string>();
      for (const authors of written(played).values()) {
        for (const entries of authors.values()) {
          expect(constantPlaces(entries.map(({ body }) => body.entry))).toEqual([]);
          expect(constantPlaces(entries.map(({ body }) => body.id))).toEqual([]);
          for (const { body } of entries) {
            expect(evenness(body.entry)).toBeLessThan(1.5);
            for (let at = 0; at + 16 <= body.entry.length; at += 1) {
              const block = body.entry.subarray(at, at + 16).toHex();
              expect(blocks.get(block) ?? body.id.toHex()).toBe(body.id.toHex());
              blocks.set(block, body.id.toHex());
            }
          }
        }
      }
      expect(blocks.size).toBeGreaterThan(10_000);
    });
  });
});
