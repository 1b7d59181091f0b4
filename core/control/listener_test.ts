import { describe, expect, test } from "bun:test";
import { loseListener } from "../../test/harness/listening.ts";
import { requireOrSkip } from "../../test/harness/require.ts";
import { isFault } from "../ground/mod.ts";
import { type ControlLog, openListener } from "./listener.ts";

const silent: ControlLog = { warn() {}, info() {}, error() {} };
const here = { name: "the API", host: "127.0.0.1", log: silent };
const hello = (): Response => new Response("hello");

function bindError(port: number, host = "127.0.0.1"): string {
  try {
    void openListener({ ...here, host, port, fetch: hello })[Symbol.asyncDispose]();
  } catch (error) {
    return isFault(error, "control/bind") ? error.message : String(error);
  }
  return "bound";
}

describe("openListener()", () => {
  test("takes a free port and says which", async () => {
    await using listener = openListener({ ...here, port: 0, fetch: hello });
    expect(listener.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await (await fetch(listener.url)).text()).toBe("hello");
  });

  test("names address and reason where it can't bind", async () => {
    await using listener = openListener({ ...here, port: 0, fetch: hello });
    const { port } = new URL(listener.url);
    expect(bindError(Number(port))).toBe(`Cannot listen on 127.0.0.1:${port} for the API: the port is taken`);
    expect(bindError(0, "192.0.2.1")).toStartWith("Cannot listen on 192.0.2.1:0 for the API: ");
  });

  test("answers 500 and tells the log alone what failed", async () => {
    const logged: unknown[] = [];
    const log = { ...silent, error: (_: string, error: unknown) => void logged.push(error) };
    const failure = new Error("the secret inside");
    const failing = (): Response => {
      throw failure;
    };
    await using listener = openListener({ ...here, log, port: 0, fetch: failing });
    const response = await fetch(listener.url);
    expect([response.status, await response.text()]).toEqual([500, '{"error":"internal"}']);
    expect(logged).toEqual([failure]);
  });

  test("comes back on the same port when the listener is lost, and says so", async () => {
    if (!requireOrSkip("Linux's /proc and libc", process.platform === "linux")) return;
    const said: string[] = [];
    const log = {
      ...silent,
      warn: (line: string) => void said.push(line),
      info: (line: string) => void said.push(line),
    };
    await using listener = openListener({ ...here, log, port: 0, fetch: hello, checkMs: 50 });
    const port = Number(new URL(listener.url).port);
    loseListener(port);
    expect(fetch(listener.url)).rejects.toThrow();
    for (;;) {
      const response = await fetch(listener.url).catch(() => null);
      if (response !== null) break;
      await Bun.sleep(20);
    }
    expect(said).toEqual(["the API lost its listener; opening it again", "the API listens again"]);
  });

  test("lets go of the port when it is disposed of, with a request under way", async () => {
    const begun = Promise.withResolvers<void>();
    const never = Promise.withResolvers<Response>();
    const fetching = (): Promise<Response> => {
      begun.resolve();
      return never.promise;
    };
    const listener = openListener({ ...here, port: 0, fetch: fetching });
    const asked = fetch(listener.url).catch(() => "cut");
    await begun.promise;
    await listener[Symbol.asyncDispose]();
    expect(await asked).toBe("cut");
    expect(bindError(Number(new URL(listener.url).port))).toBe("bound");
  });
});
