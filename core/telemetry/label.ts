/** Distinct values that one label may take; the rest counts as "other", so that nobody can grow the metrics. */
const LABELS_MAX = 48;

/** Label children, each made once. */
export class BoundedLabels<Child> {
  readonly #make: (label: string) => Child;
  readonly #children = new Map<string, Child>();

  constructor(make: (label: string) => Child) {
    this.#make = make;
  }

  /** The child of `label`, or of "other" where there are too many. */
  of(label: string): Child {
    return this.#children.get(label) ?? this.#add(this.#children.size < LABELS_MAX ? label : "other");
  }

  #add(label: string): Child {
    const there = this.#children.get(label);
    if (there !== undefined) return there;
    const child = this.#make(label);
    this.#children.set(label, child);
    return child;
  }
}
