/** `dchat database migrate|status|check|backup|restore|export|import`. */
import {
  backupDatabase,
  checkDatabase,
  type DatabaseOptions,
  databaseStatus,
  exportDatabase,
  importDatabase,
  migrateDatabase,
  restoreDatabase,
} from "@dchat/core/node/mod.ts";
import { requireVersion } from "@dchat/core/store/mod.ts";
import { z } from "zod";
import {
  type ArgTable,
  command,
  type Context,
  exit,
  isReaderGone,
  jsonArg,
  readerGone,
} from "./frame/mod.ts";

const place = {
  dataDir: {
    type: "string",
    setting: "relay.data_dir",
    valueHint: "DIR",
    description: "The relay's data directory; its mailboxes are in relay.sqlite there",
  },
  url: {
    type: "string",
    setting: "database.url",
    valueHint: "URL",
    description:
      "The relay's PostgreSQL database, in place of SQLite; with a password, set DCHAT_DATABASE_URL in its place",
  },
} satisfies ArgTable;

async function options(context: Context): Promise<DatabaseOptions> {
  const { config, warnings } = await context.config();
  for (const warning of warnings) context.note(`${context.err.style.warn("warning")}  ${warning}`);
  return { config, env: context.env, nowMs: Date.now() };
}

function held(counts: { mailboxes: number; entries: number; bytes: number }): string {
  return `${counts.mailboxes} mailboxes hold ${counts.entries} entries of ${counts.bytes} bytes`;
}

export const status = command({
  about:
    "Shows which database the relay keeps mailboxes in, the version of its schema, and how much it holds. Exits 1 where the schema is newer than this dchat knows.",
  args: { ...place, ...jsonArg },
  input: z.strictObject({ json: z.boolean() }),
  examples: [{ line: "dchat database status", does: "The database of this machine's relay." }],
  async run({ json }, context) {
    const found = await databaseStatus(await options(context));
    if (json) context.json(found);
    else {
      const { kind, where, version, known, counts } = found;
      const state =
        version === known ? "current" : version === 0 ? "not made yet" : `this dchat knows ${known}`;
      context.print(`${kind}  ${where}`);
      context.print(`schema  version ${version}, ${state}`);
      if (counts !== null) context.print(held(counts));
    }
    // An older one is what `migrate` is for; with a newer one nothing here can be done.
    if (found.version > found.known) requireVersion(found.where, found.version, found.known);
    return exit.done;
  },
});

export const migrate = command({
  about:
    "Brings the schema up to what this dchat knows, with the relay stopped. A SQLite file is copied beside itself first. A relay does this by itself for SQLite; a PostgreSQL database it refuses until this was run.",
  args: { ...place, ...jsonArg },
  input: z.strictObject({ json: z.boolean() }),
  examples: [{ line: "dchat database migrate", does: "After an upgrade, before the relay starts." }],
  async run({ json }, context) {
    const migrations = await migrateDatabase(await options(context));
    if (json) context.json({ migrations });
    else
      context.print(
        migrations === 0
          ? "The schema is current."
          : `Ran ${migrations} ${migrations === 1 ? "migration" : "migrations"}.`,
      );
    return exit.done;
  },
});

export const check = command({
  about:
    "Goes through everything that is stored, also while the relay runs: sequence numbers, leaf hashes, Merkle heads, bodies and checksums of every mailbox. Names what is damaged and exits 1.",
  args: { ...place, ...jsonArg },
  input: z.strictObject({ json: z.boolean() }),
  examples: [{ line: "dchat database check", does: "After a fault of the disk, or now and then." }],
  async run({ json }, context) {
    const found = await checkDatabase(await options(context));
    if (json) context.json(found);
    else {
      for (const what of found.damage) context.print(`${context.out.style.bad("damaged")}  ${what}`);
      if (found.damage.length === 0) context.print(`${context.out.style.good("sound")}  ${held(found)}`);
    }
    return found.damage.length === 0 ? exit.done : exit.failed;
  },
});

