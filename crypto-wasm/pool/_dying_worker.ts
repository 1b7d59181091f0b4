/** For tests: the pool's worker, that dies when a ceremony's last step comes. */
import type { PoolRequest } from "./message.ts";
export * from "./worker.ts";

declare const self: Worker;

// Ahead of the worker's own listener, which never sees it.
self.addEventListener(
  "message",
  ({ data }: MessageEvent<PoolRequest>) => {
    if (data.task.op === "finish") process.exit(1);
  },
  { capture: true },
);
