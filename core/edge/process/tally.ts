import type { Tally } from "./order.ts";

/** How often counts are told: they are for metrics. */
const TELL_MS = 1000;

/** Keeps counts of what is too frequent to be told each time. Holds one entry a limit and a reason. */
export class TallyKeeper {
  readonly #tell: (tally: Tally) => void;
  #received = 0;
  #sent = 0;
  #failed: Record<string, number> = {};
  #limited: Record<string, { times: number; address: string }> = {};
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(tell: (tally: Tally) => void) {
    this.#tell = tell;
  }

  bytes(received: number, sent: number): void {
    this.#received += received;
    this.#sent += sent;
    this.#soon();
  }

  failed(reason: string): void {
    this.#failed[reason] = (this.#failed[reason] ?? 0) + 1;
    this.#soon();
  }

  limited(limit: string, address: string): void {
    const counted = (this.#limited[limit] ??= { times: 0, address });
    counted.times++;
    this.#soon();
  }

  /** Tells what was counted since the last time, where there is something. */
  tell(): void {
    if (this.#timer === null) return;
    this.stop();
    const tally = {
      received: this.#received,
      sent: this.#sent,
      failed: this.#failed,
      limited: this.#limited,
    };
    this.#received = 0;
    this.#sent = 0;
    this.#failed = {};
    this.#limited = {};
    this.#tell(tally);
  }

  /** Tells no more by itself. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => this.tell(), TELL_MS);
  }
}
