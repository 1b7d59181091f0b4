/** A whole relay as a subject under measurement: `dchat relay` in a process of its own. */
import { join } from "node:path";
import { openSubject, type Subject } from "./subject.ts";

export interface RelayHost extends AsyncDisposable {
  readonly subject: Subject;
  /** Multiaddr with /p2p/. */
  readonly address: string;
  readonly api: string;
}

/** `dchat relay` from source. */
export const relayCommand: readonly string[] = [
  process.execPath,
  join(import.meta.dir, "../../cmd/dchat.ts"),
  "relay",
];

export interface RelayHostOptions {
  readonly dir: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Flags under which a relay of a bench runs: loopback, free ports, room for the load's connections. */
export function relayFlags(dir: string): readonly string[] {
  return [
    `--data-dir=${dir}`,
    "--listen=127.0.0.1:0",
    "--api-listen=127.0.0.1:0",
    "--metrics-listen=127.0.0.1:0",
    "--max-connections=50000",
    "--max-connections-per-address=50000",
    "--log-format=json",
    "--log-level=info",
  ];
}

/** `dchat relay` from source, which collects its garbage when it is asked to. */
export const collectingRelayCommand: readonly string[] = [
  process.execPath,
  "--preload",
  join(import.meta.dir, "../peer/collecting.ts"),
  ...relayCommand.slice(1),
];

/** Starts a relay on `dir`; it is ready when this resolves. */
export async function openRelayHost(options: RelayHostOptions): Promise<RelayHost> {
  const { dir, command = relayCommand, args = [], env = {} } = options;
  const subject = openSubject([...command, ...relayFlags(dir), ...args], { env });
  for (;;) {
    const line = await subject.next();
    const { msg, addresses, api } = line;
    if (msg !== "relay ready" || !Array.isArray(addresses)) continue;
    const [address] = addresses.map(String);
    if (address === undefined) throw new Error("the relay has no address");
    return {
      subject,
      address,
      api: String(api),
      [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose](),
    };
  }
}
