/** The MLS working group's vectors for the classical suites that dchat offers, on both columns of the table. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  type CiphersuiteImpl,
  type CryptoProvider,
  decodeMlsMessage,
  defaultCapabilities,
  defaultKeyRetentionConfig,
  type GroupContext,
  joinGroup,
  type KeyPackage,
  makePskIndex,
  mlsExporter,
  processPrivateMessage,
  processPublicMessage,
  type RatchetTree,
  type Welcome,
} from "ts-mls";
import { getCiphersuiteFromId } from "ts-mls/crypto/ciphersuite.js";
import { refhash } from "ts-mls/crypto/hash.js";
import { decryptWithLabel, encryptWithLabel } from "ts-mls/crypto/hpke.js";
import { deriveSecret, deriveTreeSecret, expandWithLabel } from "ts-mls/crypto/kdf.js";
import { signWithLabel, verifyWithLabel } from "ts-mls/crypto/signature.js";
import { encodeCommit } from "ts-mls/commit.js";
import { encodeGroupContext } from "ts-mls/groupContext.js";
import { verifyGroupInfoConfirmationTag, verifyGroupInfoSignature } from "ts-mls/groupInfo.js";
import { makeKeyPackageRef } from "ts-mls/keyPackage.js";
import { initializeEpoch } from "ts-mls/keySchedule.js";
import { unprotectPrivateMessage } from "ts-mls/messageProtection.js";
import { unprotectPublicMessage } from "ts-mls/messageProtectionPublic.js";
import { encodeProposal } from "ts-mls/proposal.js";
import { decodeRatchetTree } from "ts-mls/ratchetTree.js";
import { createSecretTree, deriveKey, deriveNonce, ratchetUntil } from "ts-mls/secretTree.js";
import { expandSenderDataKey, expandSenderDataNonce } from "ts-mls/sender.js";
import { leafToNodeIndex, toLeafIndex } from "ts-mls/treemath.js";
import { decryptGroupInfo, decryptGroupSecrets } from "ts-mls/welcome.js";
import { sharedVectors, type Vector, vectorsPresent } from "../_vectors.ts";
import { COLUMNS } from "../_columns.ts";
import { mlsCryptoProvider, openCrypto } from "../mod.ts";

const EMPTY = new Uint8Array(0);
const SUITE_IDS = [1, 3] as const;

function decoded(bytes: Uint8Array) {
  const message = decodeMlsMessage(bytes, 0)?.[0];
  if (message === undefined) throw new Error("the vector holds no MLS message");
  return message;
}

function welcomeOf(bytes: Uint8Array): Welcome {
  const message = decoded(bytes);
  if (message.wireformat !== "mls_welcome") throw new Error(`got ${message.wireformat}`);
  return message.welcome;
}

function keyPackageOf(bytes: Uint8Array): KeyPackage {
  const message = decoded(bytes);
  if (message.wireformat !== "mls_key_package") throw new Error(`got ${message.wireformat}`);
  return message.keyPackage;
}

function contextOf(suite: CiphersuiteImpl, epoch: number, one: Vector, groupId: Uint8Array): GroupContext {
  return {
    version: "mls10",
    cipherSuite: suite.name,
    groupId,
    epoch: BigInt(epoch),
    treeHash: one.bytes("tree_hash"),
    confirmedTranscriptHash: one.bytes("confirmed_transcript_hash"),
    extensions: [],
  };
}

async function tryBasics(suite: CiphersuiteImpl, one: Vector): Promise<void> {
  const { hpke, kdf, signature } = suite;
  const ref = one.object("ref_hash");
  expect(await refhash(ref.text("label"), ref.bytes("value"), suite.hash)).toEqual(ref.bytes("out"));
  const expand = one.object("expand_with_label");
  const expanded = await expandWithLabel(
    expand.bytes("secret"),
    expand.text("label"),
    expand.bytes("context"),
    expand.number("length"),
    kdf,
  );
  expect(expanded).toEqual(expand.bytes("out"));
  const derive = one.object("derive_secret");
  expect(await deriveSecret(derive.bytes("secret"), derive.text("label"), kdf)).toEqual(derive.bytes("out"));
  const tree = one.object("derive_tree_secret");
  const [generation, length] = [tree.number("generation"), tree.number("length")];
  const ofTree = await deriveTreeSecret(tree.bytes("secret"), tree.text("label"), generation, length, kdf);
  expect(ofTree).toEqual(tree.bytes("out"));
  const sign = one.object("sign_with_label");
  const [key, label, content] = [sign.bytes("pub"), sign.text("label"), sign.bytes("content")];
  expect(await verifyWithLabel(key, label, content, sign.bytes("signature"), signature)).toBe(true);
  expect(await signWithLabel(sign.bytes("priv"), label, content, signature)).toEqual(sign.bytes("signature"));
  const box = one.object("encrypt_with_label");
  const privateKey = await hpke.importPrivateKey(box.bytes("priv"));
  const publicKey = await hpke.importPublicKey(box.bytes("pub"));
  const [boxLabel, context, plaintext] = [box.text("label"), box.bytes("context"), box.bytes("plaintext")];
  const open = (enc: Uint8Array, ct: Uint8Array) =>
    decryptWithLabel(privateKey, boxLabel, context, enc, ct, hpke);
  expect(await open(box.bytes("kem_output"), box.bytes("ciphertext"))).toEqual(plaintext);
  const sealed = await encryptWithLabel(publicKey, boxLabel, context, plaintext, hpke);
  expect(await open(sealed.enc, sealed.ct)).toEqual(plaintext);
}

async function tryKeySchedule(suite: CiphersuiteImpl, one: Vector): Promise<void> {
  let initSecret = one.bytes("initial_init_secret");
  for (const [at, epoch] of one.list("epochs").entries()) {
    const context = contextOf(suite, at, epoch, one.bytes("group_id"));
    expect(encodeGroupContext(context)).toEqual(epoch.bytes("group_context"));
    const [commitSecret, pskSecret] = [epoch.bytes("commit_secret"), epoch.bytes("psk_secret")];
    const { keySchedule, ...secrets } = await initializeEpoch(
      initSecret,
      commitSecret,
      context,
      pskSecret,
      suite.kdf,
    );
    const expected = [
      [secrets.joinerSecret, "joiner_secret"],
      [secrets.welcomeSecret, "welcome_secret"],
      [secrets.encryptionSecret, "encryption_secret"],
      [keySchedule.initSecret, "init_secret"],
      [keySchedule.senderDataSecret, "sender_data_secret"],
      [keySchedule.exporterSecret, "exporter_secret"],
      [keySchedule.externalSecret, "external_secret"],
      [keySchedule.confirmationKey, "confirmation_key"],
      [keySchedule.membershipKey, "membership_key"],
      [keySchedule.resumptionPsk, "resumption_psk"],
      [keySchedule.epochAuthenticator, "epoch_authenticator"],
    ] as const;
    for (const [secret, name] of expected) expect([name, secret]).toEqual([name, epoch.bytes(name)]);
    const external = await suite.hpke.deriveKeyPair(epoch.bytes("external_secret"));
    expect(await suite.hpke.exportPublicKey(external.publicKey)).toEqual(epoch.bytes("external_pub"));
    const exporter = epoch.object("exporter");
    const [label, ofContext, length] = [
      exporter.text("label"),
      exporter.bytes("context"),
      exporter.number("length"),
    ];
    const exported = await mlsExporter(keySchedule.exporterSecret, label, ofContext, length, suite);
    expect(exported).toEqual(exporter.bytes("secret"));
    initSecret = keySchedule.initSecret;
  }
}

async function trySecretTree(suite: CiphersuiteImpl, one: Vector): Promise<void> {
  const sender = one.object("sender_data");
  const [secret, ciphertext] = [sender.bytes("sender_data_secret"), sender.bytes("ciphertext")];
  expect(await expandSenderDataKey(suite, secret, ciphertext)).toEqual(sender.bytes("key"));
  expect(await expandSenderDataNonce(suite, secret, ciphertext)).toEqual(sender.bytes("nonce"));
  const leaves = one.lists("leaves");
  const tree = await createSecretTree(leaves.length, one.bytes("encryption_secret"), suite.kdf);
  for (const [at, generations] of leaves.entries()) {
    const node = tree[leafToNodeIndex(toLeafIndex(at))];
    if (node === undefined) throw new Error(`the secret tree has no leaf ${at}`);
    for (const kind of ["handshake", "application"] as const) {
      for (const expected of generations) {
        const generation = expected.number("generation");
        const [ratchet] = await ratchetUntil(node[kind], generation, defaultKeyRetentionConfig, suite.kdf);
        expect(await deriveKey(ratchet.secret, generation, suite)).toEqual(expected.bytes(`${kind}_key`));
        expect(await deriveNonce(ratchet.secret, generation, suite)).toEqual(expected.bytes(`${kind}_nonce`));
      }
    }
  }
}

/** A tree with a leaf at index 1, which is who sent the vectors' messages; its key is overridden. */
const TREE_OF_SENDER: RatchetTree = [
  undefined,
  undefined,
  {
    nodeType: "leaf",
    leaf: {
      leafNodeSource: "commit",
      hpkePublicKey: EMPTY,
      signaturePublicKey: EMPTY,
      capabilities: defaultCapabilities(),
      parentHash: EMPTY,
      extensions: [],
      signature: EMPTY,
      credential: { credentialType: "basic", identity: EMPTY },
    },
  },
];

