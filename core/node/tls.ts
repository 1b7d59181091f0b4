/**
 * The certificate that WebSocket listeners with TLS show: two PEM files, read at start and again when they change,
 * as those who renew certificates write them. A file that doesn't load leaves the old certificate in force.
 */
import { readFileSync } from "node:fs";
import type { TlsFiles } from "../edge/mod.ts";
import { Fault, fileReason, isFault } from "../ground/mod.ts";
import type { Config } from "./config.ts";
import { watchFolder } from "./config/watch.ts";

/** The two files are written one after the other; both are read once that has settled. */
const SETTLE_MS = 500;
/** Symbolic links far away change without an event here; a look now and then finds that. */
const LOOK_MS = 10_000;

interface TlsPaths {
  readonly certificate: string;
  readonly key: string;
}

/** Where the files lie, or null where none are set. Throws Fault<"config/value"> where one is set without the other. */
function tlsPaths({ relay }: Config): TlsPaths | null {
  const { tls_certificate: certificate, tls_key: key } = relay;
  if (certificate === undefined && key === undefined) return null;
  if (certificate === undefined || key === undefined) {
    const [set, missing] =
      key === undefined ? ["tls_certificate", "tls_key"] : ["tls_key", "tls_certificate"];
    throw new Fault("config/value", `relay.${set} is set and relay.${missing} is not: TLS needs both`);
  }
  return { certificate, key };
}

/** The files' texts, or null where none are set. Throws Fault<"config/value"> naming what can't be read. */
export function readTls(config: Config): TlsFiles | null {
  const paths = tlsPaths(config);
  if (paths === null) return null;
  return { cert: read("tls_certificate", paths.certificate), key: read("tls_key", paths.key) };
}

function read(setting: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = fileReason(error);
    throw new Fault("config/value", `relay.${setting} names ${path}, which can't be read: ${why}`, {
      cause: error,
    });
  }
}

interface Watching {
  /** The files say something else than before. May throw; then onRefused hears of it and the next change is tried. */
  readonly onChange: (tls: TlsFiles) => void;
  readonly onRefused: (error: unknown) => void;
  /** That is over, and the files are again those whose certificate is shown. */
  readonly onRestored: () => void;
}

/** Watches the files of `config` until disposed; nothing where none are set. */
export function watchTls(config: Config, { onChange, onRefused, onRestored }: Watching): Disposable {
  const paths = tlsPaths(config);
  if (paths === null) return { [Symbol.dispose]: () => undefined };
  let inForce = JSON.stringify(readTls(config));
  /** Null where the files couldn't be read. */
  let seen: string | null = inForce;
  let refused = "";
  let settling: ReturnType<typeof setTimeout> | undefined;
  const take = (tls: TlsFiles | null): void => {
    const text = JSON.stringify(tls);
    if (tls === null || text === seen) return;
    seen = text;
    if (text === inForce) onRestored();
    else onChange(tls);
    inForce = text;
    refused = "";
  };
  const look = (): void => {
    try {
      take(readTls(config));
    } catch (error) {
      if (isFault(error, "config/value")) seen = null;
      // Said once for as long as it lasts, not on every look.
      const what = String(error);
      if (what !== refused) onRefused(error);
      refused = what;
    }
  };
  const soon = (): void => {
    clearTimeout(settling);
    settling = setTimeout(look, SETTLE_MS);
  };
  const watchers = [watchFolder(paths.certificate, soon), watchFolder(paths.key, soon)];
  const looking = setInterval(look, LOOK_MS);
  looking.unref();
  return {
    [Symbol.dispose]() {
      clearTimeout(settling);
      clearInterval(looking);
      for (const watcher of watchers) watcher?.close();
    },
  };
}
