/**
 * Signatures of the commands that came in one tick of the sockets' loop, checked together, VERIFY_BATCH_MAX at a
 * time. A bad one is marked and goes on like the others: what refuses it is the batch, in the same place and time as
 * any other refusal.
 */
import { type Crypto, CryptoError, type SignedMessage } from "@dchat/crypto-wasm";
import { limit } from "../../ground/mod.ts";
import type { Command } from "../../wire/mod.ts";

export interface SignatureCheckOptions<T> {
  readonly crypto: Crypto;
  /** All of `items`, in order, each with whether its signature holds. */
  checked(items: readonly T[], authentic: readonly boolean[]): void;
  /** The cryptography broke down: nothing is known of these. */
  failed(items: readonly T[], error: unknown): void;
}

export class SignatureCheck<T extends { readonly command: Command }> {
  readonly #options: SignatureCheckOptions<T>;
  #waiting: T[] = [];
  #scheduled = false;

  constructor(options: SignatureCheckOptions<T>) {
    this.#options = options;
  }

  /** Whether nothing waits. */
  get idle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Takes one more; it is checked with the others of its tick. */
  push(item: T): void {
    this.#waiting.push(item);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the sockets that are ready now were read, before the loop waits again.
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    // So many at a time: sockets and probes get their turn in between.
    const items =
      this.#waiting.length <= limit.VERIFY_BATCH_MAX
        ? this.#waiting
        : this.#waiting.slice(0, limit.VERIFY_BATCH_MAX);
    this.#waiting = this.#waiting.slice(items.length);
    if (this.#waiting.length > 0) this.#schedule();
    const authentic = items.map(() => true);
    try {
      for (const index of this.#bad(items.map(signedMessage))) authentic[index] = false;
    } catch (error) {
      return this.#options.failed(items, error);
    }
    this.#options.checked(items, authentic);
  }

  #bad(signed: readonly SignedMessage[]): readonly number[] {
    const { ed25519 } = this.#options.crypto;
    try {
      return ed25519.verifyBatch(signed);
    } catch (error) {
      if (!(error instanceof CryptoError) || error.code !== "poisoned") throw error;
      // The instance trapped, perhaps for what another did to it; the one that replaces it knows. Once: it may be these.
      return ed25519.verifyBatch(signed);
    }
  }
}

function signedMessage({ command }: { readonly command: Command }): SignedMessage {
  const { key, signature } = command.authority;
  return { key, message: command.statement, signature };
}
