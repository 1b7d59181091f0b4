/** What a session needs of the connection below it. The edge's EdgeConnection is one. */

export interface SessionStream<T> {
  context: T;
  /** Takes a copy of as much as fits and returns how much; onDrain follows where that is less than all. */
  write(bytes: Uint8Array): number;
  consume(bytes: number): void;
  end(): void;
  reset(): void;
}

export interface SessionHandler<T> {
  onOpen(stream: SessionStream<T>): void;
  /** `bytes` are borrowed until the call returns. */
  onData(stream: SessionStream<T>, bytes: Uint8Array): void;
  onEnd(stream: SessionStream<T>): void;
  onClose(stream: SessionStream<T>, reason: string): void;
  onDrain(stream: SessionStream<T>): void;
}

export interface SessionConnection {
  /** The relay node's PeerId, as Noise proved it: multihash bytes. */
  readonly peer: { readonly bytes: Uint8Array };
  open<T>(protocol: string, handler: SessionHandler<T>, context: T): SessionStream<T>;
}

/**
 * closed: the stream or its connection ended · untrue: the relay said what its signatures or its own words
 * contradict, the session is over · timeout: no answer in time · unsupported: no protocol version in common ·
 * clock: by one of the two clocks its certificate holds, by the other it is over · other: another relay answered
 */
export type SessionCode =
  | "session/closed"
  | "session/untrue"
  | "session/timeout"
  | "session/unsupported"
  | "session/clock"
  | "session/other";
