/** The thread of the relay's SQLite store. Requests are done in the order in which they come. */
import { isFault, unreachable } from "../ground/mod.ts";
import { type PackedOutcomes, packOutcomes, transfersOf, unpackBatch } from "./batch_message.ts";
import { reasonOf } from "./fault.ts";
import { SqliteEngine } from "./sqlite_engine.ts";
import type { Numbered, StoreAnswer, StoreRequest } from "./worker_message.ts";

declare const self: Worker;

let engine: SqliteEngine | null = null;

function opened(): SqliteEngine {
  if (engine === null) throw new Error("the store isn't open");
  return engine;
}

type CommitRequest = Extract<StoreRequest, { op: "commit" }>;

function commit({ batch, options }: CommitRequest): PackedOutcomes {
  const commands = unpackBatch(batch);
  return packOutcomes(opened().commit(commands, options), commands);
}

function answer(request: Exclude<StoreRequest, CommitRequest>): unknown {
  switch (request.op) {
    case "open":
      engine = new SqliteEngine(request.file);
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
      opened().probe();
      return null;
    case "close":
      engine?.[Symbol.dispose]();
      engine = null;
      return null;
    default:
      return unreachable(request);
  }
}

function send(message: StoreAnswer, transfers: ArrayBuffer[] = []): void {
  self.postMessage(message, transfers);
}

function done(number: number, request: StoreRequest): void {
  if (request.op === "commit") {
    const outcomes = commit(request);
    send({ number, value: outcomes }, transfersOf(outcomes));
  } else send({ number, value: answer(request) });
}

self.addEventListener("message", ({ data }: MessageEvent<Numbered>) => {
  const { number, request } = data;
  try {
    done(number, request);
  } catch (error) {
    const code = isFault(error) ? error.code : "store/unavailable";
    send({ number, fault: { code, message: reasonOf(error) } });
  }
  // After the answer has left, so that nobody waits for it.
  if (request.op === "commit" || request.op === "open") engine?.tend();
});
