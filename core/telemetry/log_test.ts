import { describe, expect, test } from "bun:test";
import { Fault } from "../ground/mod.ts";
import { type Fields, type LogLevel, logTo } from "./log.ts";
import { pretty } from "./pretty.ts";
import { openTelemetry } from "./telemetry.ts";

function captured(level: LogLevel = "info") {
  const lines: Record<string, unknown>[] = [];
  const log = logTo({ write: (line) => void lines.push(JSON.parse(line)) }, level);
  return { log, lines };
}

describe("Log", () => {
  test("writes a line with time, level, module and fields", () => {
    const { log, lines } = captured();
    log.child("edge").info("listening", { port: 7070 });
    expect(lines).toEqual([
      {
        level: "info",
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        module: "edge",
        port: 7070,
        msg: "listening",
      },
    ]);
  });

  test("changes the level of children that are there already", () => {
    const { log, lines } = captured("warn");
    const child = log.child("a").child("b");
    child.info("unseen");
    log.setLevel("info");
    child.info("seen");
    log.setLevel("silent");
    child.error("unseen", new Error("x"));
    expect(lines.map((line) => line["msg"])).toEqual(["seen"]);
  });

  test("shows an error's code and message, and its stack only at debug", () => {
    const { log, lines } = captured();
    log.error("failed", new Fault("store/unavailable", "the disk is full"));
    expect(lines[0]).toMatchObject({ code: "store/unavailable", reason: "the disk is full" });
    expect(lines[0]).not.toHaveProperty("stack");
    log.setLevel("debug");
    log.error("failed", new Error("x"));
    expect(lines[1]?.["stack"]).toContain("log_test.ts");
  });

  test("masks ids, keys and peers that a message names", () => {
    const { log, lines } = captured();
    const peer = "12D3KooWAPNFAQ7vB7LWqGZY8S8Pkp1gAtm4pmiUhd5TzWd9FiTU";
    log.error("failed", new Error(`mailbox ${"ab".repeat(32)} of ${peer}: entry 12`));
    expect(lines[0]?.["reason"]).toBe("Error: mailbox [id] of [peer]: entry 12");
    // As PostgreSQL writes bytes, and as they stand in names of files and in numbers.
    log.error(
      "failed",
      new Error(`Key (id)=(\\x${"ab".repeat(32)}) of mailbox_${"AB".repeat(16)}, 0x${"1".repeat(64)}`),
    );
    expect(lines[1]?.["reason"]).toBe("Error: Key (id)=(\\x[id]) of mailbox_[id], 0x[id]");
    log.error("failed", new Error(`from_${peer}`));
    expect(lines[2]?.["reason"]).toBe("Error: from_[peer]");
  });

  test("holds no bytes and no objects, whatever is passed", () => {
    const { log, lines } = captured();
    const smuggled: Record<string, unknown> = {
      key: new Uint8Array([1, 2]),
      buffer: new ArrayBuffer(2),
      at: { a: 1 },
    };
    log.info("x", smuggled as Fields);
    expect(lines[0]).toMatchObject({ key: "[bytes]", buffer: "[bytes]", at: "[object]" });
  });
});

describe("openLog()", () => {
  test.each(["json", "pretty"] as const)(
    "writes %s to the descriptor, in order, before the process ends",
    async (format) => {
      const code = `import { openLog } from ${JSON.stringify(`${import.meta.dir}/log.ts`)};
      const log = openLog({ level: "info", format: "${format}", to: 2 });
      for (let at = 0; at < 100; at++) log.info("line " + at, { at });
      process.kill(process.pid, "SIGKILL");`;
      const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe", stderr: "pipe" });
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect(out).toBe("");
      expect([...err.matchAll(/line (\d+)/g)].map(([, at]) => Number(at))).toEqual(
        Array.from({ length: 100 }, (_, at) => at),
      );
      expect(err).not.toContain("\x1b[");
    },
  );
});

describe("openTelemetry()", () => {
  function telemetry() {
    const { log, lines } = captured();
    const time = { ms: 0 };
    const clock = { now: () => time.ms, monotonic: () => time.ms };
    return { telemetry: openTelemetry({ log, clock, version: "0" }), lines, time };
  }

  test("logs the same failure once a while with how often it came, and counts every one", async () => {
    const { telemetry: all, lines, time } = telemetry();
    for (let at = 0; at < 1000; at++) all.pipeline.storeFailed(new Fault("store/unavailable", "full"));
    expect(lines).toHaveLength(1);
    time.ms = 10_001;
    all.pipeline.storeFailed(new Fault("store/unavailable", "full"));
    expect(lines[1]).toMatchObject({ msg: "store failed", times: 1000, code: "store/unavailable" });
    expect((await all.metrics.expose()).text).toContain('dchat_errors_total{where="store"} 1001');
  });

  test("says once that the store writes again, for each time that it said otherwise", () => {
    const { telemetry: all, lines } = telemetry();
    for (let at = 0; at < 1000; at++) {
      all.pipeline.storeFailed(new Fault("store/unavailable", "full"));
      all.pipeline.storeWorks();
    }
    expect(lines.map(({ msg }) => msg)).toEqual(["store failed", "the store writes again"]);
  });

  test("lets no peer fill the log: errors of connections are counted and not written", async () => {
    const { telemetry: all, lines } = telemetry();
    for (let at = 0; at < 1000; at++) all.edge.error(new Error(`bad frame ${at}`));
    for (let at = 0; at < 1000; at++) all.edge.limited("CONNECTIONS_PER_ADDRESS_MAX");
    all.edge.limited("STREAMS_MAX", "192.0.2.1", 1000);
    expect(lines.map(({ msg, times }) => [msg, times])).toEqual([
      ["a limit turned connections away", 1],
      ["a limit turned connections away", 1000],
    ]);
    const { text } = await all.metrics.expose();
    expect(text).toContain('dchat_errors_total{where="edge"} 1000');
    expect(text).toContain('dchat_limits_total{limit="CONNECTIONS_PER_ADDRESS_MAX"} 1000');
    expect(text).toContain('dchat_limits_total{limit="STREAMS_MAX"} 1000');
  });
});

describe("pretty()", () => {
  const line = (fields: object): string =>
    pretty(JSON.stringify({ level: "info", time: "2026-11-23T07:00:00.123Z", msg: "done", ...fields }), {
      colour: false,
    });

  test("writes one line: time, level, module, message, fields", () => {
    expect(line({ module: "edge", port: 7070, list: ["a", "b c"] })).toMatch(
      /^\d\d:\d\d:\d\d\.123 {2}info {3}edge: done {2}port=7070 {2}list=a,"b c"\n$/,
    );
  });

  test("keeps a field from faking lines or commanding the terminal", () => {
    const shown = line({ reason: "x\n00:00:00.000  info  fake \x1b[2J" });
    expect(shown.trimEnd().split("\n")).toHaveLength(1);
    expect(shown).not.toContain("\x1b");
  });

  test("puts a stack below, and leaves alone what is no JSON", () => {
    expect(line({ stack: "Error: x\n    at y" })).toEndWith("done\nError: x\n    at y\n");
    expect(pretty("hello\n", { colour: true })).toBe("hello\n");
  });
});
