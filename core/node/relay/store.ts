/** A relay's store and its keys, which belong together: mailboxes are those of one identity. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { Fault, isFault, type PublicKey } from "../../ground/mod.ts";
import type { MailboxStore } from "../../mailbox/mod.ts";
import { locationName, openStore, type StoreLocation } from "../../store/mod.ts";
import type { Log } from "../../telemetry/mod.ts";
import type { Config } from "../config.ts";
import type { DataDirCode } from "../data_dir.ts";
import { openRelayKeys, type RelayKeys, type RelayKeysOptions, requireSameRelay } from "./keys.ts";

/** Where the mailboxes of a relay are whose data directory is `dataDir`. */
export function storeLocation({ database }: Config, dataDir: string): StoreLocation {
  return { url: database.url ?? null, path: join(dataDir, "relay.sqlite") };
}

/** Null where there is no file, or none that can be looked at: whoever opens it says why. */
function sizeOf(path: string): number | null {
  try {
    return statSync(path).size;
  } catch {
    return null;
  }
}

/** Throws Fault<"data/emptied"> where the file is there without a byte, in the directory of a relay that has run. */
export function refuseEmptied({ url, path }: StoreLocation, dataDir: string): void {
  if (url !== null || sizeOf(path) !== 0) return;
  // Before a relay has keys, its first start may have been cut short in making the file.
  if (!existsSync(join(dataDir, "identity.json"))) return;
  throw new Fault<DataDirCode>(
    "data/emptied",
    `Cannot use ${path}: it is empty, and a relay's database never is`,
  );
}

/** How long a relay that starts waits for one to go that works on its database: a restart may overlap so much. */
const HANDOVER_MS = 5_000;

/** Opens a relay's store for it alone. Throws what openStore throws, Fault<"store/busy"> where another relay stays. */
export async function openOwnStore(location: StoreLocation, log: Pick<Log, "warn">): Promise<MailboxStore> {
  try {
    return await openStore(location, { aloneMs: 0 });
  } catch (error) {
    if (!isFault(error, "store/busy")) throw error;
    log.warn(`${error.message}; waiting ${HANDOVER_MS / 1000} s for it to go`);
  }
  return openStore(location, { aloneMs: HANDOVER_MS });
}

/** Whose the store is, or what is said of the note where that is damaged. */
async function notedIn(store: MailboxStore): Promise<{ relay: PublicKey | null; damage: string | null }> {
  try {
    return { relay: await store.claim(null), damage: null };
  } catch (error) {
    if (!isFault(error, "store/corrupt")) throw error;
    return { relay: null, damage: error.message };
  }
}

/**
 * Opens the relay's keys, sure that the store is this relay's: noted in it where nobody has said so before. Throws
 * what openRelayKeys throws.
 */
export async function openOwnKeys(
  store: MailboxStore,
  options: RelayKeysOptions & { readonly config: Config; readonly log: Pick<Log, "warn"> },
): Promise<RelayKeys> {
  const { dataDir } = options;
  const name = locationName(storeLocation(options.config, dataDir));
  const { relay, damage } = await notedIn(store);
  // Where the note is damaged, there was a relay: without its keys none is made.
  const holdsMailboxes = async () => damage !== null || (await store.counts()).mailboxes > 0;
  const keys = await openRelayKeys({ ...options, store: { name, holdsMailboxes, relay } });
  try {
    // Two nodes with identities of their own may have started on an empty database: the first one has it.
    const first = await store.claim(keys.identity);
    requireSameRelay({ name, relay: first }, { dataDir, identity: keys.identity });
    if (damage !== null) {
      options.log.warn(`${damage}; it was of the identity in ${dataDir} all the same, and is noted anew`);
    }
    return keys;
  } catch (error) {
    keys[Symbol.dispose]();
    throw error;
  }
}
