/** Backups of a relay, and the relay that comes back from one. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runDchat } from "./dchat.ts";
import { type SpawnedRelay, spawnRelay } from "./relay.ts";

async function must(args: readonly string[]): Promise<void> {
  const { code, err } = await runDchat(args);
  if (code !== 0) throw new Error(`dchat ${args.join(" ")} exited ${code}: ${err}`);
}

/** Writes what the relay holds to `path`, while it runs. */
export function backUp(relay: SpawnedRelay, path: string): Promise<void> {
  return must(["database", "backup", path, "--data-dir", relay.dataDir]);
}

/** Kills the relay, empties its store, fills it from `backup`, and starts it on the same ports. */
export async function restore(relay: SpawnedRelay, backup: string): Promise<SpawnedRelay> {
  const { dataDir, file } = relay;
  await relay.stop("SIGKILL");
  for (const name of ["relay.sqlite", "relay.sqlite-wal", "relay.sqlite-shm"]) {
    rmSync(join(dataDir, name), { force: true });
  }
  await must(["database", "restore", backup, "--data-dir", dataDir]);
  return spawnRelay({ dataDir, same: file });
}

/** Stops the relay, copies its files to `to` as they are, and starts it again. */
export async function copyFiles(relay: SpawnedRelay, to: string): Promise<SpawnedRelay> {
  const { dataDir, file } = relay;
  await relay.stop();
  cpSync(dataDir, to, { recursive: true });
  return spawnRelay({ dataDir, same: file });
}

/**
 * Puts a copy of the relay's files in the place of what came since, and starts it: without a new generation, so that
 * it goes on from an older log and breaks what it has signed.
 */
export async function setBack(relay: SpawnedRelay, from: string): Promise<SpawnedRelay> {
  const { dataDir, file } = relay;
  await relay.stop();
  rmSync(dataDir, { recursive: true });
  cpSync(from, dataDir, { recursive: true });
  return spawnRelay({ dataDir, same: file });
}
