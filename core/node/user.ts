/**
 * A person's device, assembled: key file, database, MLS, and connections that the relay can't tell whose they are.
 * The identity's key is only touched to certify the device, and wiped at once.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Crypto, mlsCryptoProvider, openCrypto, type SigningKey } from "@dchat/crypto-wasm";
import { Client, type ClientEvents, memberCheck } from "../client/mod.ts";
import { type DeviceKeys, type DeviceStore, openMls } from "../conversation/mod.ts";
import { type EdgeLimits, openDialler } from "../edge/mod.ts";
import { Fault, limit, publicKey, type PublicKey } from "../ground/mod.ts";
import { checkCertificate, fingerprint, issueCertificate } from "../identity/mod.ts";
import { openDeviceStore, rewrapDeviceStore } from "../store/client/mod.ts";
import { systemClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { defaultUserDir, prepareDir } from "./data_dir.ts";
import { openKeyFile } from "./secret.ts";
import { relayDial } from "./user/dial.ts";

/** no-identity: nobody said whose device it is · other-identity: the directory is somebody else's. */
export type UserCode = "user/no-identity" | "user/other-identity";

const DATABASE = "device.db";
/** A device is certified anew whenever half of this is over and its identity is opened. */
const CERTIFICATE_LIFE_MS = 365 * 24 * 60 * 60 * 1000;

export interface UserOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--passphrase-file`. */
  readonly passphraseFile?: string | undefined;
  /** Where a relay may be when it isn't where its conversation says; asked at every dial, since relays move. */
  readonly elsewhere?: () => readonly string[];
  readonly events: ClientEvents;
}

/** A device that works. */
export interface User extends AsyncDisposable {
  readonly client: Client;
  /** What the device works with; it goes with it. */
  readonly crypto: Crypto;
  readonly dataDir: string;
  readonly fingerprint: string;
  readonly identity: PublicKey;
  /** Whether the database's key lies bare in it. */
  readonly burner: boolean;
  /** What is to be said of the data directory, or null. */
  readonly warning: string | null;
}

/** Opens a person's device; throws Fault<"secret/…" | "identity/…" | "store/…" | "data/…" | "user/…">. */
export async function openUser(options: UserOptions): Promise<User> {
  await using stack = new AsyncDisposableStack();
  const { config, env } = options;
  const { identity: path } = config.user;
  if (path === undefined) {
    throw new Fault(
      "user/no-identity",
      "Whose device? Name a key file by --identity FILE or DCHAT_USER_IDENTITY",
    );
  }
  const crypto = stack.use(await openCrypto({ backends: config.crypto.backends, needs: [] }));
  using opened = await openKeyFile(crypto, {
    path,
    type: "identity",
    passphrase: { file: options.passphraseFile, env },
  });
  const identity = publicKey(opened.publicKey.slice());
  const name = fingerprint(crypto, identity);
  const dataDir = config.user.data_dir ?? defaultUserDir(env, name);
  const { warning } = prepareDir(dataDir);
  const { passphrase } = opened;
  const store = stack.use(await openDeviceStore({ path: join(dataDir, DATABASE), crypto, passphrase }));
  const keys = await certifiedDevice({ crypto, store, key: opened.key, identity, dataDir });
  stack.defer(() => crypto.wipe(keys.seed));
  const mls = await openMls({
    crypto,
    provider: mlsCryptoProvider(crypto),
    checkMember: memberCheck(crypto),
  });
  const dialler = stack.use(openDialler({ crypto, limits: dialLimits(config), clock: systemClock }));
  const client = new Client({
    store,
    crypto,
    mls,
    keys,
    identity,
    dial: relayDial({ crypto, dialler, elsewhere: options.elsewhere ?? (() => []) }),
    clock: systemClock,
    events: options.events,
  });
  const owned = stack.move();
  return {
    client,
    crypto,
    dataDir,
    fingerprint: name,
    identity,
    burner: passphrase === null,
    warning,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The device's key with a certificate that holds a good while longer, made where it is missing. */
function certifiedDevice(options: {
  crypto: Crypto;
  store: DeviceStore;
  key: SigningKey;
  identity: PublicKey;
  dataDir: string;
}): Promise<DeviceKeys> {
  const { crypto, store, key, identity, dataDir } = options;
  return store.transact((keeper) => {
    const owner = keeper.value("identity");
    if (owner !== null && !crypto.equal(owner, identity)) {
      throw new Fault(
        "user/other-identity",
        `The data directory ${dataDir} is another identity's; leave --data-dir out, or give this one a directory of its own`,
      );
    }
    // Written once: a command that changes nothing costs no sync and wakes nobody.
    if (owner === null) keeper.putValue("identity", identity);
    const known = keeper.value("device");
    const seed = known ?? crypto.random.bytes(32);
    if (known === null) keeper.putValue("device", seed);
    using device = crypto.ed25519.fromSeed(seed);
    const publicHalf = publicKey(device.publicKey.slice());
    const nowMs = systemClock.now();
    const kept = keeper.value("certificate");
    const inHalfLifeMs = nowMs + CERTIFICATE_LIFE_MS / 2;
    const holds =
      kept !== null && checkCertificate(crypto, kept, { device: publicHalf, nowMs: inHalfLifeMs }) !== null;
    const certificate = holds
      ? kept
      : issueCertificate(crypto, key, {
          device: publicHalf,
          issuedMs: nowMs,
          notAfterMs: nowMs + CERTIFICATE_LIFE_MS,
        });
    if (!holds) keeper.putValue("certificate", certificate);
    return { seed, publicKey: publicHalf, certificate };
  });
}

function dialLimits({ relay }: Config): EdgeLimits {
  return {
    connectionsMax: limit.CONNECTIONS_MAX_DEFAULT,
    connectionsPerAddressMax: limit.CONNECTIONS_MAX_DEFAULT,
    handshakesMax: limit.HANDSHAKES_MAX_DEFAULT,
    streamsMax: limit.STREAMS_MAX_DEFAULT,
    handshakeTimeoutMs: relay.handshake_timeout,
    keepaliveIntervalMs: relay.keepalive_interval,
    keepaliveTimeoutMs: relay.keepalive_timeout,
    slowReaderTimeoutMs: relay.slow_reader_timeout,
  };
}

export interface RewrapDeviceOptions {
  readonly config: Config;
  readonly crypto: Crypto;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly identity: PublicKey;
  readonly from: Uint8Array | null;
  readonly to: Uint8Array | null;
  readonly between: () => void;
}

/** The database's file, and whether there is one. */
export interface RewrappedDevice {
  readonly path: string;
  readonly isThere: boolean;
}

/**
 * Gives a device's database the passphrase `to` in place of `from` (borrowed; null for none), while `between` does
 * the same to the key file. Where the device has no database, only `between` runs; the answer says where one was
 * looked for, and whether it was there.
 */
export async function rewrapDevice(options: RewrapDeviceOptions): Promise<RewrappedDevice> {
  const { config, crypto, env, identity, between } = options;
  const dataDir = config.user.data_dir ?? defaultUserDir(env, fingerprint(crypto, identity));
  const path = join(dataDir, DATABASE);
  const isThere = existsSync(path);
  if (isThere) rewrapDeviceStore({ ...options, path });
  else between();
  return { path, isThere };
}
