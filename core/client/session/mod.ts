/** A device's side of the mailbox protocol, on any connection. */
export type { SessionCode, SessionConnection, SessionHandler, SessionStream } from "./port.ts";
export { openSession, type OpenedSession, type OpenSessionOptions } from "./session.ts";
