/**
 * Every setting of dchat: the schema that checks it and what help, docs and `dchat config show` say of it.
 * Keys are those of the file. `relay.max_connections` is `DCHAT_RELAY_MAX_CONNECTIONS` in the environment.
 */
import { z } from "zod";
import { limit } from "../../ground/mod.ts";
import {
  accessEntries,
  choice,
  duration,
  integer,
  hostPort,
  listenAddresses,
  multiaddrs,
  path,
  peerAddresses,
  postgresUrl,
  type SettingMeta,
  settingMeta,
  size,
} from "./kind.ts";

/** What a connection, and a key of a mailbox, may ask for. */
function rate({ about, initial }: { about: string; initial: number }) {
  const whose = "in a second, on average, by one connection and by one key of one mailbox";
  return integer({ about: `${about} ${whose}`, initial, min: 1, max: 1_000_000, live: true });
}

function kibibytes(bytes: number): string {
  return `${bytes / 1024}KiB`;
}

const relay = z.strictObject({
  listen: listenAddresses({
    about: "Where devices connect",
    initial: ["0.0.0.0:7070"],
  }),
  announce: multiaddrs({
    about: "Addresses that others are told in place of those listened on",
    initial: [],
  }),
  tls_certificate: path({
    about: "PEM of the certificate and its chain for /tls/ws addresses; read again when the file changes",
    initialText: "none",
  }).optional(),
  tls_key: path({
    about: "PEM of that certificate's key",
    initialText: "none",
  }).optional(),
  data_dir: path({
    about: "Where the relay keeps its identity, its embedded store and relay.json",
    initialText: "$XDG_STATE_HOME/dchat/relay, else ~/.local/state/dchat/relay",
  }).optional(),
  api_listen: hostPort({
    about: "Where /health, /ready and the API answer",
    initial: "127.0.0.1:8080",
  }),
  metrics_listen: hostPort({
    about: "Where Prometheus reads metrics",
    initial: "127.0.0.1:9090",
  }),
  edge_processes: integer({
    about: "Processes that hold connections of devices on the same ports, the relay's own among them",
    initial: 1,
    min: 1,
    max: 64,
  }),
  max_connections: integer({
    about: "Connections of devices held at once",
    initial: limit.CONNECTIONS_MAX_DEFAULT,
    min: 1,
    max: 1_000_000,
    live: true,
  }),
  max_connections_per_address: integer({
    about: "Connections held at once from one IP address",
    initial: limit.CONNECTIONS_PER_ADDRESS_MAX_DEFAULT,
    min: 1,
    max: 1_000_000,
    live: true,
  }),
  max_connections_per_subnet: integer({
    about: "Connections held at once from one /24 of IPv4 or /48 of IPv6",
    initial: limit.CONNECTIONS_PER_SUBNET_MAX_DEFAULT,
    min: 1,
    max: 1_000_000,
    live: true,
  }),
  max_connections_per_peer: integer({
    about: "Connections held at once with one PeerId",
    initial: limit.CONNECTIONS_PER_PEER_MAX_DEFAULT,
    min: 1,
    max: 1_000_000,
    live: true,
  }),
  max_accepts_per_second: integer({
    about:
      "Connections that one IPv4 address or /48 of IPv6 may make in a second, on average; a number that is set holds for loopback too",
    initialText: `${limit.ACCEPTS_PER_SECOND_MAX_DEFAULT}, and no limit for loopback`,
    min: 1,
    max: 1_000_000,
    live: true,
  }).optional(),
  max_memory: size({
    about: "Resident memory of a process above which no new work is taken; see below",
    initial: "0",
    live: true,
  }),
  allow: accessEntries({
    about: "Only these are let in, where there are any: addresses and PeerIds each for themselves",
    live: true,
  }),
  deny: accessEntries({
    about:
      'These are not let in, whatever is allowed; networks of IPv6 hold no IPv4: all addresses are "0.0.0.0/0" and "::/0"',
    live: true,
  }),
  max_handshakes: integer({
    about:
      "Handshakes under way at once in a process; when all are taken, networks with few come before those with many",
    initial: limit.HANDSHAKES_MAX_DEFAULT,
    min: 1,
    max: 100_000,
    live: true,
  }),
  max_streams: integer({
    about: "Streams that one connection may hold open",
    initial: limit.STREAMS_MAX_DEFAULT,
    min: 1,
    max: 10_000,
    live: true,
  }),
  max_stream_opens_per_second: integer({
    about: "Streams that one connection may open in a second, on average, whether it resets them or not",
    initial: limit.STREAM_OPENS_PER_SECOND_DEFAULT,
    min: 1,
    max: 10_000,
    live: true,
  }),
  stream_window: size({
    about: "What a device may send ahead on one stream, held in memory at worst",
    initial: kibibytes(limit.STREAM_WINDOW_BYTES_DEFAULT),
    min: kibibytes(limit.YAMUX_WINDOW_BYTES),
    max: "16MiB",
  }),
  max_stream_frame: size({
    about: "Data in one yamux frame of a device's",
    initial: kibibytes(limit.STREAM_FRAME_BYTES_MAX_DEFAULT),
    min: kibibytes(limit.STREAM_FRAME_BYTES_MIN),
    max: kibibytes(limit.YAMUX_WINDOW_BYTES),
    live: true,
  }),
  max_output: size({
    about:
      "What waits for one connection that reads slowly; above it nothing more is taken for it until half has gone, and above half as much again nothing from it",
    initial: kibibytes(limit.LINK_OUTPUT_MARK_BYTES),
    min: kibibytes(limit.LINK_OUTPUT_MARK_BYTES_MIN),
    max: "16MiB",
    live: true,
  }),
  max_creates_per_second: rate({
    about: "Mailboxes made, reset and deleted",
    initial: limit.CREATES_PER_SECOND_MAX_DEFAULT,
  }),
  max_appends_per_second: rate({
    about: "Entries appended",
    initial: limit.APPENDS_PER_SECOND_MAX_DEFAULT,
  }),
  max_append_bytes_per_second: size({
    about: "Bytes of entries appended, likewise",
    initial: `${limit.APPEND_BYTES_PER_SECOND_MAX_DEFAULT / 1024 ** 2}MiB`,
    min: kibibytes(limit.APPEND_BYTES_PER_SECOND_MIN),
    live: true,
  }),
  max_reads_per_second: rate({
    about: "Reads, receipts, descriptions, takes and proofs",
    initial: limit.READS_PER_SECOND_MAX_DEFAULT,
  }),
  max_subscribes_per_second: rate({
    about: "Subscriptions begun",
    initial: limit.SUBSCRIBES_PER_SECOND_MAX_DEFAULT,
  }),
  handshake_timeout: duration({
    about: "How long a connection may take until it is secured",
    initial: "5s",
    min: "100ms",
    max: "1m",
    live: true,
  }),
  keepalive_interval: duration({
    about: "How often a silent connection is asked whether it is still there",
    initial: "60s",
    min: "1s",
    max: "1h",
    live: true,
  }),
  keepalive_timeout: duration({
    about: "How long it has to answer",
    initial: "30s",
    min: "1s",
    max: "10m",
    live: true,
  }),
  slow_reader_timeout: duration({
    about: "How long a device may leave what it asked for unread before it is dropped",
    initial: "30s",
    min: "1s",
    max: "1h",
    live: true,
  }),
  max_ttl: duration({
    about: "The longest that an entry is kept; owners of mailboxes may choose less",
    initial: "90d",
    min: "1m",
    max: "90d",
  }),
  grace: duration({
    about: "How long a relay that is told to stop takes to end what is under way",
    initial: "30s",
    min: "0s",
    max: "1h",
    live: true,
  }),
});

