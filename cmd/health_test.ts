import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDchat } from "../test/harness/dchat.ts";
import { spawnRelay, type SpawnedRelay } from "../test/harness/relay.ts";

let relay: SpawnedRelay;
beforeAll(async () => {
  relay = await spawnRelay();
});
afterAll(() => relay[Symbol.asyncDispose]());

/** What answers in a relay's place. */
function pretender(fetch: (request: Request) => Response | Promise<Response>) {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.dispose]: () => void server.stop(true) };
}

describe("dchat health", () => {
  test("exits 0 for a relay that is ready, by URL, by directory and by the configuration's directory", async () => {
    const ways: [string[], Record<string, string>][] = [
      [["--url", relay.file.api], {}],
      [["--relay-dir", relay.dataDir], {}],
      [[], { DCHAT_RELAY_DATA_DIR: relay.dataDir }],
    ];
    for (const [args, env] of ways) {
      const { code, out, err } = await runDchat(["health", ...args], { env });
      expect({ code, out, err }).toEqual({ code: 0, out: `ready  ${relay.file.api}\n`, err: "" });
    }
  });

  test("prints one JSON document with --json", async () => {
    const { out } = await runDchat(["health", "--url", relay.file.api, "--json"]);
    expect(JSON.parse(out)).toEqual({ url: relay.file.api, healthy: true, ready: true, reasons: [] });
  });

  test("exits 3 and says why where a relay is not ready", async () => {
    using server = pretender((request) =>
      request.url.endsWith("/health")
        ? Response.json({ status: "ok" })
        : Response.json({ ready: false, reasons: ["store", "draining", "later"] }, { status: 503 }),
    );
    const { code, out } = await runDchat(["health", "--url", server.url]);
    const why =
      "its store can't be written to, or doesn't answer (its log says why), it is about to stop, later";
    expect({ code, out }).toEqual({ code: 3, out: `not ready  ${server.url}: ${why}\n` });
    const json = await runDchat(["health", "--url", server.url, "--json"]);
    expect(JSON.parse(json.out)).toMatchObject({ ready: false, reasons: ["store", "draining", "later"] });
  });

  test("exits 3 within its timeout where nothing answers", async () => {
    using server = pretender(() => new Promise<Response>(() => {}));
    const { code, out } = await runDchat(["health", "--url", server.url, "--timeout", "200ms"]);
    expect({ code, out }).toEqual({ code: 3, out: `unhealthy  ${server.url}: no answer within 0.2 s\n` });
  });

  test("exits 3 where nothing listens, where no relay runs, and where something else answers", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dchat-health-"));
    using other = pretender(() => new Response("<html>hello</html>", { status: 404 }));
    try {
      const refused = await runDchat(["health", "--url", "http://127.0.0.1:1"]);
      const nobody = await runDchat(["health", "--relay-dir", folder]);
      const somebody = await runDchat(["health", "--url", other.url]);
      expect([refused.code, nobody.code, somebody.code]).toEqual([3, 3, 3]);
      expect(refused.out).toContain("nothing listens there");
      expect(nobody.out).toContain("no relay runs on this directory");
      expect(somebody.out).toContain(
        `it answers, but not as a relay: ${other.url}/health came back with 404`,
      );
      writeFileSync(join(folder, "relay.json"), "{");
      expect((await runDchat(["health", "--relay-dir", folder])).code).toBe(3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("exits 2 for a line that makes no sense", async () => {
    for (const args of [
      ["--url", "here"],
      ["--timeout", "soon"],
      ["--url", relay.file.api, "--relay-dir", "/x"],
      ["extra"],
    ]) {
      expect((await runDchat(["health", ...args])).code).toBe(2);
    }
  });
});
