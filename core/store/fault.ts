import { Fault, fileReason } from "../ground/mod.ts";

/**
 * unavailable: nothing was kept, whether it's worth trying again is in the message · unknown: the commit may or
 * may not have been kept · corrupt: what is stored contradicts itself or isn't ours · older, newer: the schema is
 * of another version · busy: another process holds the store, or may · filled: it
 * holds something, where an empty one is needed · key: what should open it doesn't · emptied: a device's file has
 * lost what it held.
 */
export type StoreCode =
  | "store/unavailable"
  | "store/unknown"
  | "store/corrupt"
  | "store/older"
  | "store/newer"
  | "store/busy"
  | "store/filled"
  | "store/key"
  | "store/emptied";

export type StoreFault = Fault<StoreCode>;

export function storeFault(code: StoreCode, message: string, cause?: unknown): StoreFault {
  return new Fault(code, message, cause === undefined ? undefined : { cause });
}

/** What an error says, on one line. */
export function reasonOf(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  return fileReason(error).split("\n", 1)[0] || name;
}
