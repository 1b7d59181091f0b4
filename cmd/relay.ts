/** `dchat relay`. */
import { type Relay, runRelay } from "@dchat/core/node/mod.ts";
import { type Log, openLog } from "@dchat/core/telemetry/mod.ts";
import { z } from "zod";
import { type ArgTable, command, exit, type Terminal, twoColumns } from "./frame/mod.ts";
import { edgeCommand } from "./edge_process.ts";
import { passphraseArg } from "./passphrase.ts";
import manifest from "./package.json" with { type: "json" };

const args = {
  listen: {
    type: "string",
    setting: "relay.listen",
    multiple: true,
    valueHint: "ADDRESS",
    description: "Where devices connect: HOST:PORT or a multiaddr, /ws at its end for WebSocket",
  },
  announce: {
    type: "string",
    setting: "relay.announce",
    multiple: true,
    valueHint: "MULTIADDR",
    description: "An address that others are told in place of those listened on",
  },
  dataDir: {
    type: "string",
    setting: "relay.data_dir",
    valueHint: "DIR",
    description: "Where identity, mailboxes and relay.json are kept",
  },
  apiListen: {
    type: "string",
    setting: "relay.api_listen",
    valueHint: "HOST:PORT",
    description: "Where /health, /ready and the API answer",
  },
  metricsListen: {
    type: "string",
    setting: "relay.metrics_listen",
    valueHint: "HOST:PORT",
    description: "Where Prometheus reads metrics",
  },
  edgeProcesses: {
    type: "string",
    setting: "relay.edge_processes",
    valueHint: "N",
    description: "Processes that hold connections on the same ports; at most one for each core is of use",
  },
  maxConnections: {
    type: "string",
    setting: "relay.max_connections",
    valueHint: "N",
    description: "Connections of devices held at once",
  },
  maxConnectionsPerAddress: {
    type: "string",
    setting: "relay.max_connections_per_address",
    valueHint: "N",
    description: "Connections held at once from one IP address",
  },
  grace: {
    type: "string",
    setting: "relay.grace",
    valueHint: "DURATION",
    description: "How long a relay that is told to stop takes to end what is under way",
  },
  ...passphraseArg,
} satisfies ArgTable;

export const relay = command({
  about:
    "Runs a relay. It keeps sealed entries until every device has read them or their time is over, and acknowledges none before it is on disk. While it runs, relay.json in its data directory says where it listens. SIGTERM or Ctrl-C ends it in peace; a second one a second later ends it at once.",
  args,
  input: z.strictObject({ passphraseFile: z.string().optional() }),
  examples: [
    { line: "dchat relay", does: "Listen on port 7070 and keep mailboxes in SQLite." },
    {
      line: "dchat relay --listen 0.0.0.0:7070 --listen /ip4/0.0.0.0/tcp/7071/ws",
      does: "Listen for WebSockets as well.",
    },
    {
      line: "dchat relay --announce /dns4/relay.example.org/tcp/7070",
      does: "Tell devices a public name in place of what is listened on.",
    },
  ],
  async run({ passphraseFile }, context) {
    const loaded = await context.config();
    const { level, format = context.out.interactive ? "pretty" : "json" } = loaded.config.log;
    const log = openLog({ level, format, to: 1, colour: context.out.coloured });
    const inPeace = await runRelay({
      loaded,
      load: context.load,
      log,
      version: manifest.version,
      passphraseFile,
      edgeCommand: edgeCommand(),
      started(running) {
        if (format === "pretty") show(running, context.out);
        else tell(running, log);
      },
    });
    // Told twice to stop: connections that are still open would hold the process.
    if (!inPeace) process.exit(exit.failed);
    return exit.done;
  },
});

/** Logs where it listens. */
function tell({ file, dataDir, notReady: reasons }: Relay, log: Log): void {
  const fields = { ...file, dataDir, version: manifest.version };
  if (reasons.length === 0) log.info("relay ready", fields);
  else log.warn("relay started, and not ready", { ...fields, reasons });
}

/** Prints where it listens; a relay goes on where nobody can read that. */
function show(relay: Relay, out: Terminal): void {
  try {
    out.deliver(screen(relay, out));
  } catch {
    // Its reader has gone, or the disk below is full; relay.json says the same.
  }
}

function screen({ file, dataDir, notReady }: Relay, { style, width }: Terminal): string {
  const rows = [
    ...file.addresses.map((address, at) => [at === 0 ? "devices" : "", style.accent(address)] as const),
    ["api", file.api] as const,
    ["metrics", `${file.metrics}/metrics`] as const,
    ["data", dataDir] as const,
  ];
  const state = notReady.length === 0 ? style.good("ready") : style.warn("not ready; dchat health says why");
  const title = `${style.bold("dchat relay")} ${style.dim(manifest.version)}  ${state}`;
  const end = style.dim("Ctrl-C stops it");
  return `\n  ${title}\n\n${twoColumns(rows, { width, indent: 2 })}\n\n  ${end}\n`;
}