async function tryMessageProtection(suite: CiphersuiteImpl, one: Vector): Promise<void> {
  const context = contextOf(suite, one.number("epoch"), one, one.bytes("group_id"));
  const open = async (name: string) => {
    const message = decoded(one.bytes(name));
    const signer = one.bytes("signature_pub");
    if (message.wireformat === "mls_public_message") {
      const key = one.bytes("membership_key");
      return (await unprotectPublicMessage(key, context, [], message.publicMessage, suite, signer)).content;
    }
    if (message.wireformat !== "mls_private_message") throw new Error(`got ${message.wireformat}`);
    const secrets = await createSecretTree(2, one.bytes("encryption_secret"), suite.kdf);
    const opened = await unprotectPrivateMessage(
      one.bytes("sender_data_secret"),
      message.privateMessage,
      secrets,
      TREE_OF_SENDER,
      context,
      defaultKeyRetentionConfig,
      suite,
      signer,
    );
    return opened.content.content;
  };
  for (const name of ["proposal_priv", "proposal_pub"]) {
    const content = await open(name);
    if (content.contentType !== "proposal") throw new Error(`got ${content.contentType}`);
    expect(encodeProposal(content.proposal)).toEqual(one.bytes("proposal"));
  }
  for (const name of ["commit_priv", "commit_pub"]) {
    const content = await open(name);
    if (content.contentType !== "commit") throw new Error(`got ${content.contentType}`);
    expect(encodeCommit(content.commit)).toEqual(one.bytes("commit"));
  }
  const content = await open("application_priv");
  if (content.contentType !== "application") throw new Error(`got ${content.contentType}`);
  expect(content.applicationData).toEqual(one.bytes("application"));
}