const database = z.strictObject({
  url: postgresUrl({
    about: "PostgreSQL to keep mailboxes in",
    initialText: "SQLite in the data directory",
  }).optional(),
});

const log = z.strictObject({
  level: choice(["trace", "debug", "info", "warn", "error", "silent"], {
    about: "What is written to the log",
    initial: "info",
    live: true,
  }),
  format: choice(["json", "pretty"], {
    about: "How log lines look",
    initialText: "pretty on a terminal, else json",
  }).optional(),
});

const user = z.strictObject({
  identity: path({
    about: "The key file of the person who writes",
  }).optional(),
  bootstrap: peerAddresses({
    about: "The relay to use, with its /p2p/ part; else the relay of this machine, found by relay.json",
    initial: [],
  }),
  data_dir: path({
    about: "Where a device keeps its database",
    initialText: "$XDG_STATE_HOME/dchat/user/FINGERPRINT, else ~/.local/state/dchat/user/FINGERPRINT",
  }).optional(),
});

const crypto = z.strictObject({
  backends: choice(["fast", "portable"], {
    about: "fast takes the quickest implementation of each operation; portable takes what runs anywhere",
    initial: "fast",
    variable: "DCHAT_CRYPTO",
  }),
});

/** The whole file. */
export const configSchema = z.strictObject({ relay, database, log, user, crypto });

/** Every value in force, by the keys of the file. Durations are milliseconds, addresses are parsed. */
export type Config = z.output<typeof configSchema>;

/** One setting with its key. */
export interface Setting extends SettingMeta {
  /** `relay.max_connections`. */
  readonly key: string;
  readonly section: string;
  readonly name: string;
  /** `DCHAT_RELAY_MAX_CONNECTIONS`. */
  readonly variable: string;
}

/** Every setting by its key, in the file's order. */
export const settings: ReadonlyMap<string, Setting> = new Map(listSettings());

function* listSettings(): Iterable<[string, Setting]> {
  for (const [section, { shape }] of Object.entries(configSchema.shape)) {
    for (const [name, schema] of Object.entries<z.core.$ZodType>(shape)) {
      const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
      const meta = settingMeta.get(inner);
      if (meta === undefined) continue;
      const key = `${section}.${name}`;
      const variable = meta.variable ?? `DCHAT_${key.replace(".", "_").toUpperCase()}`;
      yield [key, { ...meta, key, section, name, variable }];
    }
  }
}

/** A setting's default as people read it; empty where there is none. */
export function defaultText({ initial, initialText }: Setting): string {
  if (initialText !== undefined) return initialText;
  if (initial === undefined) return "";
  if (Array.isArray(initial)) return initial.join(", ");
  return typeof initial === "string" ? initial : JSON.stringify(initial);
}
