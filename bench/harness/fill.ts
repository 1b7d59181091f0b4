/**
 * Fills a relay's store to a size that clients would take hours for: the commands that they would send go through
 * the store's own commits, decisions, leaves and fsyncs included. Only the network and the checking of signatures
 * are left out.
 */
import { type Crypto, openCrypto } from "@dchat/crypto-wasm";
import {
  entryId,
  hash,
  isFault,
  limit,
  publicKey,
  type PublicKey,
  signature,
} from "../../core/ground/mod.ts";
import type { MailboxStore } from "../../core/mailbox/mod.ts";
import { openStore, type StoreLocation } from "../../core/store/mod.ts";
import { type CheckedCommand, type CommandBody, GENERATION_FIRST } from "../../core/wire/mod.ts";
import { openPopulation, type Population, type Resident } from "../load/population.ts";

/** Far more than a relay's own batches hold for SQLite; PostgreSQL must answer one within a deadline. */
const BATCH = 1024;
const POSTGRES_BATCH = 256;
/** Again, where the database was too slow to answer: what was kept answers alike. */
const TRIES = 5;
const AGAIN_MS = 2000;
/** The next batches are made and packed while one is committed. */
const UNDER_WAY = 3;
/**
 * Entries come to so many mailboxes in turn: their bodies lie far from one another, as those of real ones do, and
 * the store's writer remembers the mailboxes, without which filling would take as long as the load.
 */
const GROUP = 2048;
const BYTES = 1024;
const UNSIGNED = signature(new Uint8Array(64));
const NO_STATEMENT = new Uint8Array(0);

export interface Amount {
  readonly mailboxes: number;
  readonly entries: number;
}

export interface Filling extends StoreLocation {
  readonly relay: PublicKey;
  /** How far it was filled before. */
  readonly from: Amount;
  readonly to: Amount;
  /** The database's bytes on disk; asked when nobody has it open. */
  readonly bytes: () => number | Promise<number>;
  readonly progress: (text: string) => void;
}

export interface Filled {
  /** What the new mailboxes took on disk, and what the new entries did. */
  readonly mailboxesBytes: number;
  readonly entriesBytes: number;
}

/** Brings a store that nobody has open from one amount to another; entries are spread evenly. */
export async function fill(filling: Filling): Promise<Filled> {
  await using crypto = await openCrypto({ needs: [] });
  const population = openPopulation(crypto, filling.relay);
  const { from, to, bytes } = filling;
  const emptyBytes = await bytes();
  await commitAll(filling, "mailboxes", creates(population, from.mailboxes, to.mailboxes));
  const mailboxesBytes = (await bytes()) - emptyBytes;
  await commitAll(filling, "entries", appends({ crypto, population, from, to }));
  return { mailboxesBytes, entriesBytes: (await bytes()) - emptyBytes - mailboxesBytes };
}

function* creates(population: Population, from: number, to: number): Generator<CheckedCommand> {
  for (let number = from; number < to; number++) {
    const resident = population(number);
    yield command(resident, resident.owner, { body: resident.create, entryHash: null });
  }
}

interface Appends {
  readonly crypto: Crypto;
  readonly population: Population;
  readonly from: Amount;
  readonly to: Amount;
}

/** Mailboxes that are new get as many as the others have, and then all get as many more. */
function* appends({ crypto, population, from, to }: Appends): Generator<CheckedCommand> {
  const each = to.entries / to.mailboxes;
  const before = from.mailboxes === 0 ? 0 : from.entries / from.mailboxes;
  for (let first = 0; first < to.mailboxes; first += GROUP) {
    const last = Math.min(first + GROUP, to.mailboxes);
    for (let round = 0; round < each; round++) {
      for (let number = first; number < last; number++) {
        if (number < from.mailboxes && round < before) continue;
        const resident = population(number);
        const entry = crypto.random.bytes(BYTES);
        const body = {
          op: "append",
          id: entryId(crypto.random.bytes(16)),
          turn: 0,
          kind: "plain",
          slot: 0,
          change: null,
          entry,
        } as const;
        yield command(resident, resident.writer, { body, entryHash: hash(crypto.hash.sha256(entry)) });
      }
    }
  }
}

function command(
  { mailbox }: Resident,
  key: Resident["owner"],
  { body, entryHash }: { body: CommandBody; entryHash: CheckedCommand["entryHash"] },
): CheckedCommand {
  const authority = {
    mailbox,
    generation: GENERATION_FIRST,
    notAfterMs: Date.now() + limit.COMMAND_LIFETIME_MS_MAX / 2,
    key: publicKey(key.publicKey),
    signature: UNSIGNED,
  };
  return { authority, body, statement: NO_STATEMENT, authentic: true, entryHash };
}

/** Commits all in order; the store is open for that long only. */
async function commitAll(
  filling: Filling,
  what: keyof Amount,
  commands: Iterator<CheckedCommand>,
): Promise<void> {
  const wanted = filling.to[what];
  const size = filling.url === null ? BATCH : POSTGRES_BATCH;
  await using store = await openStore(filling);
  const underWay: Promise<void>[] = [];
  let done = filling.from[what];
  for (let batch = take(commands, size); batch.length > 0; batch = take(commands, size)) {
    if (underWay.length === UNDER_WAY) await underWay.shift();
    underWay.push(commit(store, batch));
    done += batch.length;
    if (done % (BATCH * 64) < size) filling.progress(`${done} of ${wanted} ${what}`);
  }
  await Promise.all(underWay);
}

function take(commands: Iterator<CheckedCommand>, size: number): CheckedCommand[] {
  const batch: CheckedCommand[] = [];
  while (batch.length < size) {
    const next = commands.next();
    if (next.done === true) break;
    batch.push(next.value);
  }
  return batch;
}

async function commit(store: MailboxStore, batch: readonly CheckedCommand[]): Promise<void> {
  const outcomes = await kept(store, batch);
  const other = outcomes.find(({ is }) => is !== "created" && is !== "appended");
  if (other !== undefined) throw new Error(`a store that is filled answered ${JSON.stringify(other)}`);
}

async function kept(store: MailboxStore, batch: readonly CheckedCommand[]) {
  for (let tries = 1; ; tries++) {
    try {
      return await store.commit(batch, { nowMs: Date.now(), ttlMsMax: limit.ENTRY_TTL_MS_MAX });
    } catch (error) {
      if (tries >= TRIES || !isFault(error)) throw error;
      await Bun.sleep(AGAIN_MS);
    }
  }
}
