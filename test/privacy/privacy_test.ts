/**
 * Plays the relay over a journey of three people and three conversations, with all that a relay has: the wire after
 * Noise, its database, log, metrics and memory. Holds that it yields docs/THREATS.md's numbered list, all of it and
 * nothing more.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Crypto, openCrypto } from "@dchat/crypto-wasm";
import { getTableConfig } from "drizzle-orm/pg-core";
import { limit } from "../../core/ground/mod.ts";
import { decodeIdentify } from "../../core/link/identify.ts";
import * as postgres from "../../core/store/postgres_schema.ts";
import type { Command } from "../../core/wire/mod.ts";
import { requireOrSkip } from "../harness/require.ts";
import { spawnRelay, type SpawnedRelay } from "../harness/relay.ts";
import { COLUMNS, COMMAND_FIELDS } from "./field.ts";
import { inviteNeedles, journey, knownTo, NAMES, type People } from "./people.ts";
import { find, mayReadMemory, memoryOf, type Needle } from "./scan.ts";
import { pathsOf, readView, type SeenCommand, type View } from "./view.ts";

const ROUNDS = process.env["DCHAT_TEST_LONG"] === "1" ? 40 : 5;
const root = resolve(import.meta.dir, "../..");

/** Everything that the relay has, and everything that it must not have. */
interface Played {
  readonly view: View;
  readonly places: ReadonlyMap<string, Buffer>;
  readonly columns: ReadonlyMap<string, readonly string[]>;
  readonly secrets: readonly Needle[];
  /** What it must have: that these are found shows that the search finds. */
  readonly known: readonly Needle[];
  readonly wrote: ReadonlyMap<string, ReadonlySet<string>>;
  readonly people: People;
}

let played: Played;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const crypto = stack.use(await openCrypto({ needs: [] }));
  const dir = mkdtempSync(join(tmpdir(), "dchat-spy-"));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const spyFile = join(dir, "spy.jsonl");
  const dataDir = join(dir, "relay");
  await using relay = await spawnRelay({
    dataDir,
    command: [process.execPath, join(root, "test/privacy/spy_relay.ts"), "relay"],
    args: ["--log-level", "trace", "--log-format", "json"],
    env: { DCHAT_SPY_FILE: spyFile },
  });
  const people = stack.use(await journey(relay.address, ROUNDS));
  const places = await placesOf(relay);
  const text = readFileSync(spyFile, "utf8");
  const view = readView(text, crypto.hash);
  places.set("the wire after Noise", wireOf(view));
  const { secrets, wrote } = await secretsOf(crypto, people);
  const known = [...new Set(view.commands.map(({ command }) => command.authority.mailbox.toHex()))].map(
    (hex): Needle => ({ name: `mailbox ${hex.slice(0, 8)}`, bytes: Uint8Array.fromHex(hex) }),
  );
  played = { view, places, columns: columnsOf(join(dataDir, "relay.sqlite")), secrets, known, wrote, people };
}, 240_000);

afterAll(() => stack.disposeAsync());

/** What lies around when the journey is over: files, what was printed, metrics, memory. */
async function placesOf(relay: SpawnedRelay): Promise<Map<string, Buffer>> {
  const places = new Map<string, Buffer>();
  places.set("the log", Buffer.from(relay.output()));
  places.set("metrics", Buffer.from(await (await relay.get("/metrics")).text()));
  const files = readdirSync(relay.dataDir).map((name) => readFileSync(join(relay.dataDir, name)));
  places.set("files", Buffer.concat(files));
  if (requireOrSkip("reading another process's memory", mayReadMemory(relay.pid))) {
    places.set("memory", memoryOf(relay.pid));
  }
  return places;
}

function wireOf(view: View): Buffer {
  const bytes = view.records.map((record) => Buffer.from(record.hex, "hex"));
  return Buffer.concat(bytes);
}

async function secretsOf(crypto: Crypto, people: People) {
  const secrets: Needle[] = [
    ...people.texts.map(({ text }) => ({ name: `text “${text}”`, bytes: new TextEncoder().encode(text) })),
    ...NAMES.map((name) => ({ name: `the name ${name}`, bytes: new TextEncoder().encode(name) })),
    ...inviteNeedles(crypto, people.uris),
  ];
  const wrote = new Map<string, ReadonlySet<string>>();
  for (const person of people.people) {
    const known = await knownTo(crypto, person);
    secrets.push(...known.needles);
    wrote.set(person.name, known.wrote);
  }
  return { secrets, wrote };
}

function columnsOf(path: string): Map<string, string[]> {
  using database = new Database(path, { readonly: true });
  const tables = database
    .query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all();
  return new Map(
    tables.map(({ name }) => [
      name,
      database
        .query<{ name: string }, [string]>("SELECT name FROM pragma_table_info(?1)")
        .all(name)
        .map((column) => column.name),
    ]),
  );
}

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
    if (table.startsWith("sqlite_") || table.includes("migration")) continue;
    for (const name of names) lines.add(COLUMNS[table]?.[name] ?? `${table}.${name}`);
  }
  lines.delete("own");
  return lines;
}

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

  test("keeps in PostgreSQL no column that stands under none", () => {
    const names = Object.values(postgres).flatMap((table) => {
      const { name, columns } = getTableConfig(table);
      return columns.map((column) => [name, column.name] as const);
    });
    expect(names.length).toBeGreaterThan(40);
    expect(names.filter(([table, name]) => COLUMNS[table]?.[name] === undefined)).toEqual([]);
  });

  test("finds no text, name, identity, device, group, seed or invitation anywhere", () => {
    for (const [place, bytes] of played.places)
      expect([place, find(bytes, played.secrets)]).toEqual([place, []]);
  });

  test("finds what it should: the search isn't blind", () => {
    const { places, known } = played;
    for (const place of ["the wire after Noise", "files", "memory"]) {
      const bytes = places.get(place);
      if (bytes === undefined) continue;
      const found = find(bytes, known);
      // Pages of memory are reused: what lies there is what was used last.
      expect([place, place === "memory" ? found.length > 0 : found.length]).toEqual([
        place,
        place === "memory" ? true : known.length,
      ]);
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
function written(): Map<string, Map<string, Seen[]>> {
  const conversations = new Map<string, Map<string, Seen[]>>();
  for (const seen of played.view.commands) {
    const { body, authority } = seen.command;
    if (body.op !== "append" || body.kind !== "plain") continue;
    const author = [...played.wrote].find(([, ids]) => ids.has(body.id.toHex()))?.[0];
    if (author === undefined) continue;
    const key = authority.mailbox.toHex();
    const authors = conversations.get(key) ?? new Map<string, Seen[]>();
    conversations.set(key, authors.set(author, [...(authors.get(author) ?? []), { ...seen, body }]));
  }
  return conversations;
}

describe("members of one conversation", () => {
  test("sign with one key, and their entries differ in no field but random ones and the time", () => {
    const conversations = written();
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
    const lifetimes = [...written().values()].flatMap((authors) =>
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
    for (const authors of written().values()) {
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
