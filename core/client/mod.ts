/** A device at work: sessions with relays, outbox, sync, contacts, over a sealed database through a port. */
export { isAway } from "./away.ts";
export { Client, type ClientOptions, type Contact, type NamedMessage, type Sent } from "./client.ts";
export type { NamedEvidence } from "./evidence.ts";
export { type ClientCode, Untrue } from "./fault.ts";
export type { ClientEvents } from "./device.ts";
export { memberCheck } from "./member.ts";
export { OWN_NAME } from "./name.ts";
export type * from "./port.ts";
