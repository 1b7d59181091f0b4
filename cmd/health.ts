/** `dchat health`. */
import type { NotReady } from "@dchat/core/control/mod.ts";
import { fileMend, isFault } from "@dchat/core/ground/mod.ts";
import { defaultRelayDir, findRelay, type Probe, probeRelay } from "@dchat/core/node/mod.ts";
import { z } from "zod";
import { command, type Context, exit, jsonArg, usage } from "./frame/mod.ts";
import { durationInput } from "./input.ts";

export const health = command({
  about:
    "Asks a relay whether it is alive and ready. Exits 0 when it is, 3 when it is not or does not answer, so that it serves as a probe.",
  args: {
    url: {
      type: "string",
      valueHint: "URL",
      description: "The relay's API; else that of the relay of this machine, by its relay.json",
    },
    relayDir: {
      type: "string",
      valueHint: "DIR",
      description: "Data directory whose relay.json says where the API is; else that of the configuration",
    },
    timeout: {
      type: "string",
      default: "5s",
      valueHint: "TIME",
      description: "How long to wait for an answer",
    },
    ...jsonArg,
  },
  input: z.strictObject({
    url: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).optional(),
    relayDir: z.string().optional(),
    timeout: durationInput({ min: "1ms", max: "10m" }),
    json: z.boolean(),
  }),
  examples: [
    { line: "dchat health", does: "The relay of this machine." },
    { line: "dchat health --url http://127.0.0.1:8080 --timeout 1s", does: "A relay by its address." },
    { line: "dchat health --relay-dir /var/lib/dchat --json", does: "For a script." },
  ],
  async run({ url, relayDir, timeout, json }, context) {
    if (url !== undefined && relayDir !== undefined)
      throw usage("--url and --relay-dir say the same twice; give one");
    const probe =
      url === undefined
        ? await probeHere(relayDir, timeout, context)
        : await probeRelay({ url, timeoutMs: timeout });
    if (json) context.json(probe);
    else print(probe, context);
    return probe.ready ? exit.done : exit.unhealthy;
  },
});

/** The relay of a data directory. None running is an answer, and not a failure to ask. */
async function probeHere(relayDir: string | undefined, timeoutMs: number, context: Context): Promise<Probe> {
  const { config } = await context.config();
  const dir = relayDir ?? config.relay.data_dir ?? defaultRelayDir(context.env);
  try {
    return await probeRelay({ url: findRelay(dir).api, timeoutMs });
  } catch (error) {
    if (!isFault(error, "data/no-relay")) throw error;
    const isHidden = fileMend(error) !== null;
    const reason = isHidden ? "its relay.json can't be read" : "no relay runs on this directory";
    return { url: dir, healthy: false, ready: false, reasons: [reason] };
  }
}

/** What the API's words mean; other reasons stand as they are. */
const MEANINGS = {
  starting: "it is starting",
  store: "its store can't be written to, or doesn't answer (its log says why)",
  listener: "it can open no more files, so it takes no connections of devices",
  draining: "it is about to stop",
} satisfies Record<NotReady, string>;

function meaning(reason: string): string {
  return Object.entries(MEANINGS).find(([word]) => word === reason)?.[1] ?? reason;
}

function print({ url, healthy, ready, reasons }: Probe, { out, print: line }: Context): void {
  const { style } = out;
  const why = reasons.length === 0 ? "" : `: ${reasons.map(meaning).join(", ")}`;
  if (ready) line(`${style.good("ready")}  ${url}`);
  else if (healthy) line(`${style.warn("not ready")}  ${url}${why}`);
  else line(`${style.bad("unhealthy")}  ${url}${why}`);
}
