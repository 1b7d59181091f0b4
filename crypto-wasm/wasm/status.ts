/** What an operation of the module answers below zero; rust/src/status.rs is the same table. */
export const STATUS = {
  malformed: -1,
  noSuchHandle: -2,
  invalid: -3,
  notAuthentic: -4,
  tooManyHandles: -5,
  refused: -6,
} as const;
