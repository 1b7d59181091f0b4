/** Handshakes under way, by the /24 or /48 that they come from: who has many makes room for who has few. */
import { type Origin, subnetOf } from "./origin.ts";

/** Whose handshake it is. */
interface Newcomer {
  readonly origin: Pick<Origin, "subnet">;
}

/**
 * A few addresses that connect and say nothing could hold all handshakes that a process takes at once. So when all are
 * taken, one more of a network takes the place of the oldest of the network that has most, where that leaves both no
 * further apart than they were: whoever stalls is the oldest of his own, and a single newcomer is refused only when no
 * network has two. Up to then nobody is held to a share, so a network that comes back all at once may take what there is.
 *
 * It does not protect from an attacker in as many networks as there are places.
 */
export class HandshakeSlots<T extends Newcomer> {
  readonly #ofSubnet = new Map<string, Set<T>>();
  /** Who has how many: at each index those who have as many. */
  readonly #having: Set<Set<T>>[] = [];
  #size = 0;

  /** How many are under way. */
  get size(): number {
    return this.#size;
  }

  /** Whether one more from `address` has a place among `max`, if need be another's. */
  hasRoom(address: string, max: number): boolean {
    if (this.#size < max) return true;
    const has = this.#ofSubnet.get(subnetOf(address))?.size ?? 0;
    return this.#having.length - 1 >= has + 2;
  }

  /** Takes one, and returns whose place it took; null where there was room. To be asked hasRoom() first. */
  add(newcomer: T, max: number): T | null {
    const { name } = newcomer.origin.subnet;
    const own = this.#ofSubnet.get(name) ?? new Set();
    this.#ofSubnet.set(name, own);
    this.#move(own, () => own.add(newcomer));
    this.#size++;
    return this.#size > max ? this.#oldestOfMost() : null;
  }

  /** One is done or gone; nothing where it was before. */
  remove(leaver: T): void {
    const { name } = leaver.origin.subnet;
    const own = this.#ofSubnet.get(name);
    if (own?.has(leaver) !== true) return;
    this.#move(own, () => own.delete(leaver));
    this.#size--;
    if (own.size === 0) this.#ofSubnet.delete(name);
  }

  #oldestOfMost(): T | null {
    const [most] = this.#having.at(-1) ?? [];
    const [oldest] = most ?? [];
    return oldest ?? null;
  }

  /** Changes how many one subnet has; `#having` stays as long as the most that any has. */
  #move(own: Set<T>, change: () => void): void {
    this.#having[own.size]?.delete(own);
    change();
    if (own.size > 0) (this.#having[own.size] ??= new Set()).add(own);
    while (this.#having.length > 0 && (this.#having.at(-1)?.size ?? 0) === 0) this.#having.pop();
  }
}