async function tryWelcome(suite: CiphersuiteImpl, one: Vector): Promise<void> {
  const welcome = welcomeOf(one.bytes("welcome"));
  const ref = await makeKeyPackageRef(keyPackageOf(one.bytes("key_package")), suite.hash);
  const privateKey = await suite.hpke.importPrivateKey(one.bytes("init_priv"));
  const secrets = await decryptGroupSecrets(privateKey, ref, welcome, suite.hpke);
  if (secrets === undefined) throw new Error("the Welcome holds no secrets for this KeyPackage");
  const psk = new Uint8Array(suite.kdf.size);
  const info = await decryptGroupInfo(welcome, secrets.joinerSecret, psk, suite);
  if (info === undefined) throw new Error("the Welcome's GroupInfo doesn't open");
  expect(await verifyGroupInfoConfirmationTag(info, secrets.joinerSecret, psk, suite)).toBe(true);
  expect(await verifyGroupInfoSignature(info, one.bytes("signer_pub"), suite.signature)).toBe(true);
}

async function tryPassiveClient(suite: CiphersuiteImpl, one: Vector): Promise<void> {
  const psks = Object.fromEntries(
    one.list("external_psks").map((psk) => [psk.bytes("psk_id").toBase64(), psk.bytes("psk")]),
  );
  const privateKeys = {
    hpkePrivateKey: one.bytes("encryption_priv"),
    initPrivateKey: one.bytes("init_priv"),
    signaturePrivateKey: one.bytes("signature_priv"),
  };
  const treeBytes = one.bytesOrNull("ratchet_tree");
  const tree = treeBytes === null ? undefined : decodeRatchetTree(treeBytes, 0)?.[0];
  const [welcome, keyPackage] = [welcomeOf(one.bytes("welcome")), keyPackageOf(one.bytes("key_package"))];
  let state = await joinGroup(welcome, keyPackage, privateKeys, makePskIndex(undefined, psks), suite, tree);
  expect(state.keySchedule.epochAuthenticator).toEqual(one.bytes("initial_epoch_authenticator"));
  for (const epoch of one.list("epochs")) {
    for (const bytes of [...epoch.byteList("proposals"), epoch.bytes("commit")]) {
      const message = decoded(bytes);
      const index = makePskIndex(state, psks);
      if (message.wireformat === "mls_private_message") {
        state = (await processPrivateMessage(state, message.privateMessage, index, suite)).newState;
      } else if (message.wireformat === "mls_public_message") {
        state = (await processPublicMessage(state, message.publicMessage, index, suite)).newState;
      } else throw new Error(`got ${message.wireformat}`);
    }
    expect(state.keySchedule.epochAuthenticator).toEqual(epoch.bytes("epoch_authenticator"));
  }
}

