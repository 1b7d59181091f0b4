/** Bytes to values and back, at the door: frames, commands, replies, statements. Layout: docs/protocol/mailbox.md. */
export type * from "./command.ts";
export type * from "./reply.ts";
