import { expect, test } from "bun:test";
import { openTogether } from "./together.ts";

function opened(name: string, log: string[]): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => void log.push(name) };
}

test("openTogether() closes what opened when the other failed", async () => {
  const log: string[] = [];
  const failing = async (): Promise<void> => {
    await using stack = new AsyncDisposableStack();
    const late = Bun.sleep(5).then(() => opened("late", log));
    await openTogether(stack, [Promise.reject(new Error("no")), late]);
  };
  await expect(failing()).rejects.toThrow("no");
  expect(log).toEqual(["late"]);
});

test("openTogether() closes in the reverse of the order given, whichever opened first", async () => {
  const log: string[] = [];
  {
    await using stack = new AsyncDisposableStack();
    const slow = Bun.sleep(5).then(() => opened("first", log));
    await openTogether(stack, [slow, Promise.resolve(opened("second", log))]);
  }
  expect(log).toEqual(["second", "first"]);
});
