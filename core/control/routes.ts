/**
 * The control plane's routes. Liveness and readiness for orchestrators, and a versioned API that shows what the
 * relay is. Answers are fixed shapes; a refused request learns its status and nothing of what it sent or of us.
 */
import { Type as t } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { openApiDocument } from "./openapi.ts";
import type { Api, ControlPorts, RelayInfo } from "./port.ts";
import { healthAnswer, PROBE_HEADERS, readyAnswer } from "./probe.ts";

const health = t.Object({ status: t.Literal("ok") });
const reason = t.Union([
  t.Literal("starting"),
  t.Literal("store"),
  t.Literal("listener"),
  t.Literal("draining"),
]);
const ready = t.Object({ ready: t.Boolean(), reasons: t.Array(reason) });
const problem = t.Object({ error: t.String() });
const count = t.Integer({ minimum: 0 });

const relay = t.Object({
  version: t.String(),
  identity: t.String({ pattern: "^[0-9a-f]{64}$", description: "Ed25519 public key, hex" }),
  peerId: t.String(),
  addresses: t.Array(t.String({ description: "A multiaddr with /p2p/" })),
  protocols: t.Record(t.String(), t.Array(count)),
  limits: t.Object({
    entrySizesBytes: t.Array(count),
    ttlSecondsMax: count,
    connectionsMax: count,
    connectionsPerAddressMax: count,
    streamsMax: count,
  }),
});

const held = t.Object({ mailboxes: count, entries: count, bytes: count });
const status = t.Object({
  uptimeSeconds: t.Number(),
  store: t.Union([t.Literal("sqlite"), t.Literal("postgresql")]),
  connections: count,
  held: t.Union([held, t.Null()]),
  memoryBytes: count,
});

/** The routes over `ports`. `version` is the program's, for the document. */
export function openRoutes(ports: ControlPorts, options: { readonly version: string }): Api {
  const app = new Elysia({ name: "control", normalize: false })
    .headers(PROBE_HEADERS)
    .onError(({ code, set }) => {
      const [httpStatus, error] = problemOf(code);
      set.status = httpStatus;
      return { error };
    })
    .get("/health", healthAnswer, {
      response: { 200: health },
      detail: { summary: "Whether the process answers", tags: ["probes"], operationId: "health" },
    })
    .get(
      "/ready",
      ({ status }) => {
        const answer = readyAnswer(ports);
        return status(answer.status, answer.body);
      },
      {
        response: { 200: ready, 503: ready },
        detail: {
          summary: "Whether it takes devices and can keep what they send",
          tags: ["probes"],
          operationId: "ready",
        },
      },
    )
    .get("/v1/relay", () => relayAnswer(ports.relay()), {
      response: { 200: relay, 500: problem },
      detail: {
        summary: "Who the relay is, where, and what it takes",
        tags: ["relay"],
        operationId: "relay",
      },
    })
    .get("/v1/status", () => ports.status(), {
      response: { 200: status, 500: problem },
      detail: { summary: "What it holds and how long it runs", tags: ["relay"], operationId: "status" },
    });
  let document: Promise<object> | undefined;
  app.get("/openapi.json", () => (document ??= openApiDocument(app, options.version)), {
    detail: { hide: true },
  });
  return { fetch: (request) => app.fetch(request) };
}

/** A copy: the answer's schema is of arrays that may change. */
function relayAnswer(info: RelayInfo) {
  const { version, identity, peerId, addresses, protocols, limits } = info;
  const versions: Record<string, number[]> = {};
  for (const [name, known] of Object.entries(protocols)) versions[name] = [...known];
  return {
    version,
    identity,
    peerId,
    addresses: [...addresses],
    protocols: versions,
    limits: { ...limits, entrySizesBytes: [...limits.entrySizesBytes] },
  };
}

/** Status and word for what Elysia refuses or what failed; nothing of the request, nothing of the cause. */
function problemOf(code: string | number): readonly [status: number, error: string] {
  switch (code) {
    case "NOT_FOUND":
      return [404, "not-found"];
    case "PARSE":
    case "VALIDATION":
    case "INVALID_COOKIE_SIGNATURE":
    case "INVALID_FILE_TYPE":
      return [400, "bad-request"];
    default:
      return [500, "internal"];
  }
}
