/** The rules of mailboxes: pure decisions, and the port of what they need. */
export type * from "./outcome.ts";
export type * from "./port.ts";
