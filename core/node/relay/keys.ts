/** The keys of a relay process, in its data directory: made at the first start, kept from then on. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { type Clock, Fault, publicKey, type PublicKey, signature } from "../../ground/mod.ts";
import { sealKeystore } from "../../identity/mod.ts";
import { certificateStatement, type NodeCertificate } from "../../wire/mod.ts";
import type { DataDirCode } from "../data_dir.ts";
import { openKeyFile, writeKeyFile } from "../secret.ts";

const IDENTITY = "identity.json";
/** How long a certificate speaks for a node, and how much of that must be left when it is shown. */
const CERTIFICATE_MS = 30 * 24 * 60 * 60 * 1000;
const CERTIFICATE_LEFT_MS = CERTIFICATE_MS / 2;

export interface RelayKeysOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--passphrase-file`, for an identity that is sealed. */
  readonly passphraseFile: string | undefined;
  /** What the keys are for. Mailboxes belong to an identity that is, so none is made where there are any. */
  readonly store?: {
    /** Its file or address, for people. */
    readonly name: string;
    /** Asked only where there is no identity: counting a large store takes a server a second. */
    readonly holdsMailboxes: () => Promise<boolean>;
    /** Whose mailboxes these are, where that is noted. */
    readonly relay: PublicKey | null;
  };
}

export interface RelayKeys extends Disposable {
  /** The relay's identity: certifies its nodes and nothing else. */
  readonly identity: PublicKey;
  /** The key behind this node's PeerId. */
  readonly node: SigningKey;
  /** Signs promises and heads. */
  readonly head: SigningKey;
  /** A certificate of this node under `peerId` (multihash bytes), renewed long before it ends. */
  certificate(peerId: Uint8Array): NodeCertificate;
}

/**
 * Opens `identity.json`, `node.json` and `head.json`, making those that are missing, mode 0600. The identity may
 * be sealed by a passphrase; made here it is not, since a relay starts by itself. Throws what openKeyFile and
 * writeKeyFile throw, Fault<"data/no-identity"> where there are mailboxes and no identity that they are of, and
 * Fault<"data/other-relay"> where they are of another one; then nothing was made.
 */
export async function openRelayKeys(options: RelayKeysOptions): Promise<RelayKeys> {
  await refuseWithoutIdentity(options);
  using stack = new DisposableStack();
  const identity = stack.use(await openKey(IDENTITY, options));
  if (options.store !== undefined) {
    requireSameRelay(options.store, { dataDir: options.dataDir, identity: publicKey(identity.publicKey) });
  }
  const node = stack.use(await openKey("node.json", options));
  const head = stack.use(await openKey("head.json", options));
  const { crypto, clock } = options;
  let issued: NodeCertificate | null = null;
  const keys = stack.move();
  return {
    identity: publicKey(identity.publicKey),
    node,
    head,
    certificate(peerId) {
      const nowMs = clock.now();
      if (issued !== null && issued.notAfterMs - nowMs > CERTIFICATE_LEFT_MS) return issued;
      const unsigned = {
        relay: publicKey(identity.publicKey),
        headKey: publicKey(head.publicKey),
        peerId,
        notAfterMs: nowMs + CERTIFICATE_MS,
      };
      const signed = signature(crypto.ed25519.sign(identity, certificateStatement(unsigned)));
      return (issued = { ...unsigned, signature: signed });
    },
    [Symbol.dispose]: () => keys.dispose(),
  };
}

async function refuseWithoutIdentity({ store, dataDir }: RelayKeysOptions): Promise<void> {
  if (store === undefined || existsSync(join(dataDir, IDENTITY))) return;
  const holdsMailboxes = await store.holdsMailboxes();
  if (!holdsMailboxes && store.relay === null) return;
  const whose = store.relay === null ? "" : ` ${store.relay.toHex()}`;
  const why = holdsMailboxes
    ? `the store holds mailboxes, and ${IDENTITY} of the relay${whose} that they belong to is missing; under another one no device would trust them`
    : `${store.name} is the store of relay${whose}, whose ${IDENTITY} is missing`;
  throw new Fault<DataDirCode>("data/no-identity", `Cannot use the data directory ${dataDir}: ${why}`);
}

/** Throws Fault<"data/other-relay">, naming both, where a store is of another relay than `here`. */
export function requireSameRelay(
  store: { readonly name: string; readonly relay: PublicKey | null },
  here: { readonly dataDir: string; readonly identity: PublicKey },
): void {
  const { dataDir, identity } = here;
  if (store.relay === null || store.relay.toHex() === identity.toHex()) return;
  throw new Fault<DataDirCode>(
    "data/other-relay",
    `Cannot start on ${store.name}: its mailboxes belong to relay ${store.relay.toHex()}, and ${join(dataDir, IDENTITY)} is of relay ${identity.toHex()}; no device would trust one for the other`,
  );
}

async function openKey(name: string, options: RelayKeysOptions): Promise<SigningKey> {
  const { crypto, clock, dataDir, env, passphraseFile } = options;
  const path = join(dataDir, name);
  if (!existsSync(path)) {
    using fresh = crypto.ed25519.generate();
    const text = sealKeystore(crypto, {
      type: "relay",
      key: fresh,
      createdMs: clock.now(),
      passphrase: null,
    });
    writeKeyFile(path, text, { force: false });
  }
  const opened = await openKeyFile(crypto, {
    path,
    type: "relay",
    passphrase: { env, file: passphraseFile },
  });
  opened.passphrase?.fill(0);
  return opened.key;
}
