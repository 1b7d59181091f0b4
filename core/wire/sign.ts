/** Making commands: what clients, tools and tests build frames with. */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import {
  assert,
  limit,
  type MailboxId,
  type Nonce,
  nonce as nonceOf,
  type PublicKey,
  publicKey,
  signature,
} from "../ground/mod.ts";
import { ByteWriter } from "./bytes.ts";
import type { Authority, Command, CommandBody } from "./command.ts";
import { isSizeClass, putBodyHead } from "./command_codec.ts";
import { COMMAND_KIND } from "./constant.ts";
import { encodeFrame } from "./frame.ts";
import { commandStatement, commandToken, type Digest, needsNonce } from "./statement.ts";

export interface SignOptions {
  readonly body: CommandBody;
  /** For create: `mailboxIdOf(body.record)`. */
  readonly mailbox: MailboxId;
  readonly generation: number;
  /** Unix ms; relays refuse one further away than COMMAND_LIFETIME_MS_MAX. */
  readonly notAfterMs: number;
  /** Identity of the relay that is to obey. */
  readonly relay: PublicKey;
  /** The stream's, from its hello; needed where `needsNonce(body.op)`, else null will do. */
  readonly nonce: Nonce | null;
  readonly key: SigningKey;
  /** Request id on the stream; `setRequest` changes it later. */
  readonly request: number;
}

/** What signing takes; a Crypto has it. */
export interface Signing {
  readonly ed25519: Pick<Crypto["ed25519"], "sign">;
  readonly hash: Digest;
}

const NO_NONCE = nonceOf(new Uint8Array(32));
const head = new ByteWriter(limit.FRAME_BYTES_MAX);

/**
 * Signs a command and encodes its frame, fresh. A frame whose statement needs no nonce is good on any stream
 * until its notAfter: it can be kept and sent again as it is.
 */
export function signCommand(options: SignOptions, crypto: Signing): Uint8Array {
  const { body, nonce } = options;
  assert(nonce !== null || !needsNonce(body.op), `${body.op} is signed over the stream's nonce`);
  const entry = body.op === "append" ? body.entry : null;
  assert(entry === null || isSizeClass(entry.length), "an entry has one of the size classes");
  assert(
    body.op !== "append" || (body.change !== null) === (body.kind === "control"),
    "a change of turn stands exactly with a control entry",
  );
  head.at = 0;
  putBodyHead(head, body);
  const bodyHead = head.finish();
  const bodyHash =
    entry === null ? crypto.hash.sha256(bodyHead) : crypto.hash.sha256(bodyHead, crypto.hash.sha256(entry));
  const statement = commandStatement({
    op: body.op,
    mailbox: options.mailbox,
    generation: options.generation,
    relay: options.relay,
    notAfterMs: options.notAfterMs,
    token: commandToken(body, nonce ?? NO_NONCE),
    bodyHash,
  });
  const authority: Authority = {
    mailbox: options.mailbox,
    generation: options.generation,
    notAfterMs: options.notAfterMs,
    key: publicKey(options.key.publicKey),
    signature: signature(crypto.ed25519.sign(options.key, statement)),
  };
  return encodeCommand({ authority, body }, options.request);
}

/** Encodes the frame of a command that is signed already. */
export function encodeCommand(command: Pick<Command, "authority" | "body">, request: number): Uint8Array {
  const { authority, body } = command;
  return encodeFrame({ kind: COMMAND_KIND[body.op], request }, (to) => {
    to.put(authority.mailbox, 32).u32(authority.generation).u64(authority.notAfterMs);
    to.put(authority.key, 32).put(authority.signature, 64);
    putBodyHead(to, body);
    if (body.op === "append") to.put(body.entry);
  });
}
