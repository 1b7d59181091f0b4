import type { Config } from "../config.ts";
import { defaultRelayDir, findRelay } from "../data_dir.ts";

/** Addresses of the relay that a person uses: those given, else those of the relay of this machine. */
export function relayAddresses(
  config: Config,
  options: { env: Readonly<Record<string, string | undefined>>; relayDir?: string | undefined },
): readonly string[] {
  if (config.user.bootstrap.length > 0) return config.user.bootstrap;
  return findRelay(options.relayDir ?? config.relay.data_dir ?? defaultRelayDir(options.env)).addresses;
}
