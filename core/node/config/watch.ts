/**
 * Watches the configuration's folder (editors and orchestrators replace files, so watching the file itself loses
 * it) and applies what may change while running. What may not is reported; a bad edit keeps the old and says so.
 */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { isFault } from "../../ground/mod.ts";
import { keepSettings, type LoadedConfig, loadConfig, type LoadOptions } from "../config.ts";
import { settings } from "./schema.ts";

/** Several events come for one edit, and the first may show half of it. */
const SETTLE_MS = 100;
/** Symbolic links far away (Kubernetes mounts) change without an event here; a look now and then finds that. */
const LOOK_MS = 10_000;

export interface ConfigChange {
  readonly loaded: LoadedConfig;
  /** Keys that changed and are applied. */
  readonly applied: readonly string[];
  /** Keys that changed in the file and wait for a restart. */
  readonly waiting: readonly string[];
}

export interface ConfigWatchOptions {
  readonly load: LoadOptions;
  readonly loaded: LoadedConfig;
  onChange(change: ConfigChange): void;
  /** The edit is wrong, or the file is gone, and the old configuration stays; `error` says what is wrong. */
  onRefused(error: unknown): void;
  /** That is over, and the file says again what it said before. */
  onRestored(): void;
}

/** Watches until disposed. In `onChange`, settings that need a restart still have their old values. */
export function watchConfig(options: ConfigWatchOptions): Disposable {
  let seen = options.loaded;
  let inForce = options.loaded;
  let refused = "";
  let settling: ReturnType<typeof setTimeout> | undefined;
  const look = (): void => {
    try {
      const next = loadConfig(withFile(options.load, seen));
      const wasRefused = refused !== "";
      refused = "";
      const change = compare(seen, inForce, next);
      seen = next;
      if (change === null) {
        if (wasRefused) options.onRestored();
        return;
      }
      inForce = change.loaded;
      options.onChange(change);
    } catch (error) {
      // Said once for each mistake, not on every look.
      const what = isFault(error) ? error.message : String(error);
      if (what !== refused) options.onRefused(error);
      refused = what;
    }
  };
  const soon = (): void => {
    clearTimeout(settling);
    settling = setTimeout(look, SETTLE_MS);
  };
  const watcher = watchFolder(seen.filePath, soon);
  // What was edited between the reading and now.
  soon();
  const looking = setInterval(look, LOOK_MS);
  looking.unref();
  return {
    [Symbol.dispose]() {
      clearTimeout(settling);
      clearInterval(looking);
      watcher?.close();
    },
  };
}

/** A file that was read has to be there from then on: one that vanishes is no edit that takes all settings back. */
function withFile(load: LoadOptions, { file }: LoadedConfig): LoadOptions {
  return file === null ? load : { ...load, file };
}

/** Calls `changed` when the file at `path` may have; null where its folder can't be watched. */
export function watchFolder(path: string, changed: () => void): FSWatcher | null {
  const name = basename(path);
  try {
    // Kubernetes swaps a link named ..data beside the file.
    const watcher = watch(dirname(path), { persistent: false }, (_, file) => {
      if (file === null || file === name || file === "..data") changed();
    });
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    // A folder that isn't there or can't be watched: the look now and then remains.
    return null;
  }
}

/** What an edit did; null where it did nothing. `seen` is what the file said before, `inForce` what counts. */
function compare(seen: LoadedConfig, inForce: LoadedConfig, next: LoadedConfig): ConfigChange | null {
  const applied: string[] = [];
  const waiting: string[] = [];
  const keep: string[] = [];
  for (const { key, live } of settings.values()) {
    const same = sameValue(inForce, next, key);
    if (!live && !same) keep.push(key);
    if (sameValue(seen, next, key)) continue;
    if (live) applied.push(key);
    else if (!same) waiting.push(key);
  }
  if (applied.length === 0 && waiting.length === 0) return null;
  return { loaded: keepSettings(next, inForce, keep), applied, waiting };
}

function sameValue(one: LoadedConfig, other: LoadedConfig, key: string): boolean {
  return JSON.stringify(one.given.get(key)) === JSON.stringify(other.given.get(key));
}
