import { describe, expect, test } from "bun:test";
import { openApi } from "./api.ts";
import { metricsFetch } from "./metrics.ts";
import type { ControlPorts, NotReady } from "./port.ts";

const info = {
  version: "0.1.0",
  identity: "ab".repeat(32),
  peerId: "12D3KooWExample",
  addresses: ["/ip4/127.0.0.1/tcp/7070/p2p/12D3KooWExample"],
  protocols: { "/dchat/mailbox": [1] },
  limits: {
    entrySizesBytes: [1024, 4096],
    ttlSecondsMax: 60,
    connectionsMax: 1,
    connectionsPerAddressMax: 1,
    streamsMax: 1,
  },
};
const status = { uptimeSeconds: 1.5, store: "sqlite" as const, connections: 2, held: null, memoryBytes: 3 };

function api(ports: Partial<ControlPorts> = {}) {
  const all: ControlPorts = { notReady: () => [], relay: () => info, status: async () => status, ...ports };
  const { fetch } = openApi(all, { version: "0.1.0" });
  return async (path: string, init?: RequestInit) => {
    const response = await fetch(new Request(`http://relay${path}`, init));
    return {
      status: response.status,
      body: await response.text(),
      type: response.headers.get("content-type"),
      cache: response.headers.get("cache-control"),
    };
  };
}

describe("openApi()", () => {
  test("/health answers while the process does, ready or not", async () => {
    const ask = api({ notReady: () => ["starting"] });
    expect(await ask("/health")).toMatchObject({
      status: 200,
      body: '{"status":"ok"}',
      type: expect.stringContaining("application/json"),
    });
  });

  test("/ready is 503 with reasons until there are none", async () => {
    let reasons: readonly NotReady[] = ["starting", "store"];
    const ask = api({ notReady: () => reasons });
    expect(await ask("/ready")).toMatchObject({
      status: 503,
      body: '{"ready":false,"reasons":["starting","store"]}',
      cache: "no-store",
    });
    reasons = [];
    expect(await ask("/ready")).toMatchObject({ status: 200, body: '{"ready":true,"reasons":[]}' });
  });

  test("answers probes alike by the quick way and by the routes of the document", async () => {
    for (const reasons of [[], ["store"]] as const) {
      const ask = api({ notReady: () => reasons });
      for (const path of ["/health", "/ready"]) {
        const [quick, routed] = [await ask(path), await ask(`${path}/`)];
        expect([path, quick]).toEqual([path, routed]);
        expect((await ask(path, { method: "HEAD" })).status).toBe(quick.status);
      }
    }
  });

  test("/v1/relay and /v1/status show what node says", async () => {
    const ask = api();
    expect(JSON.parse((await ask("/v1/relay")).body)).toEqual(info);
    expect(JSON.parse((await ask("/v1/status")).body)).toEqual(status);
    const held = { mailboxes: 1, entries: 2, bytes: 3 };
    expect(
      JSON.parse((await api({ status: async () => ({ ...status, held }) })("/v1/status")).body).held,
    ).toEqual(held);
  });

  test("echoes nothing of a request, and nothing of what failed", async () => {
    const failing = api({
      status: async () => {
        throw new Error("hunter2 inside");
      },
      relay: () => ({ ...info, identity: "hunter2" }),
    });
    const bad: [string, RequestInit?][] = [
      ["/v1/status"],
      ["/v1/relay"],
      ["/hunter2"],
      ["/health/hunter2?hunter2=1"],
      ["/health", { method: "POST", body: "hunter2" }],
      ["/v1/relay", { method: "PUT", body: '{"hunter2":', headers: { "content-type": "application/json" } }],
      ["/%E0%A4%A"],
    ];
    for (const [path, init] of bad) {
      const { status: code, body, type } = await failing(path, init);
      expect([path, code >= 400]).toEqual([path, true]);
      expect(body).not.toContain("hunter2");
      expect([path, Object.keys(JSON.parse(body))]).toEqual([path, ["error"]]);
      expect(type).toContain("application/json");
    }
  });
});

interface Operation {
  operationId?: string;
  responses: Record<string, { description?: string; content: Record<string, { schema: unknown }> }>;
}

describe("/openapi.json", () => {
  test("is a whole OpenAPI 3.1 document of every route, and names no other host", async () => {
    const { status: code, body } = await api()("/openapi.json");
    expect(code).toBe(200);
    const document: {
      openapi: string;
      info: { title: string; version: string };
      paths: Record<string, Record<string, Operation>>;
    } = JSON.parse(body);
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: "dchat relay", version: "0.1.0" });
    expect(Object.keys(document.paths).sort()).toEqual(["/health", "/ready", "/v1/relay", "/v1/status"]);
    const ids = new Set<unknown>();
    for (const methods of Object.values(document.paths)) {
      for (const operation of Object.values(methods)) {
        ids.add(operation.operationId);
        expect(Object.keys(operation.responses)).toContain("200");
        for (const response of Object.values(operation.responses)) {
          expect(response.description).toBeString();
          expect(response.content["application/json"]?.schema).toBeObject();
        }
      }
    }
    expect(ids.size).toBe(4);
    expect(body).not.toMatch(/https?:\/\//);
  });
});

describe("metricsFetch()", () => {
  const fetch = metricsFetch(async () => ({ text: "a 1\n", type: "text/plain; version=0.0.4" }));
  const ask = async (path: string, method = "GET") => {
    const response = await fetch(new Request(`http://relay${path}`, { method }));
    return [response.status, await response.text(), response.headers.get("content-type")];
  };

  test("answers /metrics with the exposition, and nothing else", async () => {
    expect(await ask("/metrics")).toEqual([200, "a 1\n", "text/plain; version=0.0.4"]);
    expect((await ask("/"))[0]).toBe(404);
    expect((await ask("/metrics", "POST"))[0]).toBe(405);
  });
});
