/** What everything stands on: ids, time, limits, faults. A closed set: nothing here knows what dchat does. */
export { assert, AssertionError, unreachable } from "./assert.ts";
export { bindReason } from "./bind_reason.ts";
export type { Clock } from "./clock.ts";
export { Fault, isFault } from "./fault.ts";
export { fileMend, fileReason } from "./file_reason.ts";
export * from "./id.ts";
export * as limit from "./limit.ts";
export { nearest } from "./nearest.ts";