/** Each file, what tries one of its vectors, and how many it has for each suite. */
const FILES = [
  ["crypto-basics", tryBasics, 1],
  ["key-schedule", tryKeySchedule, 1],
  ["secret-tree", trySecretTree, 3],
  ["message-protection", tryMessageProtection, 1],
  ["welcome", tryWelcome, 1],
  ["passive-client-welcome", tryPassiveClient, 8],
  ["passive-client-handling-commit", tryPassiveClient, 13],
] as const;

const providers: Partial<Record<(typeof COLUMNS)[number], CryptoProvider>> = {};

beforeAll(async () => {
  for (const backends of COLUMNS) {
    providers[backends] = mlsCryptoProvider(await openCrypto({ backends, needs: [] }));
  }
});

describe.skipIf(!vectorsPresent).each([...COLUMNS])("mlsCryptoProvider() on the %s backends", (column) => {
  describe.each([...SUITE_IDS])("in suite %i", (id) => {
    test.each([...FILES])("passes every vector of %s", async (file, tryOne, count) => {
      const suite = await providers[column]?.getCiphersuiteImpl(getCiphersuiteFromId(id));
      if (suite === undefined) throw new Error("the provider was not opened");
      const vectors = sharedVectors(`mls/${file}.json`).filter((one) => one.number("cipher_suite") === id);
      expect(vectors).toHaveLength(count);
      for (const one of vectors) await tryOne(suite, one);
    });
  });
});
