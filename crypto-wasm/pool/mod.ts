/** Threads for what would hold up the loop. */
export type { FrostGeneration, FrostPool, FrostStepOptions } from "./frost.ts";
export { type CryptoPool, type CryptoPoolOptions, openCryptoPool } from "./pool.ts";
