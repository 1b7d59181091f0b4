/** Threads for what would hold up the loop. */
export { openVerifyPool, type VerifyPool, type VerifyPoolOptions } from "./pool.ts";
