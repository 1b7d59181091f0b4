/** The metrics' own listener: Prometheus text on /metrics and nothing else. */

export interface Exposition {
  readonly text: string;
  /** The content type of the text format. */
  readonly type: string;
}

/** Answers `GET /metrics` by `expose`. */
export function metricsFetch(expose: () => Promise<Exposition>): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname !== "/metrics") return Response.json({ error: "not-found" }, { status: 404 });
    if (request.method !== "GET" && request.method !== "HEAD") {
      return Response.json({ error: "bad-request" }, { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const { text, type } = await expose();
    return new Response(text, { headers: { "content-type": type } });
  };
}
