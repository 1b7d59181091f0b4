/**
 * The life of a relay process: it runs until somebody tells it to stop, takes changes of its configuration
 * meanwhile, and goes in peace unless told twice.
 */
import type { Log } from "../../telemetry/mod.ts";
import { systemClock } from "../clock.ts";
import type { LoadedConfig, LoadOptions } from "../config.ts";
import { watchConfig } from "../config/watch.ts";
import { defaultRelayDir } from "../data_dir.ts";
import { openRelay, type Relay } from "../relay.ts";
import { listenForSignals } from "../signals.ts";
import { tidyLater } from "../tidy_later.ts";
import { within } from "../within.ts";

/** Of the grace: a database that answers nothing is left without a farewell before that is over. */
const CLOSING_MS = 1000;

export interface RunRelayOptions {
  readonly loaded: LoadedConfig;
  /** How `loaded` was read, so that it can be read again when the file changes. */
  readonly load: LoadOptions;
  readonly log: Log;
  readonly version: string;
  /** `--passphrase-file`, where the relay's identity is sealed. */
  readonly passphraseFile: string | undefined;
  /** What starts an edge process; see edge_processes.ts. */
  readonly edgeCommand: readonly string[];
  /** Called once it runs, ready or not. */
  started(relay: Relay): void;
}

/**
 * Runs a relay until SIGTERM or SIGINT and resolves with whether it ended in peace within the grace. Throws what
 * openRelay throws.
 */
export async function runRelay(options: RunRelayOptions): Promise<boolean> {
  const { load, log, version } = options;
  let { config } = options.loaded;
  // From the first moment on: a relay that is told to stop while it starts stops when it has started.
  using signals = listenForSignals();
  for (const warning of options.loaded.warnings) log.warn(warning);
  const opening = openRelay({
    config,
    dataDir: config.relay.data_dir ?? defaultRelayDir(load.env),
    env: load.env,
    passphraseFile: options.passphraseFile,
    edgeCommand: options.edgeCommand,
    log,
    clock: systemClock,
    version,
  });
  const relay = await Promise.race([opening, signals.second]);
  // A start can wait for a database that answers nothing.
  if (relay === false) return false;
  using _watching = watchConfig({
    load,
    loaded: options.loaded,
    onChange({ loaded, applied, waiting }) {
      config = loaded.config;
      relay.reconfigure(config);
      if (applied.length > 0) log.info("configuration changed", { applied });
      if (waiting.length > 0) log.warn("configuration changed; a restart is needed", { waiting });
    },
    onRefused: (error) => log.error("the configuration's edit is wrong; the old one stays", error),
    onRestored: () => log.info("the configuration is right again, and as it was"),
  });
  options.started(relay);
  tidyLater();
  log.info("stopping", { signal: await signals.first });
  // Told twice, the process ends with what is on disk, which is all that was ever acknowledged.
  // Awaited here: the signals are listened to until it is over.
  const inPeace = await Promise.race([end(relay, config.relay.grace), signals.second]);
  if (!inPeace) log.warn("ended before all was closed; what was acknowledged is on disk");
  return inPeace;
}

/** Resolves with whether all was closed within the grace, of which some is left for that. */
async function end(relay: Relay, graceMs: number): Promise<boolean> {
  const overMs = performance.now() + graceMs;
  const closingMs = Math.min(CLOSING_MS, graceMs / 5);
  await relay.stop(graceMs - closingMs);
  let isClosed = false;
  const close = async (): Promise<void> => {
    await relay[Symbol.asyncDispose]();
    isClosed = true;
  };
  await within(Math.max(overMs - performance.now(), CLOSING_MS), close());
  return isClosed;
}
