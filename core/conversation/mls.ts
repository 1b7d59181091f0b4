/**
 * How ts-mls is set up, in one place: cipher suite 3, our CryptoProvider, credentials that carry a device
 * certificate, no padding of MLS's own (the outer seal pads) and no secrets of former epochs (a relay refuses
 * plain entries of a turn that is over, so nobody needs them).
 */
import type { Crypto } from "@dchat/crypto-wasm";
import {
  type Capabilities,
  type CiphersuiteImpl,
  type ClientConfig,
  type ClientState,
  type CryptoProvider,
  defaultKeyPackageEqualityConfig,
  getCiphersuiteFromName,
  type GroupState,
} from "ts-mls";
import type { PublicKey } from "../ground/mod.ts";

export const SUITE = "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519";
/** Leaf extension with the key that owns the device's cursor; from MLS's private-use range. */
export const READER_KEY_EXTENSION = 0xf0dc;
/** GroupInfo extension of a Welcome with what a joiner must know of the conversation's mailbox. */
export const MAILBOX_EXTENSION = 0xf0dd;

/** The identity that a credential (a device certificate) certifies `signatureKey` for, or null where it doesn't. */
export type MemberCheck = (credential: Uint8Array, signatureKey: Uint8Array) => PublicKey | null;

/** What every step needs: made once, used by all conversations. */
export interface Mls {
  readonly suite: CiphersuiteImpl;
  readonly config: ClientConfig;
  readonly crypto: Crypto;
  readonly checkMember: MemberCheck;
}

/** `provider` implements MLS's cryptography, normally crypto-wasm's. */
export async function openMls(options: {
  crypto: Crypto;
  provider: CryptoProvider;
  checkMember: MemberCheck;
}): Promise<Mls> {
  const { crypto, provider, checkMember } = options;
  const config: ClientConfig = {
    keyRetentionConfig: {
      // A sender's messages lie in order in the log; room for what a restored relay delivers out of order.
      retainKeysForGenerations: 256,
      retainKeysForEpochs: 1,
      // Each costs two hashes in one go: enough for what somebody wrote while away, in one epoch, and nobody read.
      maximumForwardRatchetSteps: 1024,
    },
    lifetimeConfig: { maximumTotalLifetime: 2_628_000n, validateLifetimeOnReceive: false },
    keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
    paddingConfig: { kind: "alwaysPad", paddingLength: 0 },
    authService: {
      validateCredential: (credential, signatureKey) =>
        Promise.resolve(
          credential.credentialType === "basic" && checkMember(credential.identity, signatureKey) !== null,
        ),
    },
  };
  const suite = await provider.getCiphersuiteImpl(getCiphersuiteFromName(SUITE));
  return { suite, config, crypto, checkMember };
}

/** `group` as ts-mls wants it. */
export function clientState(mls: Mls, group: GroupState): ClientState {
  return { ...group, clientConfig: mls.config };
}

export const CAPABILITIES: Capabilities = {
  versions: ["mls10"],
  ciphersuites: [SUITE],
  extensions: [READER_KEY_EXTENSION],
  proposals: [],
  credentials: ["basic"],
};
