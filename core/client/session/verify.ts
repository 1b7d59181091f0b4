/**
 * What a client believes of a relay, and why: each signature is checked under the head key that the relay's
 * identity certified for this very PeerId. Contradictions throw Fault<"session/untrue">.
 *
 * What this doesn't protect: a relay may still hold back what it has, or show different logs to different
 * clients. Subscribers see the first by heads, and the second when they compare heads with one another.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import { Fault, type MailboxId, type PublicKey } from "../../ground/mod.ts";
import { promiseRoot, verifyCertificate, verifyGeneration, verifyHead } from "../../mailbox/mod.ts";
import { rootOf, sameHash } from "../../merkle/mod.ts";
import {
  type AppendPromise,
  batchStatement,
  type DeliveredEntry,
  type Description,
  type GenerationStatement,
  type Head,
  type Hello,
  type Refusal,
  sameId,
} from "../../wire/mod.ts";
import { clocks } from "../clocks.ts";
import type { SessionCode } from "./port.ts";

/** The relay contradicts itself. */
export function untrue(what: string): Fault<SessionCode> {
  return new Fault("session/untrue", `The relay's answer doesn't hold: ${what}`);
}

/** Addresses change hands, and relays are set up anew: whoever answers in another's place contradicts nothing. */
function other(): Fault<SessionCode> {
  return new Fault("session/other", "Another relay answers there, not the one that was asked for");
}

/** The relay's own clock says whether it shows what is over, or one of the clocks is wrong. */
function expired({ certificate, nowMs: relaysMs }: Hello, nowMs: number): Fault<SessionCode> {
  if (certificate.notAfterMs < relaysMs) return untrue("its certificate has expired");
  return new Fault(
    "session/clock",
    `The relay's certificate is over by one clock: ${clocks(nowMs, relaysMs)}`,
  );
}

function unsigned(what: string): Fault<SessionCode> {
  return untrue(`${what} that isn't signed by its head key`);
}

/** Verified batches that are remembered, since all promises of a batch share one signature. */
const BATCHES_MAX = 32;

export interface VerifierOptions {
  readonly crypto: Crypto;
  readonly hello: Hello;
  /** The connection's PeerId, multihash bytes. */
  readonly peerId: Uint8Array;
  /** The identity that is expected; null trusts whichever the relay shows. */
  readonly relay: PublicKey | null;
  /** Unix ms by our clock. */
  readonly nowMs: number;
}

/** Checks what one relay node says. */
export class Verifier {
  readonly #crypto: Crypto;
  readonly #headKey: PublicKey;
  readonly #batches = new Set<string>();

  /**
   * Throws Fault<"session/untrue" | "session/clock"> where the certificate doesn't speak for this node now, and
   * Fault<"session/other"> where it is that of another relay.
   */
  constructor({ crypto, hello, peerId, relay, nowMs }: VerifierOptions) {
    const { certificate } = hello;
    this.#crypto = crypto;
    this.#headKey = certificate.headKey;
    if (!sameHash(certificate.peerId, peerId)) throw untrue("its certificate is for another PeerId");
    if (certificate.notAfterMs < nowMs) throw expired(hello, nowMs);
    if (!verifyCertificate(crypto, certificate, { relay: certificate.relay, peerId, nowMs })) {
      throw untrue("its certificate isn't signed by the relay's identity");
    }
    if (relay !== null && !sameId(relay, certificate.relay)) throw other();
  }

  promise(promise: AppendPromise, mailbox: MailboxId): void {
    if (!sameId(promise.mailbox, mailbox)) throw untrue("a promise for another mailbox");
    const root = promiseRoot(this.#crypto, promise);
    if (root === null) throw untrue("a promise whose path doesn't fit its batch");
    const { batchSize: size, batchTimeMs: timeMs, signature } = promise;
    const statement = batchStatement({ size, root, timeMs });
    const seen = `${statement.toHex()}${signature.toHex()}`;
    if (this.#batches.has(seen)) return;
    if (!this.#crypto.ed25519.verify(this.#headKey, statement, signature)) throw unsigned("a promise");
    for (const oldest of this.#batches) {
      if (this.#batches.size < BATCHES_MAX) break;
      this.#batches.delete(oldest);
    }
    this.#batches.add(seen);
  }

  head(head: Head, mailbox: MailboxId): void {
    if (!sameId(head.mailbox, mailbox)) throw untrue("a head of another mailbox");
    if (!verifyHead(this.#crypto, head, this.#headKey)) throw unsigned("a head");
  }

  started(statement: GenerationStatement, mailbox: MailboxId): void {
    if (!sameId(statement.mailbox, mailbox)) throw untrue("a generation of another mailbox");
    if (!verifyGeneration(this.#crypto, statement, this.#headKey)) throw unsigned("a generation");
  }

  description(description: Description, mailbox: MailboxId): void {
    const { head, peaks, started } = description;
    this.head(head, mailbox);
    if (!sameHash(rootOf(this.#crypto.hash, peaks), head.root))
      throw untrue("peaks that don't make its root");
    if (started !== null) this.started(started, mailbox);
  }

  /** That a body is what its leaf names. */
  entry({ leaf, entry }: DeliveredEntry): void {
    if (entry !== null && !sameHash(this.#crypto.hash.sha256(entry), leaf.entryHash)) {
      throw untrue(`entry ${leaf.seq} has another hash than its leaf`);
    }
  }

  refusal(refusal: Refusal, mailbox: MailboxId): void {
    if (refusal.code === "generation") this.started(refusal.started, mailbox);
  }
}
