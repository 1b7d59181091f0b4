/**
 * A process that appends to a store for as long as it lives and says on standard output what was acknowledged,
 * one line an entry: `ack MAILBOX SEQ LEAF`. A refusal is `refused CODE MESSAGE`, and what a probe says then is
 * `probe MESSAGE`. Arguments: the database's URL or "", the SQLite file, appends in a batch,
 * and how many batches.
 */
import { writeSync } from "node:fs";
import { isFault } from "../../core/ground/mod.ts";
import { Owner, TTL_MS_MAX } from "../../core/store/conformance/data.ts";
import { openStore } from "../../core/store/mod.ts";

const MAILBOXES = 3;
const RETRY_MS = 50;
/** What Owner.append() appends. */
const BODY_BYTES = 1024;

const [url = "", path = "", batch = "1", batches = "0"] = process.argv.slice(2);
/** Appends in a batch, and batches until it ends by itself; 0 for no end. */
const load = { batch: Number(batch), batches: Number(batches) };

function say(text: string): void {
  writeSync(1, `${text}\n`);
}

function told(error: unknown): string {
  return isFault(error) ? `${error.code} ${error.message}` : `unexpected ${String(error)}`;
}

const store = await openStore({ url: url === "" ? null : url, path });
const owners = Array.from({ length: MAILBOXES }, () => new Owner());
const nowMs = Date.now();
await store.commit(
  owners.map((owner) => owner.create(nowMs)),
  { nowMs, ttlMsMax: TTL_MS_MAX },
);
say("open");
for (let round = 0; load.batches === 0 || round < load.batches; round += 1) {
  const time = Date.now();
  const commands = Array.from({ length: load.batch }, (_, at) => {
    const owner = owners[(round + at) % MAILBOXES];
    return owner?.append({ nowMs: time });
  }).filter((command) => command !== undefined);
  try {
    const outcomes = await store.commit(commands, { nowMs: time, ttlMsMax: TTL_MS_MAX });
    const lines = outcomes.map((outcome) =>
      outcome.is === "appended"
        ? `ack ${outcome.mailbox.toHex()} ${outcome.entry.seq} ${outcome.entry.leaf.toHex()}`
        : `refused mailbox/${outcome.is} `,
    );
    say(lines.join("\n"));
  } catch (error) {
    say(`refused ${told(error)}`);
    say(`probe ${await store.probe(load.batch * BODY_BYTES).then(() => "ok", told)}`);
    await Bun.sleep(RETRY_MS);
  }
}
await store[Symbol.asyncDispose]();
say("closed");
