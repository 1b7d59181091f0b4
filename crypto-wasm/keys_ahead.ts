import type { AgreementKey } from "./port.ts";

/** How many are made in one turn of the loop, so that a burst of handshakes never waits for more than this. */
const MADE_PER_TURN = 4;

/**
 * Keys made ahead in idle time and given out once each. `make` is called at once where none is ready. Nothing is
 * made before the first is taken, and the refilling doesn't keep the process alive.
 */
export class KeysAhead {
  readonly #make: () => AgreementKey;
  readonly #wanted: number;
  readonly #ready: AgreementKey[] = [];
  #refilling: NodeJS.Immediate | null = null;
  #closed = false;

  constructor(make: () => AgreementKey, wanted: number) {
    this.#make = make;
    this.#wanted = wanted;
  }

  take(): AgreementKey {
    const key = this.#ready.pop() ?? this.#make();
    this.#refillLater();
    return key;
  }

  #refillLater(): void {
    if (this.#closed || this.#refilling !== null || this.#ready.length >= this.#wanted) return;
    this.#refilling = setImmediate(() => {
      this.#refilling = null;
      for (let i = 0; i < MADE_PER_TURN && this.#ready.length < this.#wanted; i++)
        this.#ready.push(this.#make());
      this.#refillLater();
    });
    this.#refilling.unref();
  }

  /** Disposes what is ready and makes no more ahead. */
  close(): void {
    this.#closed = true;
    if (this.#refilling !== null) clearImmediate(this.#refilling);
    this.#refilling = null;
    for (const key of this.#ready) key[Symbol.dispose]();
    this.#ready.length = 0;
  }
}
