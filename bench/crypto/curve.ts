/** Ed25519 and X25519 beside libsodium's WASM, node:crypto and noble, on the same inputs. */
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { SignatureCheck } from "../../core/node/pipeline/verify.ts";
import type { Command } from "../../core/wire/mod.ts";
import type { Crypto, SignedMessage } from "@dchat/crypto-wasm";
import sodium from "libsodium-wrappers-sumo";
import {
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { openWasm } from "../../crypto-wasm/wasm/mod.ts";
import { round } from "../harness/quantile.ts";
import type { Timed } from "./time.ts";

const BATCHES = [1, 8, 64, 256] as const;
/** A mailbox command's size, about. */
const MESSAGE_BYTES = 256;

export interface Peers {
  readonly dchat: Crypto;
  readonly portable: Crypto;
}

/**
 * What a relay does with the commands of a tick: from the sockets' loop through its check, in as many goes as that
 * takes, to whether each holds.
 */
function relayPath(crypto: Crypto, items: readonly SignedMessage[]): () => Promise<readonly boolean[]> {
  // The check reads nothing else of a command.
  const commands = items.map(({ key, message, signature }) => ({
    command: { statement: message, authority: { key, signature } } as unknown as Command,
  }));
  let waiting = Promise.withResolvers<readonly boolean[]>();
  let known: boolean[] = [];
  const check = new SignatureCheck<{ readonly command: Command }>({
    crypto,
    checked(_, authentic) {
      known.push(...authentic);
      if (known.length === commands.length) waiting.resolve(known);
    },
    failed: (_, error) => waiting.reject(error),
  });
  return () => {
    waiting = Promise.withResolvers();
    known = [];
    for (const command of commands) check.push(command);
    return waiting.promise;
  };
}

/**
 * Batches of distinct keys and messages, none known beforehand, as a relay's tick brings them; views of one buffer, as
 * bytes arrive. Commands of one mailbox share the writer's key, and ed25519-zebra adds up what shares a key: that
 * takes less.
 */
export function batches({ dchat, portable }: Peers): Timed[] {
  const wide = openWasm();
  return BATCHES.map((n) => {
    const items = Array.from({ length: n }, () => {
      using key = dchat.ed25519.generate();
      const arrived = dchat.random.bytes(MESSAGE_BYTES + 96);
      const message = arrived.subarray(32, 32 + MESSAGE_BYTES);
      arrived.set(key.publicKey);
      arrived.set(dchat.ed25519.sign(key, message), 32 + MESSAGE_BYTES);
      return { key: arrived.subarray(0, 32), message, signature: arrived.subarray(32 + MESSAGE_BYTES) };
    });
    using writer = dchat.ed25519.generate();
    const ofOneKey = items.map(({ message }) => ({
      key: writer.publicKey,
      message,
      signature: dchat.ed25519.sign(writer, message),
    }));
    const held = items.map((item) => ({ ...item, object: nodePublic(item.key) }));
    return {
      operation: "ed25519 verifyBatch",
      size: n,
      also: (p50Us) => ({ signatureUs: round(p50Us / n) }),
      subjects: {
        dchat: () => dchat.ed25519.verifyBatch(items),
        "dchat relay": relayPath(dchat, items),
        "dchat one key": () => dchat.ed25519.verifyBatch(ofOneKey),
        "dchat bare": () => wide.ed25519.verifyBatch(items),
        "dchat portable": () => portable.ed25519.verifyBatch(items),
        libsodium: () =>
          items.every((item) => sodium.crypto_sign_verify_detached(item.signature, item.message, item.key)),
        // The kindest reading: keys imported beforehand.
        "node:crypto": () => held.every((item) => verify(null, item.message, item.object, item.signature)),
        noble: () => items.every((item) => ed25519.verify(item.signature, item.message, item.key)),
      },
    };
  });
}

function nodePublic(raw: Uint8Array): KeyObject {
  return createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]),
    format: "der",
    type: "spki",
  });
}

/** Signatures and agreement, one at a time. */
export function curves({ dchat, portable }: Peers): Timed[] {
  const seed = dchat.random.bytes(32);
  const message = dchat.random.bytes(MESSAGE_BYTES);
  const keys = { dchat: dchat.ed25519.fromSeed(seed), portable: portable.ed25519.fromSeed(seed) };
  const { publicKey } = keys.dchat;
  const secret = sodium.crypto_sign_seed_keypair(seed).privateKey;
  const node = generateKeyPairSync("ed25519");
  const signature = dchat.ed25519.sign(keys.dchat, message);
  const nodeSignature = sign(null, message, node.privateKey);
  const wide = openWasm();
  const wideSigner = wide.ed25519.fromSeed(seed);
  const wideAgreement = wide.x25519.fromSecret(seed);
  const agreements = { dchat: dchat.x25519.fromSecret(seed), portable: portable.x25519.fromSecret(seed) };
  const peer = dchat.x25519.generate().publicKey;
  const [own, other] = [generateKeyPairSync("x25519"), generateKeyPairSync("x25519")];
  return [
    {
      operation: "ed25519 sign",
      size: MESSAGE_BYTES,
      subjects: {
        dchat: () => dchat.ed25519.sign(keys.dchat, message),
        "dchat wide": () => wide.ed25519.sign(wideSigner, message),
        "dchat portable": () => portable.ed25519.sign(keys.portable, message),
        libsodium: () => sodium.crypto_sign_detached(message, secret),
        "node:crypto": () => sign(null, message, node.privateKey),
        noble: () => ed25519.sign(message, seed),
      },
    },
    {
      operation: "ed25519 verify",
      size: MESSAGE_BYTES,
      subjects: {
        dchat: () => dchat.ed25519.verify(publicKey, message, signature),
        "dchat portable": () => portable.ed25519.verify(publicKey, message, signature),
        libsodium: () => sodium.crypto_sign_verify_detached(signature, message, publicKey),
        "node:crypto": () => verify(null, message, node.publicKey, nodeSignature),
        noble: () => ed25519.verify(signature, message, publicKey),
      },
    },
    {
      operation: "ed25519 to x25519",
      size: 32,
      subjects: {
        dchat: () => dchat.ed25519.toX25519(publicKey),
        libsodium: () => sodium.crypto_sign_ed25519_pk_to_curve25519(publicKey),
        noble: () => ed25519.utils.toMontgomery(publicKey),
      },
    },
    {
      operation: "x25519 agree",
      size: 32,
      subjects: {
        dchat: () => dchat.x25519.agree(agreements.dchat, peer),
        "dchat wide": () => wide.x25519.agree(wideAgreement, peer),
        "dchat portable": () => portable.x25519.agree(agreements.portable, peer),
        libsodium: () => sodium.crypto_scalarmult(seed, peer),
        "node:crypto": () => diffieHellman({ privateKey: own.privateKey, publicKey: other.publicKey }),
        noble: () => x25519.getSharedSecret(seed, peer),
      },
    },
  ];
}
