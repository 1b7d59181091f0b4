/** Where time comes from. Pure code takes `now` as an argument instead; tests and the simulation seed their own. */
export interface Clock {
  /** Unix time in milliseconds; may jump when the machine's clock is set. */
  now(): number;
  /** Milliseconds that only grow, from an arbitrary start; for deadlines and durations. */
  monotonic(): number;
}
