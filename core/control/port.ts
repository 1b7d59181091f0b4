/** What the control plane shows; node fills it. Nothing here may hold a mailbox, a key of a device, or an address of one. */

/**
 * Why a relay isn't ready, in words that are part of the API: starting · store: it can't be written, or doesn't
 * answer · listener: no device that knocks is let in · draining: it is about to stop.
 */
export type NotReady = "starting" | "store" | "listener" | "draining";

export interface RelayInfo {
  readonly version: string;
  /** The relay identity's public key, hex. */
  readonly identity: string;
  readonly peerId: string;
  /** Multiaddrs with /p2p/, announced ones where there are some. */
  readonly addresses: readonly string[];
  /** Versions by protocol: `{"/dchat/mailbox": [1]}`. */
  readonly protocols: Readonly<Record<string, readonly number[]>>;
  readonly limits: {
    readonly entrySizesBytes: readonly number[];
    readonly ttlSecondsMax: number;
    readonly connectionsMax: number;
    readonly connectionsPerAddressMax: number;
    readonly streamsMax: number;
  };
}

export interface RelayStatus {
  readonly uptimeSeconds: number;
  readonly store: "sqlite" | "postgresql";
  readonly connections: number;
  /** Null while the store can't say. */
  readonly held: { readonly mailboxes: number; readonly entries: number; readonly bytes: number } | null;
  readonly memoryBytes: number;
}

export interface ControlPorts {
  /** Why it isn't ready; empty when it is. Asked for on every probe, so it answers from memory. */
  notReady(): readonly NotReady[];
  relay(): RelayInfo;
  status(): Promise<RelayStatus>;
}

/** Answers requests to the API. */
export interface Api {
  readonly fetch: (request: Request) => Response | Promise<Response>;
}
