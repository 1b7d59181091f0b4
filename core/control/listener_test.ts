import { describe, expect, test } from "bun:test";
import { loseListener } from "../../test/harness/listening.ts";
import { requireOrSkip } from "../../test/harness/require.ts";
import { isFault } from "../ground/mod.ts";
import { type ControlLog, openListener } from "./listener.ts";

const silent: ControlLog = { warn() {}, info() {}, error() {} };
const here = { name: "the API", host: "127.0.0.1", log: silent, canOpen: () => true };
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
    await using listener = openListener({ ...here, log, port: 0, fetch: hello, lookMs: 10 });
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

  test("listens no more while no file can be opened, answers whoever is connected, and comes back", async () => {
    const said: string[] = [];
    const tell = (line: string) => void said.push(line);
    const room = { files: 100 };
    const canOpen = (files: number) => files <= room.files;
    const answer = Promise.withResolvers<Response>();
    const fetching = (request: Request) => (request.url.endsWith("/slow") ? answer.promise : hello());
    const log = { ...silent, warn: tell, info: tell };
    await using listener = openListener({ ...here, log, port: 0, fetch: fetching, canOpen, lookMs: 10 });
    const slow = fetch(`${listener.url}/slow`);
    await fetch(listener.url);
    room.files = 0;
    while (said.length < 1) await Bun.sleep(5);
    expect(fetch(listener.url, { keepalive: false })).rejects.toThrow();
    answer.resolve(new Response("late"));
    expect(await (await slow).text()).toBe("late");
    room.files = 15;
    await Bun.sleep(200);
    expect(said).toHaveLength(1);
    room.files = 16;
    while (said.length < 2) await Bun.sleep(5);
    expect(await (await fetch(listener.url)).text()).toBe("hello");
    expect(said).toEqual([
      "the API stops listening, since this process can open no more files",
      "the API listens again",
    ]);
  });

  test("listens on where another file was free at the second look, and where it couldn't be asked", async () => {
    const said: string[] = [];
    const looks = { count: 0 };
    const canOpen = () => (looks.count += 1) % 2 === 0;
    const log = { ...silent, warn: (line: string) => void said.push(line) };
    await using listener = openListener({ ...here, log, port: 0, fetch: hello, canOpen, lookMs: 5 });
    while (looks.count < 20) await Bun.sleep(5);
    expect(await (await fetch(listener.url)).text()).toBe("hello");
    expect(said).toEqual([]);
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
