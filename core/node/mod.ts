/**
 * Assembles dchat and owns every lifetime. What costs time to load (stores, servers, configuration's schemas)
 * is loaded when it is first called, so that small commands start at once.
 */
export type { Config, LoadedConfig, LoadOptions, Origin } from "./config.ts";
export type { DataDirCode } from "./data_dir.ts";
export type { DatabaseOptions } from "./database.ts";
export type { DatabaseCode } from "./database/file.ts";
export { defaultRelayDir, defaultUserDir, findRelay, homePath, type RelayFile } from "./data_dir.ts";
export { parseDuration } from "./duration.ts";
export { type Probe, type ProbeOptions, probeRelay } from "./probe.ts";
export { type EvidenceCode, readEvidenceFile, writeEvidenceFile } from "./evidence_file.ts";
export { replaceFile, type WriteOptions } from "./file.ts";
export type { ConfigCode } from "./config/file.ts";
export type { ReportRow } from "./config/report.ts";
export type { Relay } from "./relay.ts";
export type { RunRelayOptions } from "./relay/run.ts";
export type { ConfigChange, ConfigWatchOptions } from "./config/watch.ts";
export {
  type OpenedKey,
  openKeyFile,
  type OpenKeyOptions,
  type PassphraseSource,
  readKeyFile,
  readPassphrase,
  refuseTaken,
  type SecretCode,
  writeKeyFile,
} from "./secret.ts";
export { quietTerminal } from "./secret_prompt.ts";
export { listenForSignals } from "./signals.ts";
export type { User, UserCode, UserOptions } from "./user.ts";
import type { LoadedConfig, LoadOptions } from "./config.ts";
import type * as database from "./database.ts";
import type { RunEdgeProcessOptions } from "./edge_process_run.ts";
import type { ReportRow } from "./config/report.ts";
import type { RunRelayOptions } from "./relay/run.ts";
import type { ConfigWatchOptions } from "./config/watch.ts";
import type { RewrapDeviceOptions, RewrappedDevice, User, UserOptions } from "./user.ts";

export { relayAddresses } from "./user/relay.ts";

/** Reads, merges and checks what is in force; see config.ts. Throws Fault<"config/…">. */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const config = await import("./config.ts");
  return config.loadConfig(options);
}

/** Defaults of every setting as text, for help. */
export async function settingDefaults(): Promise<ReadonlyMap<string, string>> {
  const { defaultText, settings } = await import("./config/schema.ts");
  return new Map([...settings.values()].map((setting) => [setting.key, defaultText(setting)]));
}

/** One row for each setting: what is in force and whence, secrets masked. */
export async function configReport(
  loaded: LoadedConfig,
  env: LoadOptions["env"],
): Promise<readonly ReportRow[]> {
  const report = await import("./config/report.ts");
  return report.configReport(loaded, env);
}

/** Watches the configuration's folder and says what changed; see config/watch.ts. */
export async function watchConfig(options: ConfigWatchOptions): Promise<Disposable> {
  const watching = await import("./config/watch.ts");
  return watching.watchConfig(options);
}

/** Runs a relay until a signal; see relay/run.ts. */
export async function runRelay(options: RunRelayOptions): Promise<boolean> {
  const running = await import("./relay/run.ts");
  return running.runRelay(options);
}

/** Whether this process was started as an edge process; see edge_process_run.ts. */
export async function hasRelay(): Promise<boolean> {
  return (await import("./edge_process_run.ts")).hasRelay();
}

/** Works as an edge process until its relay is gone; see edge_process_run.ts. */
export async function runEdge(options: RunEdgeProcessOptions): Promise<void> {
  return (await import("./edge_process_run.ts")).runEdge(options);
}

/** Opens a person's device; see user.ts. */
export async function openUser(options: UserOptions): Promise<User> {
  const user = await import("./user.ts");
  return user.openUser(options);
}

/** What `dchat database` does; see database.ts. */
export const databaseStatus: typeof database.databaseStatus = async (options) =>
  (await import("./database.ts")).databaseStatus(options);
export const migrateDatabase: typeof database.migrateDatabase = async (options) =>
  (await import("./database.ts")).migrateDatabase(options);
export const checkDatabase: typeof database.checkDatabase = async (options) =>
  (await import("./database.ts")).checkDatabase(options);
export const backupDatabase: typeof database.backupDatabase = async (options) =>
  (await import("./database.ts")).backupDatabase(options);
export const restoreDatabase: typeof database.restoreDatabase = async (options) =>
  (await import("./database.ts")).restoreDatabase(options);
export const exportDatabase: typeof database.exportDatabase = async (options) =>
  (await import("./database.ts")).exportDatabase(options);
export const importDatabase: typeof database.importDatabase = async (options) =>
  (await import("./database.ts")).importDatabase(options);

/** Changes a device's passphrase together with its key file's; see user.ts. */
export async function rewrapDevice(options: RewrapDeviceOptions): Promise<RewrappedDevice> {
  const user = await import("./user.ts");
  return user.rewrapDevice(options);
}
