/**
 * What goes between the pool and its threads. All bytes are moved, never copied: whoever sends has none left, and who
 * receives wipes what is secret.
 */
import { CryptoError, type CryptoErrorCode } from "../error.ts";
import type { FrostAgreement } from "../frost/generate.ts";
import { FrostRefusal, type FrostReason } from "../frost/refusal.ts";
import type { WasmBuild } from "../wasm/mod.ts";

/** A member's messages as they travel: copies of their sender's. */
export type Moved = Map<number, Uint8Array<ArrayBuffer>>;

/** A resharing, with the group as bytes. */
export interface MovedReshare {
  readonly session: Uint8Array;
  readonly group: Uint8Array;
  readonly dealers: readonly number[];
  readonly members: readonly number[];
  readonly threshold: number;
}

/** What a thread is asked to do; a ceremony is named by the number of the request that began it. */
export type PoolTask =
  | { readonly op: "verify"; readonly packed: Uint8Array<ArrayBuffer> }
  | { readonly op: "begin"; readonly agreed: FrostAgreement; readonly member: number }
  | { readonly op: "share"; readonly ceremony: number; readonly commitments: Moved }
  | { readonly op: "finish"; readonly ceremony: number; readonly shares: Moved }
  | { readonly op: "drop"; readonly ceremony: number }
  | {
      readonly op: "accept";
      readonly agreed: FrostAgreement;
      readonly member: number;
      readonly message: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly op: "reshare";
      readonly reshare: MovedReshare;
      readonly member: number;
      readonly commitments: Moved;
      readonly shares: Moved;
    }
  | { readonly op: "close" };

/** A share and its group as bytes; the share is secret. */
export interface MovedMembership {
  readonly share: Uint8Array<ArrayBuffer>;
  readonly group: Uint8Array<ArrayBuffer>;
}

/** What each task answers. */
export interface PoolValues {
  readonly verify: readonly number[];
  readonly begin: Uint8Array<ArrayBuffer>;
  readonly share: Moved;
  readonly finish: MovedMembership;
  readonly drop: null;
  readonly accept: MovedMembership;
  readonly reshare: MovedMembership;
  readonly close: null;
}

/** `number` comes back with the answer. */
export interface PoolRequest {
  readonly number: number;
  readonly build: WasmBuild | "auto";
  readonly task: PoolTask;
}

/** An error as it travels. */
export interface Failure {
  readonly code: CryptoErrorCode;
  readonly message: string;
  readonly refusal?: {
    readonly doing: string;
    readonly reason: FrostReason;
    readonly culprits: readonly number[];
  };
}

export type PoolAnswer =
  | {
      readonly number: number;
      readonly value: PoolValues[keyof PoolValues];
      /** The bytes within `value`, to be wiped where nobody wants it any more. */
      readonly bytes: readonly Uint8Array<ArrayBuffer>[];
    }
  | { readonly number: number; readonly failure: Failure };

/** The bytes of messages, for a list of what is moved. */
export function bytesOf(...messages: readonly Moved[]): Uint8Array<ArrayBuffer>[] {
  return messages.flatMap((each) => [...each.values()]);
}

export function failureOf(error: unknown): Failure {
  if (error instanceof FrostRefusal) {
    const { doing, reason, culprits } = error;
    return { code: error.code, message: error.message, refusal: { doing, reason, culprits } };
  }
  if (error instanceof CryptoError) return { code: error.code, message: error.message };
  return { code: "backend", message: error instanceof Error ? error.message : String(error) };
}

export function errorOf({ code, message, refusal }: Failure): CryptoError {
  if (refusal === undefined) return new CryptoError(code, message);
  return new FrostRefusal(refusal.doing, refusal.reason, refusal.culprits);
}
