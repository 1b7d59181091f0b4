import type { AgreementKey } from "./port.ts";

/** How many are made in one turn of the loop, so that a burst of handshakes never waits for more than this. */
const MADE_PER_TURN = 4;

/**
 * Does `work` in the loop's next turn, without keeping the process alive; returns what calls it off. A browser has timers
 * alone, and nothing to keep alive.
 */
function inNextTurn(work: () => void): () => void {
  if ("setImmediate" in globalThis) {
    const turn = setImmediate(work);
    turn.unref();
    return () => clearImmediate(turn);
  }
  const turn = setTimeout(work, 0);
  return () => clearTimeout(turn);
}

/**
 * Keys made ahead in idle time and given out once each. `make` is called at once where none is ready. Nothing is
 * made before the first is taken, and the refilling doesn't keep the process alive.
 */
export class KeysAhead {
  readonly #make: () => AgreementKey;
  readonly #wanted: number;
  readonly #ready: AgreementKey[] = [];
  #callOff: (() => void) | null = null;
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
    if (this.#closed || this.#callOff !== null || this.#ready.length >= this.#wanted) return;
    this.#callOff = inNextTurn(() => {
      this.#callOff = null;
      for (let i = 0; i < MADE_PER_TURN && this.#ready.length < this.#wanted; i++)
        this.#ready.push(this.#make());
      this.#refillLater();
    });
  }

  /** Disposes what is ready and makes no more ahead. */
  close(): void {
    this.#closed = true;
    this.#callOff?.();
    this.#callOff = null;
    for (const key of this.#ready) key[Symbol.dispose]();
    this.#ready.length = 0;
  }
}
