/**
 * A thread that verifies batches and takes the large steps of FROST's ceremonies. A ceremony's state stays in its
 * module's memory; requests and answers are done in the order in which they come.
 */
import type { FrostMembership, DistributedKeyGeneration, Frost } from "../frost/mod.ts";
import { CryptoError } from "../error.ts";
import { finishReshare, frostOn } from "../frost/mod.ts";
import { openWasm, type Wasm } from "../wasm/mod.ts";
import {
  bytesOf,
  failureOf,
  type Moved,
  type MovedMembership,
  type PoolAnswer,
  type PoolRequest,
  type PoolTask,
} from "./message.ts";
import { unpackSigned } from "./pack.ts";

declare const self: Worker;

const ceremonies = new Map<number, DistributedKeyGeneration>();
let wasm: Wasm | undefined;
let frost: Frost | undefined;

/** Opens the module when the first request comes, whose build all others share. */
function opened(build: PoolRequest["build"]): { readonly wasm: Wasm; readonly frost: Frost } {
  wasm ??= openWasm({ build });
  frost ??= frostOn(wasm.runtime);
  return { wasm, frost };
}

function ceremony(number: number): DistributedKeyGeneration {
  const found = ceremonies.get(number);
  if (found === undefined) throw new CryptoError("disposed", "This key generation has ended");
  return found;
}

function end(number: number): void {
  ceremonies.get(number)?.[Symbol.dispose]();
  ceremonies.delete(number);
}

type Answered = Omit<Extract<PoolAnswer, { value: unknown }>, "number">;

function nothing(): Answered {
  return { value: null, bytes: [] };
}

/** Writes out what a ceremony ended in, and keeps nothing of it. */
function moved(membership: FrostMembership): Answered {
  using share = membership.share;
  using group = membership.group;
  const secret = share.exportSecret();
  const value: MovedMembership = { share: Uint8Array.from(secret), group: Uint8Array.from(group.encoded) };
  secret.fill(0);
  return { value, bytes: [value.share, value.group] };
}

/** Does `work` and wipes `secrets`, which have moved here for it. */
function wiping<T>(secrets: readonly Uint8Array[], work: () => T): T {
  try {
    return work();
  } finally {
    for (const secret of secrets) secret.fill(0);
  }
}

function begin(number: number, on: Frost, task: Extract<PoolTask, { op: "begin" }>): Answered {
  const part = on.generate(task.agreed, task.member);
  ceremonies.set(number, part);
  const commitment = Uint8Array.from(part.commitment);
  return { value: commitment, bytes: [commitment] };
}

function share(task: Extract<PoolTask, { op: "share" }>): Answered {
  const value: Moved = new Map();
  for (const [to, message] of ceremony(task.ceremony).share(task.commitments)) {
    value.set(to, Uint8Array.from(message));
    message.fill(0);
  }
  return { value, bytes: bytesOf(value) };
}

function finish(task: Extract<PoolTask, { op: "finish" }>): Answered {
  const membership = wiping(bytesOf(task.shares), () => ceremony(task.ceremony).finish(task.shares));
  end(task.ceremony);
  return moved(membership);
}

function reshare(on: Frost, task: Extract<PoolTask, { op: "reshare" }>): Answered {
  return wiping(bytesOf(task.shares), () => {
    using group = on.importGroup(task.reshare.group);
    const { member, commitments, shares } = task;
    return moved(finishReshare({ ...task.reshare, group }, { member, commitments, shares }));
  });
}

function close(): Answered {
  for (const number of ceremonies.keys()) end(number);
  process.exit(0);
}

function done({ number, build, task }: PoolRequest): Answered {
  if (task.op === "close") return close();
  if (task.op === "drop") {
    end(task.ceremony);
    return nothing();
  }
  const on = opened(build);
  switch (task.op) {
    case "verify":
      return { value: on.wasm.ed25519.verifyBatch(unpackSigned(task.packed)), bytes: [] };
    case "begin":
      return begin(number, on.frost, task);
    case "share":
      return share(task);
    case "finish":
      return finish(task);
    case "accept":
      return wiping([task.message], () =>
        moved(on.frost.accept(task.agreed, { member: task.member, message: task.message })),
      );
    case "reshare":
      return reshare(on.frost, task);
    default:
      return task satisfies never;
  }
}

function answer(request: PoolRequest): void {
  try {
    const { value, bytes } = done(request);
    const answered: PoolAnswer = { number: request.number, value, bytes };
    self.postMessage(
      answered,
      bytes.map((each) => each.buffer),
    );
  } catch (error) {
    self.postMessage({ number: request.number, failure: failureOf(error) } satisfies PoolAnswer, []);
  }
}

self.addEventListener("message", ({ data }: MessageEvent<PoolRequest>) => answer(data));
