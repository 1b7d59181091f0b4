/** What a member holds: its share, inside the module, and the group, which anyone may see. */
import type { Instance } from "../wasm/instance.ts";
import { expectBytes } from "../argument.ts";
import { CryptoError } from "../error.ts";
import { FrostRefusal } from "./refusal.ts";
import { type Answer, FrostHandle, Request } from "./request.ts";
import { SigningNonces } from "./sign.ts";

const KEY_BYTES = 32;
const SESSION_BYTES = 32;

/** Reads what was stored, of whatever length: bytes that are none are the caller's data, not its argument. */
function readStored(
  operation: "frost_share_import" | "frost_group_import",
  doing: string,
  { instance, stored }: { instance: Instance; stored: Uint8Array },
): Answer {
  try {
    return new Request().message(stored).ask(operation, doing, instance);
  } catch (error) {
    if (error instanceof CryptoError && error.code === "argument")
      throw new FrostRefusal(doing, "malformed", []);
    throw error;
  }
}

/** One member's share of a split key. Dispose wipes it. */
export class FrostShare implements Disposable {
  readonly handle: FrostHandle;
  readonly member: number;
  readonly threshold: number;
  /** The group's Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;

  private constructor(handle: FrostHandle, about: Answer) {
    this.handle = handle;
    this.member = about.u16();
    this.threshold = about.u16();
    this.publicKey = about.bytes(KEY_BYTES);
  }

  /** From `exportSecret`; the caller wipes it. Throws FrostRefusal("malformed") where it is none. */
  static import(instance: Instance, stored: Uint8Array): FrostShare {
    expectBytes("stored", stored);
    const answer = readStored("frost_share_import", "read a share", { instance, stored });
    return FrostShare.held(instance, answer.u32());
  }

  /** The share that an answer gives the handle of. */
  static held(instance: Instance, number: number): FrostShare {
    const handle = new FrostHandle(instance, number, "share");
    return new FrostShare(
      handle,
      new Request().handle("share", handle).ask("frost_share_about", "read a share"),
    );
  }

  /** The share to store, with a version; secret, and the caller's to wipe. */
  exportSecret(): Uint8Array {
    const answer = new Request().handle("share", this.handle).ask("frost_share_export", "write a share");
    const stored = answer.rest();
    answer.wipe();
    return stored;
  }

  /**
   * Round one of a signature: nonces for one use, and the commitments to them for whoever coordinates. `session` is 32
   * bytes for this signature alone, agreed on by its signers.
   */
  commit(session: Uint8Array): { readonly nonces: SigningNonces; readonly commitments: Uint8Array } {
    expectBytes("session", session, SESSION_BYTES);
    const request = new Request().bytes(session).handle("share", this.handle);
    const answer = request.ask("frost_commit", "commit to nonces");
    const nonces = new SigningNonces(new FrostHandle(answer.instance, answer.u32(), "nonces"));
    return { nonces, commitments: answer.blob() };
  }

  [Symbol.dispose](): void {
    this.handle[Symbol.dispose]();
  }
}

/** A group's public side: its key, its threshold, and by what each member's shares are checked. */
export class FrostGroup implements Disposable {
  readonly handle: FrostHandle;
  /** The group, with a version: the same bytes for every member, so that they can compare. */
  readonly encoded: Uint8Array;
  readonly threshold: number;
  /** Ascending. */
  readonly members: readonly number[];
  /** An Ed25519 public key, 32 bytes: what the group signs holds under it as any signature does. */
  readonly publicKey: Uint8Array;

  private constructor(handle: FrostHandle, encoded: Uint8Array) {
    this.handle = handle;
    this.encoded = encoded;
    this.threshold = encoded[2]! | (encoded[3]! << 8);
    this.publicKey = encoded.slice(5, 5 + KEY_BYTES);
    this.members = Array.from({ length: encoded[4]! }, (_, i) => {
      const at = 5 + KEY_BYTES + i * (2 + KEY_BYTES);
      return encoded[at]! | (encoded[at + 1]! << 8);
    });
  }

  /** From `encoded`. Throws FrostRefusal where it is none. */
  static import(instance: Instance, encoded: Uint8Array): FrostGroup {
    expectBytes("encoded", encoded);
    const answer = readStored("frost_group_import", "read a group", { instance, stored: encoded });
    return FrostGroup.held(instance, answer.u32());
  }

  /** The group that an answer gives the handle of. */
  static held(instance: Instance, number: number): FrostGroup {
    const handle = new FrostHandle(instance, number, "group");
    const answer = new Request().handle("group", handle).ask("frost_group_export", "write a group");
    return new FrostGroup(handle, answer.rest());
  }

  [Symbol.dispose](): void {
    this.handle[Symbol.dispose]();
  }
}

/** What a ceremony ends in. */
export interface FrostMembership {
  readonly share: FrostShare;
  readonly group: FrostGroup;
}

/** The share and the group that an answer gives the handles of. */
export function membershipOf(answer: Answer): FrostMembership {
  const share = answer.u32();
  const group = answer.u32();
  return {
    share: FrostShare.held(answer.instance, share),
    group: FrostGroup.held(answer.instance, group),
  };
}
