/** Plays a relay over a journey of three people and three conversations, and gathers all that it has afterwards. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Crypto, openCrypto } from "@dchat/crypto-wasm";
import { requireOrSkip } from "../harness/require.ts";
import { spawnRelay, type SpawnedRelay } from "../harness/relay.ts";
import { inviteNeedles, journey, knownTo, NAMES, type People } from "./people.ts";
import { mayReadMemory, memoryOf, type Needle } from "./scan.ts";
import { openStored, type StoreKind } from "./stored.ts";
import { readView, type View } from "./view.ts";

const root = resolve(import.meta.dir, "../..");

/** Everything that the relay has, and everything that it must not have. */
export interface Played {
  readonly view: View;
  /** What lies around, by where. */
  readonly places: ReadonlyMap<string, Buffer>;
  readonly columns: ReadonlyMap<string, readonly string[]>;
  readonly secrets: readonly Needle[];
  /** What it must have: that these are found shows that the search finds. */
  readonly known: readonly Needle[];
  readonly wrote: ReadonlyMap<string, ReadonlySet<string>>;
  readonly people: People;
}

/** `rounds` texts each way in each conversation, on a relay with a store of `kind`. What it leaves goes with `stack`. */
export async function play(
  stack: AsyncDisposableStack,
  { kind, rounds }: { readonly kind: StoreKind; readonly rounds: number },
): Promise<Played> {
  const crypto = stack.use(await openCrypto({ needs: [] }));
  const dir = mkdtempSync(join(tmpdir(), "dchat-spy-"));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const spyFile = join(dir, "spy.jsonl");
  const dataDir = join(dir, "relay");
  await using stored = await openStored(kind);
  await using relay = await spawnRelay({
    dataDir,
    command: [process.execPath, join(root, "test/privacy/spy_relay.ts"), "relay"],
    args: ["--log-level", "trace", "--log-format", "json"],
    env: { ...stored.env, DCHAT_SPY_FILE: spyFile },
  });
  const people = stack.use(await journey(relay.address, rounds));
  const view = readView(readFileSync(spyFile, "utf8"), crypto.hash);
  const places = new Map([
    ["the wire after Noise", wireOf(view)],
    ...(await placesOf(relay)),
    ...(await stored.places()),
  ]);
  const { secrets, wrote } = await secretsOf(crypto, people);
  const known = [...new Set(view.commands.map(({ command }) => command.authority.mailbox.toHex()))].map(
    (hex): Needle => ({ name: `mailbox ${hex.slice(0, 8)}`, bytes: Uint8Array.fromHex(hex) }),
  );
  return { view, places, columns: await stored.columns(dataDir), secrets, known, wrote, people };
}

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
