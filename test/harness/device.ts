/** What tests and benches do as devices: connect to a relay under a fresh PeerId and ask it. */
import { type Crypto, openCrypto, type SigningKey } from "@dchat/crypto-wasm";
import { openSession, type OpenedSession } from "../../core/client/session/mod.ts";
import { type Dialler, type EdgeConnection, type EdgeLimits, openDialler } from "../../core/edge/mod.ts";
import {
  type Clock,
  entryId,
  limit,
  type MailboxId,
  publicKey,
  type PublicKey,
} from "../../core/ground/mod.ts";
import { type CommandBody, GENERATION_FIRST, mailboxIdOf, type Policy } from "../../core/wire/mod.ts";

export const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

export const policy: Policy = {
  entriesMax: limit.MAILBOX_ENTRIES_MAX_DEFAULT,
  bytesMax: limit.MAILBOX_BYTES_MAX_DEFAULT,
  ttlMs: limit.ENTRY_TTL_MS_DEFAULT,
  retentionMs: limit.ENTRY_TTL_MS_DEFAULT,
};

/** Under which devices dial: as many as a relay holds. */
export const limits: EdgeLimits = {
  connectionsMax: limit.CONNECTIONS_MAX_DEFAULT,
  connectionsPerAddressMax: limit.CONNECTIONS_MAX_DEFAULT,
  connectionsPerSubnetMax: limit.CONNECTIONS_MAX_DEFAULT,
  handshakesMax: limit.HANDSHAKES_MAX_DEFAULT,
  streamsMax: limit.STREAMS_MAX_DEFAULT,
  handshakeTimeoutMs: limit.HANDSHAKE_TIMEOUT_MS,
  keepaliveIntervalMs: limit.KEEPALIVE_INTERVAL_MS,
  keepaliveTimeoutMs: limit.KEEPALIVE_TIMEOUT_MS,
  slowReaderTimeoutMs: limit.SLOW_READER_TIMEOUT_MS,
};

/** One process full of devices: their crypto and the dialler that they share. */
export interface Devices extends AsyncDisposable {
  readonly crypto: Crypto;
  readonly dialler: Dialler;
  connect(address: string, options?: { relay?: PublicKey | null }): Promise<Device>;
}

/** A connection with a session on it. Dispose closes both. */
export interface Device extends AsyncDisposable {
  readonly connection: EdgeConnection;
  readonly session: OpenedSession;
}

/** A mailbox with the keys of all who use it. */
export interface TestMailbox {
  readonly mailbox: MailboxId;
  readonly owner: SigningKey;
  readonly writer: SigningKey;
  readonly readers: readonly SigningKey[];
  readonly create: Extract<CommandBody, { op: "create" }>;
  readonly generation: number;
}

export async function openDevices(): Promise<Devices> {
  const crypto = await openCrypto({ needs: [] });
  const dialler = openDialler({ crypto, clock, limits });
  return {
    crypto,
    dialler,
    async connect(address, { relay = null } = {}) {
      const connection = await dialler.dial({ address });
      const session = await openSession(connection, { crypto, clock, relay });
      void session.closed.then(() => connection.close("the session is over"));
      return {
        connection,
        session,
        async [Symbol.asyncDispose]() {
          await session[Symbol.asyncDispose]();
          connection.close("done", { hard: true });
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await dialler[Symbol.asyncDispose]();
      await crypto[Symbol.asyncDispose]();
    },
  };
}

/** Keys and creation record of a new mailbox on `relay`; nothing is sent. */
export function newMailbox(
  crypto: Crypto,
  options: { relay: PublicKey; readers?: number; policy?: Partial<Policy> },
): TestMailbox {
  const owner = crypto.ed25519.generate();
  const writer = crypto.ed25519.generate();
  const readers = Array.from({ length: options.readers ?? 1 }, () => crypto.ed25519.generate());
  const record = {
    owner: publicKey(owner.publicKey),
    relay: options.relay,
    policy: { ...policy, ...options.policy },
    nonce: crypto.random.bytes(16),
  };
  return {
    mailbox: mailboxIdOf(record, crypto.hash),
    owner,
    writer,
    readers,
    generation: GENERATION_FIRST,
    create: {
      op: "create",
      record,
      writer: publicKey(writer.publicKey),
      readers: readers.map((each) => publicKey(each.publicKey)),
    },
  };
}

/** Makes `box` on the relay of `session`; throws where it is refused. */
export async function create({ session }: Pick<Device, "session">, box: TestMailbox): Promise<void> {
  const result = await session.command(box.create, { ...box, key: box.owner });
  if (result.is !== "created") throw new Error(`create: ${JSON.stringify(result)}`);
}

/** A plain append of `bytes` random bytes. */
export function plain(
  crypto: Crypto,
  options: { bytes?: number; turn?: number } = {},
): Extract<CommandBody, { op: "append" }> {
  return {
    op: "append",
    id: entryId(crypto.random.bytes(16)),
    turn: options.turn ?? 0,
    kind: "plain",
    slot: 0,
    change: null,
    entry: crypto.random.bytes(options.bytes ?? 1024),
  };
}
