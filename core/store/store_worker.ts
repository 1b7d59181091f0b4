/**
 * The thread of a relay's store. On SQLite requests are done in the order in which they come; on PostgreSQL reads
 * go beside a commit. A store's code is loaded when it is opened, since each relay has one kind.
 */
import { assert, isFault, unreachable } from "../ground/mod.ts";
import { commitApart } from "./apart.ts";
import { packOutcomes, unpackBatch } from "./batch_message.ts";
import type { StoreEngine } from "./engine.ts";
import { reasonOf } from "./fault.ts";
import { LaneMemory } from "./lane.ts";
import type { OtherOutcomes, StoreAnswer, StoreMessage, StorePlace, StoreRequest } from "./worker_message.ts";

declare const self: Worker;

type CommitRequest = Extract<StoreRequest, { op: "commit" }>;

let engine: StoreEngine | null = null;
/** Memory of the front's lanes, by their numbers. */
const lanes = new Map<number, LaneMemory>();
/** Of a batch that is all in its lane. */
const IN_LANE: CommitRequest = { op: "commit", memory: null, others: [] };

async function open(place: StorePlace): Promise<StoreEngine> {
  if (place.kind === "sqlite") {
    const { SqliteEngine } = await import("./sqlite/engine.ts");
    return new SqliteEngine(place.file);
  }
  const { openPostgresEngine } = await import("./postgres/engine.ts");
  return openPostgresEngine(place);
}

function opened(): StoreEngine {
  assert(engine !== null, "the front asks nothing before the store is open");
  return engine;
}

async function commit(number: number, { memory, others }: CommitRequest): Promise<OtherOutcomes> {
  if (memory !== null) lanes.set(number, new LaneMemory(memory));
  const lane = lanes.get(number);
  assert(lane !== undefined, "a lane's first batch brings its memory");
  if (!lane.stays) lanes.delete(number);
  const { batch, options } = unpackBatch(lane, others);
  const outcomes = await commitApart(batch, (part) => opened().commit(part, options));
  return packOutcomes(lane, outcomes, batch);
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
    case "receipts":
      return opened().receipts(request.id, request.readers);
    case "sweep":
      return opened().sweep(request.nowMs);
    case "counts":
      return opened().counts();
    case "claim":
      return opened().claim(request.by);
    case "probe":
      await opened().probe(request.bytes);
      return null;
    case "close":
      await engine?.close();
      engine = null;
      return null;
    default:
      return unreachable(request);
  }
}

function send(message: StoreAnswer): void {
  self.postMessage(message, []);
}

async function handle(number: number, request: StoreRequest): Promise<void> {
  try {
    if (request.op === "commit") {
      const value = await commit(number, request);
      send(value.length === 0 ? number : { number, value });
    } else send({ number, value: await answer(request) });
  } catch (error) {
    const code = isFault(error) ? error.code : "store/unavailable";
    send({ number, fault: { code, message: reasonOf(error) } });
  }
  // After the answer has left, so that nobody waits for it.
  if (request.op === "commit" || request.op === "sweep") engine?.tend();
  // What loading left behind; from here on the thread makes little.
  if (request.op !== "open") return;
  Bun.gc(true);
  Bun.shrink();
}

self.addEventListener("message", ({ data }: MessageEvent<StoreMessage>) => {
  if (typeof data === "number") void handle(data, IN_LANE);
  else void handle(data.number, data.request);
});
