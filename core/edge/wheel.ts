/** One timer for all deadlines of an edge: slots of a quarter second, around a wheel of about two minutes. */

const SLOT_MS = 250;
const SLOTS = 512;

/** Something with a deadline. The two fields are the wheel's. */
export interface Timed {
  /** When it is due, in monotonic ms; Infinity for never. Read when its slot comes up, so it may have moved later. */
  readonly dueMs: number;
  wheelSlot: number;
  wheelIndex: number;
}

/** What `wheelSlot` holds while a thing is on no wheel. */
export const OFF_WHEEL = -1;

export class TimingWheel<T extends Timed> {
  readonly #slots: T[][] = Array.from({ length: SLOTS }, () => []);
  /** The last slot, in slots since time 0, that has come up. */
  #position: number;

  constructor(now: number) {
    this.#position = Math.floor(now / SLOT_MS);
  }

  /** Puts `timed` where it is due, taking it from where it was. One that is due later than the wheel reaches comes up early and is put again. */
  arm(timed: T): void {
    this.remove(timed);
    const wanted = Math.ceil(timed.dueMs / SLOT_MS);
    const position = Math.min(Math.max(wanted, this.#position + 1), this.#position + SLOTS - 1);
    const slot = position % SLOTS;
    const list = this.#slots[slot] ?? [];
    timed.wheelSlot = slot;
    timed.wheelIndex = list.push(timed) - 1;
  }

  /** Takes `timed` off; the last of its slot moves into its place. */
  remove(timed: T): void {
    if (timed.wheelSlot === OFF_WHEEL) return;
    const list = this.#slots[timed.wheelSlot] ?? [];
    const last = list.pop();
    if (last !== undefined && last !== timed) {
      list[timed.wheelIndex] = last;
      last.wheelIndex = timed.wheelIndex;
    }
    timed.wheelSlot = OFF_WHEEL;
  }

  /** Calls `due` for all whose time has come by `now`, each taken off first; the rest is put again. */
  advance(now: number, due: (timed: T) => void): void {
    const end = Math.floor(now / SLOT_MS);
    const first = Math.max(this.#position + 1, end - SLOTS + 1);
    this.#position = end;
    for (let position = first; position <= end; position++) {
      const slot = position % SLOTS;
      const list = this.#slots[slot] ?? [];
      if (list.length === 0) continue;
      this.#slots[slot] = [];
      for (const timed of list) timed.wheelSlot = OFF_WHEEL;
      for (const timed of list) {
        // One that an earlier one's handler has put again is not due here any more.
        if (timed.wheelSlot !== OFF_WHEEL) continue;
        if (timed.dueMs <= now) due(timed);
        else if (timed.dueMs < Infinity) this.arm(timed);
      }
    }
  }
}
