/** The API's OpenAPI document, made from its routes when it is first asked for. */
import type { AnyElysia } from "elysia";

const VERSION = "3.1.2";

/** OpenAPI 3.1 of `app`'s routes. Loads the generator then, so that a relay that nobody asks starts without it. */
export async function openApiDocument(app: AnyElysia, version: string): Promise<object> {
  const { toOpenAPISchema } = await import("@elysiajs/openapi/openapi");
  const { paths, components } = toOpenAPISchema(app, undefined, undefined, undefined, VERSION);
  return {
    openapi: VERSION,
    info: {
      title: "dchat relay",
      version,
      description: "Probes and public facts of a relay. Messages travel on libp2p, not here.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: [
      { name: "probes", description: "For orchestrators" },
      { name: "relay", description: "What the relay says of itself" },
    ],
    paths,
    components,
  };
}
