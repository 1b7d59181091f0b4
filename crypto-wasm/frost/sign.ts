/**
 * Signing in two rounds (RFC 9591, section 5).
 *
 * Nonces are for one use. They exist in the module's memory only, without an encoding, and `sign` takes them out
 * before it looks at anything else: a second use throws, by whatever name it comes, a failed one used them up too,
 * and a crash takes them along. What this can't see is a machine that is copied or set back while it runs.
 */
import { CryptoError } from "../error.ts";
import { Handle } from "../wasm/runtime.ts";
import type { FrostGroup, FrostShare } from "./key.ts";
import { expectMessage, type FrostMessages, Request } from "./request.ts";

/** A member's nonces for one signature. */
export class SigningNonces implements Disposable {
  readonly #handle: Handle;
  #used = false;

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** Gives the handle out, once. */
  take(): Handle {
    if (this.#used) throw new CryptoError("nonce-reused", "These nonces have been used; commit anew");
    this.#used = true;
    return this.#handle;
  }

  /** Wipes them unused. */
  [Symbol.dispose](): void {
    this.#used = true;
    this.#handle[Symbol.dispose]();
  }
}

/** A message and the commitments of those who sign it, decoded once for all that sign or aggregate here. */
export class SigningPackage implements Disposable {
  readonly #handle: Handle;

  private constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** `commitments` are from at least the threshold of members, each by whoever sent it. */
  static open(options: {
    group: FrostGroup;
    commitments: FrostMessages;
    message: Uint8Array;
  }): SigningPackage {
    const { group, commitments, message } = options;
    const answer = new Request()
      .handle("group", group.handle)
      .members("commitments", commitments.keys())
      .messages("commitments", commitments)
      .bytes(expectMessage("message", message))
      .ask("frost_package", "open a signing package");
    return new SigningPackage(new Handle(answer.instance, answer.u32()));
  }

  /** Round two: this member's share of the signature, for whoever coordinates. The nonces are used up. */
  sign(share: FrostShare, nonces: SigningNonces): Uint8Array {
    // Wiped by `using` where the request can't be made; else the module takes them out.
    using once = nonces.take();
    const request = new Request()
      .handle("nonces", once)
      .handle("share", share.handle)
      .handle("package", this.#handle);
    once.forget();
    return request.ask("frost_sign", "sign").rest();
  }

  /** The signature, 64 bytes, from all signers' shares. A wrong one throws FrostRefusal naming all who sent such. */
  aggregate(shares: FrostMessages): Uint8Array {
    const request = new Request().handle("package", this.#handle).messages("shares", shares);
    return request.ask("frost_aggregate", "aggregate a signature").rest();
  }

  /** Whether one signer's share holds, to know it before all are there. */
  holds(member: number, share: Uint8Array): boolean {
    const answer = new Request()
      .handle("package", this.#handle)
      .member("member", member)
      .bytes(expectMessage("share", share))
      .ask("frost_share_holds", "check a signature share");
    return answer.u8() === 1;
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }
}
