import { expect, test } from "bun:test";
import type { JoinedProcess } from "../edge/mod.ts";
import { type EdgeOptions, Place } from "./edge_processes.ts";

const TIMEOUT_MS = 20_000;

test("a place gets another process where one can't be joined, and where one ended", async () => {
  const problems: string[] = [];
  const options = {
    command: ["sleep", "100"],
    env: process.env,
    telemetry: {
      log: { info() {} },
      error: (_: string, error: Error) => problems.push(error.message),
      metrics: { edgeProcess() {} },
    },
  } as unknown as EdgeOptions;
  const first = Promise.withResolvers<string>();
  const third = Promise.withResolvers<void>();
  let joins = 0;
  const listener = {
    accepting: true,
    async join(): Promise<JoinedProcess> {
      joins++;
      if (joins === 2) throw new Error("no pipe");
      if (joins === 3) third.resolve();
      const ended = joins === 1 ? first.promise : new Promise<string>(() => undefined);
      return { ended, listening: Promise.resolve() } as unknown as JoinedProcess;
    },
  };
  {
    await using place = new Place(1, listener, options);
    await place.fill();
    first.resolve("its pipe broke");
    await Promise.race([third.promise, Bun.sleep(TIMEOUT_MS)]);
    expect(joins).toBe(3);
  }
  expect(problems).toEqual([expect.stringContaining("its pipe broke"), "no pipe"]);
});