const file = {
  file: { type: "positional", required: true, valueHint: "FILE", description: "The backup" },
} satisfies ArgTable;

export const backup = command({
  about:
    "Writes everything that is stored to FILE, from one snapshot, while the relay may run. The file is the same for SQLite and PostgreSQL. It isn't sealed: keep it as the database itself. The relay's keys are not in it; copy identity.json, node.json and head.json of the data directory as well.",
  args: { ...file, ...place, ...jsonArg },
  input: z.strictObject({ file: z.string(), json: z.boolean() }),
  examples: [{ line: "dchat database backup mailboxes.jsonl", does: "Back up this machine's relay." }],
  async run({ file: path, json }, context) {
    const records = await backupDatabase({ ...(await options(context)), file: path });
    if (json) context.json({ file: path, records });
    else context.print(`Wrote ${records} records to ${path}.`);
    return exit.done;
  },
});

export const restore = command({
  about:
    "Fills the empty store of a stopped relay from a backup. Every mailbox starts its next generation, so that clients notice and send again what came after the backup. A file that is damaged, or another relay's, is refused, and then nothing is stored.",
  args: { ...file, ...place, ...jsonArg },
  input: z.strictObject({ file: z.string(), json: z.boolean() }),
  examples: [{ line: "dchat database restore mailboxes.jsonl", does: "Restore, then start the relay." }],
  async run({ file: path, json }, context) {
    const restored = await restoreDatabase({ ...(await options(context)), file: path });
    if (json) context.json(restored);
    else context.print(`Restored: ${held(restored)}, each in its next generation.`);
    return exit.done;
  },
});

export const exportAll = command({
  about:
    "Writes everything that is stored to standard output, from one snapshot, for `dchat database import` into another database. Generations stay, so stop the relay first, and once the import is done never start it on the old database again. While one works on it, what comes out is a backup, which import refuses and `dchat database restore` takes.",
  args: place,
  input: z.strictObject({}),
  examples: [
    {
      line: "dchat database export | dchat database import --url postgres://dchat@db/dchat",
      does: "From SQLite to PostgreSQL; the data directory, with the relay's keys, stays.",
    },
    { line: "dchat database export > mailboxes.jsonl", does: "The same in two steps." },
  ],
  async run(_, context) {
    const sink = (bytes: Uint8Array): Promise<void> => {
      try {
        context.out.deliver(bytes);
        return Promise.resolve();
      } catch (error) {
        // Others end in peace when a reader has seen enough; what was moved in part isn't moved.
        throw isReaderGone(error) ? readerGone("the export", error) : error;
      }
    };
    const { records, busy } = await exportDatabase({ ...(await options(context)), sink });
    context.note(
      busy === null
        ? `Exported ${records} records. Once they are imported elsewhere, never start a relay on this database again; until then it is the only one.`
        : `Wrote ${records} records as a backup, since ${busy}. To move, stop it and export again.`,
    );
    return exit.done;
  },
});

export const importAll = command({
  about:
    "Fills the empty store of a stopped relay from an export on standard input. Generations stay. Nothing is locked but that store: with --url, a relay may run in the data directory.",
  args: { ...place, ...jsonArg },
  input: z.strictObject({ json: z.boolean() }),
  examples: [
    {
      line: "dchat database export --data-dir OLD | dchat database import --data-dir NEW --url URL",
      does: "From the SQLite of one directory to the PostgreSQL of a relay in another.",
    },
    { line: "dchat database import < mailboxes.jsonl", does: "Fill the store of this machine's relay." },
  ],
  async run({ json }, context) {
    const imported = await importDatabase({ ...(await options(context)), source: Bun.stdin.stream() });
    if (json) context.json(imported);
    else context.print(`Imported: ${held(imported)}.`);
    context.note(
      "From here on start the relay on this database, and never again on the one that it came from.",
    );
    return exit.done;
  },
});
