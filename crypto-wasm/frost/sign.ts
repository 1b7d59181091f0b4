/**
 * Signing in two rounds (RFC 9591, section 5).
 *
 * Nonces are for one use. They exist in the module's memory only, without an encoding, and `sign` takes them out
 * before it looks at anything else: a second use throws, by whatever name it comes, a failed one used them up too,
 * and a crash takes them along. What this can't see is a machine that is copied or set back while it runs.
 */
import { CryptoError } from "../error.ts";
import { bytesOf, expectBytes, expectFields, refuseArgument } from "../argument.ts";
import type { FrostGroup, FrostShare } from "./key.ts";
import {
  expectHeld,
  expectMember,
  expectMessages,
  FROST_SIGNED_BYTES_MAX,
  FrostHandle,
  type FrostMessages,
  Request,
} from "./request.ts";

/** A member's nonces for one signature. */
export class SigningNonces implements Disposable {
  readonly #handle: FrostHandle;
  #used = false;

  constructor(handle: FrostHandle) {
    this.#handle = handle;
  }

  /** Gives the handle out, once. */
  static take(nonces: unknown): FrostHandle {
    if (typeof nonces !== "object" || nonces === null || !(#used in nonces)) {
      return refuseArgument("nonces", "what commit() gave", nonces);
    }
    if (nonces.#used) throw new CryptoError("nonce-reused", "These nonces have been used; commit anew");
    nonces.#used = true;
    return nonces.#handle;
  }

  /** Wipes them unused. */
  [Symbol.dispose](): void {
    this.#used = true;
    this.#handle[Symbol.dispose]();
  }
}

const OPTIONS = {
  group: expectHeld,
  session: bytesOf(32),
  commitments: expectMessages,
  message(name: string, message: unknown): void {
    expectBytes(name, message);
    if (message.length > FROST_SIGNED_BYTES_MAX) {
      refuseArgument(name, `at most ${FROST_SIGNED_BYTES_MAX} bytes`, message);
    }
  },
};

/** A message and the commitments of those who sign it, decoded once for all that sign or aggregate here. */
export class SigningPackage implements Disposable {
  readonly #handle: FrostHandle;

  private constructor(handle: FrostHandle) {
    this.#handle = handle;
  }

  /**
   * `commitments` are from at least the threshold of members, each by whoever sent it, all for `session`: what was made
   * for another signature, or by a share of another group or from before a refresh, is refused naming its sender. The
   * message takes at most FROST_SIGNED_BYTES_MAX.
   */
  static open(options: {
    group: FrostGroup;
    session: Uint8Array;
    commitments: FrostMessages;
    message: Uint8Array;
  }): SigningPackage {
    expectFields("options", options, OPTIONS);
    const { group, session, commitments, message } = options;
    const answer = new Request()
      .bytes(session)
      .handle("group", group.handle)
      .members([...commitments.keys()])
      .messages(commitments)
      .bytes(message)
      .ask("frost_package", "open a signing package");
    return new SigningPackage(new FrostHandle(answer.instance, answer.u32(), "package"));
  }

  /** Round two: this member's share of the signature, for whoever coordinates. The nonces are used up. */
  sign(share: FrostShare, nonces: SigningNonces): Uint8Array {
    // Wiped by `using` where the request can't be made; else the module takes them out.
    using once = SigningNonces.take(nonces);
    expectHeld("share", share);
    const request = new Request()
      .handle("nonces", once)
      .handle("share", share.handle)
      .handle("package", this.#handle);
    once.forget();
    return request.ask("frost_sign", "sign").rest();
  }

  /** The signature, 64 bytes, from all signers' shares. A wrong one throws FrostRefusal naming all who sent such. */
  aggregate(shares: FrostMessages): Uint8Array {
    expectMessages("shares", shares);
    const request = new Request().handle("package", this.#handle).messages(shares);
    return request.ask("frost_aggregate", "aggregate a signature").rest();
  }

  /** Whether one signer's share holds, to know it before all are there. */
  holds(member: number, share: Uint8Array): boolean {
    expectMember("member", member);
    expectBytes("share", share);
    const answer = new Request()
      .handle("package", this.#handle)
      .member(member)
      .message(share)
      .ask("frost_share_holds", "check a signature share");
    return answer.u8() === 1;
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }
}
