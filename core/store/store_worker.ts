/**
 * The thread of a relay's store. On SQLite requests are done in the order in which they come; on PostgreSQL reads
 * go beside a commit. A store's code is loaded when it is opened, since each relay has one kind.
 */
import { assert, isFault, unreachable } from "../ground/mod.ts";
import { type PackedOutcomes, packOutcomes, transfersOf, unpackBatch } from "./batch_message.ts";
import type { StoreEngine } from "./engine.ts";
import { reasonOf } from "./fault.ts";
import type { Numbered, StoreAnswer, StorePlace, StoreRequest } from "./worker_message.ts";

declare const self: Worker;

type CommitRequest = Extract<StoreRequest, { op: "commit" }>;

let engine: StoreEngine | null = null;

async function open(place: StorePlace): Promise<StoreEngine> {
  if (place.kind === "sqlite") {
    const { SqliteEngine } = await import("./sqlite_engine.ts");
    return new SqliteEngine(place.file);
  }
  const { openPostgresEngine } = await import("./postgres_engine.ts");
  return openPostgresEngine(place.url);
}

function opened(): StoreEngine {
  assert(engine !== null, "the front asks nothing before the store is open");
  return engine;
}

async function commit({ batch, options }: CommitRequest): Promise<PackedOutcomes> {
  const commands = unpackBatch(batch);
  return packOutcomes(await opened().commit(commands, options), commands);
}

async function answer(request: Exclude<StoreRequest, CommitRequest>): Promise<unknown> {
  switch (request.op) {
    case "open":
      engine = await open(request.place);
      return null;
    case "mailbox":
      return opened().mailbox(request.id);
    case "read":
      return opened().read(request.id, request.range);
    case "nodes":
      return opened().nodes(request.id, request.wanted);
    case "sweep":
      return opened().sweep(request.nowMs);
    case "counts":
      return opened().counts();
    case "probe":
      await opened().probe();
      return null;
    case "close":
      await engine?.close();
      engine = null;
      return null;
    default:
      return unreachable(request);
  }
}

function send(message: StoreAnswer, transfers: ArrayBuffer[] = []): void {
  self.postMessage(message, transfers);
}

async function handle({ number, request }: Numbered): Promise<void> {
  try {
    if (request.op === "commit") {
      const value = await commit(request);
      send({ number, value }, transfersOf(value));
    } else send({ number, value: await answer(request) });
  } catch (error) {
    const code = isFault(error) ? error.code : "store/unavailable";
    send({ number, fault: { code, message: reasonOf(error) } });
  }
  // After the answer has left, so that nobody waits for it.
  if (request.op === "commit") engine?.tend();
  // What loading left behind; from here on the thread makes little.
  if (request.op !== "open") return;
  Bun.gc(true);
  Bun.shrink();
}

self.addEventListener("message", ({ data }: MessageEvent<Numbered>) => void handle(data));
