/**
 * Mailboxes by number: who knows the relay's identity and a number knows that mailbox and its keys, so that a
 * process that fills a store and one that loads the relay on it need no list of a million.
 */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { type MailboxId, publicKey, type PublicKey } from "../../core/ground/mod.ts";
import { type CommandBody, mailboxIdOf } from "../../core/wire/mod.ts";
import { policy } from "../../test/harness/device.ts";

/** Each mailbox has two of these: a key of its own would cost it the same bytes, and a minute to make a million. */
const KEYS = 1024;
const NONCE_BYTES = 16;
const OWNER = "owner";

export interface Resident {
  readonly mailbox: MailboxId;
  readonly owner: SigningKey;
  readonly writer: SigningKey;
  readonly reader: SigningKey;
  readonly create: Extract<CommandBody, { op: "create" }>;
}

/** The mailbox of a number, the same in every process. */
export type Population = (number: number) => Resident;

export function openPopulation(crypto: Crypto, relay: PublicKey): Population {
  const seedOf = (of: string): Uint8Array =>
    crypto.hash.sha256(new TextEncoder().encode(`dchat bench ${of}`));
  const keysOf = (of: string): SigningKey[] =>
    Array.from({ length: KEYS }, (_, at) => crypto.ed25519.fromSeed(seedOf(`${of} ${at}`)));
  const owner = crypto.ed25519.fromSeed(seedOf(OWNER));
  const [writers, readers] = [keysOf("writer"), keysOf("reader")];
  return (number) => {
    const [writer, reader] = [writers[number % KEYS] ?? owner, readers[number % KEYS] ?? owner];
    const nonce = seedOf(`mailbox ${number}`).slice(0, NONCE_BYTES);
    const record = { owner: publicKey(owner.publicKey), relay, policy, nonce };
    const create = {
      op: "create",
      record,
      writer: publicKey(writer.publicKey),
      readers: [publicKey(reader.publicKey)],
    } as const;
    return { mailbox: mailboxIdOf(record, crypto.hash), owner, writer, reader, create };
  };
}
