/**
 * Answers requests to the control plane. Probes come every few seconds for as long as a relay lives, so they are
 * answered here, from memory; the router (Elysia, 3 MB of resident memory) loads when somebody first asks for more.
 */
import { healthAnswer, PROBE_HEADERS, readyAnswer } from "./probe.ts";
import type { Api, ControlPorts } from "./port.ts";

/** The API over `ports`. `version` is the program's, for the document. */
export function openApi(ports: ControlPorts, options: { readonly version: string }): Api {
  let routes: Promise<Api> | undefined;
  const routed = async (request: Request): Promise<Response> => {
    routes ??= import("./routes.ts").then(({ openRoutes }) => openRoutes(ports, options));
    return (await routes).fetch(request);
  };
  return {
    fetch(request) {
      if (request.method !== "GET") return routed(request);
      const { pathname } = new URL(request.url);
      if (pathname === "/health") return Response.json(healthAnswer(), { headers: PROBE_HEADERS });
      if (pathname !== "/ready") return routed(request);
      const { status, body } = readyAnswer(ports);
      return Response.json(body, { status, headers: PROBE_HEADERS });
    },
  };
}
