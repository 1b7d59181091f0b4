/** Two clients in this process on a real relay, whose sessions a test may bend: for relays and members that lie. */
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type ClientOptions, type DialRelay, type RelaySession } from "../../core/client/mod.ts";
import type { DeviceStore } from "../../core/conversation/mod.ts";
import { openDeviceStore } from "../../core/store/client/mod.ts";
import { clock, type Devices } from "./device.ts";
import { crypto, makeParty, mls } from "./party.ts";

type Dialled = Awaited<ReturnType<DialRelay>>;

/** A device's database and the keys that it was opened with. */
interface Backup {
  readonly keys: ReturnType<typeof makeParty>;
  readonly database: Uint8Array;
}

export interface Chatter extends AsyncDisposable {
  readonly client: Client;
  readonly store: DeviceStore;
  readonly alarms: readonly string[];
  readonly failures: readonly unknown[];
  readonly offline: readonly string[];
  readonly joined: readonly string[];
  /** What a backup of the device has, as it is now. */
  backUp(): Backup;
  /** Passes each session through `bend` from now on. */
  bend(bend: (session: Dialled) => Partial<RelaySession>): void;
}

/** A device of a fresh identity. */
export async function openChatter(
  devices: Devices,
  {
    from,
    ...options
  }: Partial<Pick<ClientOptions, "followed" | "clock" | "relayMsMax">> & { from?: Backup } = {},
): Promise<Chatter> {
  const dir = mkdtempSync(join(tmpdir(), "dchat-chatter-"));
  const path = join(dir, "device.db");
  if (from !== undefined) await Bun.write(path, from.database);
  const store = await openDeviceStore({ path, crypto, passphrase: null });
  const keys = from?.keys ?? makeParty();
  const alarms: string[] = [];
  const failures: unknown[] = [];
  const offline: string[] = [];
  const joined: string[] = [];
  let bending: (session: Dialled) => Partial<RelaySession> = () => ({});
  const dial: DialRelay = async ({ addresses, relay }) => {
    const device = await devices.connect(addresses[0] ?? "", { relay });
    const { session } = device;
    const plain: Dialled = {
      relay: session.relay,
      certificate: session.certificate,
      ttlMsMax: session.ttlMsMax,
      skewMs: session.skewMs,
      closed: session.closed,
      command: (body, signing, options) => session.command(body, signing, options),
      read: (range, signing, options) => session.read(range, signing, options),
      take: (take, signing, options) => session.take(take, signing, options),
      subscribe: (from, signing, sink) => session.subscribe(from, signing, sink),
      [Symbol.asyncDispose]: () => device[Symbol.asyncDispose](),
    };
    return { ...plain, ...bending(plain) };
  };
  const client = new Client({
    clock,
    ...options,
    store,
    crypto,
    mls,
    keys,
    identity: keys.identity,
    dial,
    events: {
      alarm: (_, what) => alarms.push(what),
      offline: (_, why) => offline.push(why),
      joined: (name) => joined.push(name),
      skewed: () => undefined,
      failed: (_, error) => failures.push(error),
    },
  });
  return {
    client,
    store,
    alarms,
    failures,
    offline,
    joined,
    backUp: () => {
      using database = new Database(path, { readonly: true });
      return { keys, database: database.serialize() };
    },
    bend: (bend) => {
      bending = bend;
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface Pair extends AsyncDisposable {
  readonly ann: Chatter;
  readonly bob: Chatter;
}

/** Ann has invited Bob, and both have joined. */
export async function openPair(
  devices: Devices,
  address: string,
  options: Parameters<typeof openChatter>[1] = {},
): Promise<Pair> {
  const [ann, bob] = [await openChatter(devices, options), await openChatter(devices, options)];
  const { uri } = await ann.client.invite({ name: "bob", addresses: [address] });
  await bob.client.accept({ uri, name: "ann" });
  await ann.client.sync();
  return {
    ann,
    bob,
    async [Symbol.asyncDispose]() {
      await ann[Symbol.asyncDispose]();
      await bob[Symbol.asyncDispose]();
    },
  };
}

/** What was said with `name`, in the order of the log. */
export async function texts(chatter: Chatter, name: string): Promise<string[]> {
  return (await chatter.client.history(name)).map(({ text }) => text);
}
