/** Relays that can't be reached, or that take too long: work is left for later. */
import { Fault, isFault } from "../ground/mod.ts";
import { clockTime } from "./clocks.ts";

const LATE = "TimeoutError";

/** Whether an error says that a relay can't be reached now, rather than that something is wrong. */
export function isAway(error: unknown): boolean {
  if (error instanceof DOMException) return error.name === "AbortError" || isLate(error);
  return (
    isFault(error, "edge/dial") ||
    isFault(error, "edge/handshake") ||
    isFault(error, "edge/closed") ||
    isFault(error, "session/closed") ||
    isFault(error, "session/timeout") ||
    isFault(error, "session/clock") ||
    isFault(error, "client/away")
  );
}

/** Whether a conversation is at its end, which stays noted with it: nothing can be sent, nor will it later. */
export function isOver(error: unknown): boolean {
  return isFault(error, "client/ended") || isFault(error, "client/astray");
}

/** Whoever is told only that a send failed sends again, and both go out. */
export function butItWaits(error: unknown): unknown {
  if (!isFault(error) || isOver(error)) return error;
  const message = `${error.message}. The text waits in the outbox, and goes out with the next send or receive`;
  return new Fault(error.code, message, { cause: error });
}

/** Whoever invites by a name again gets the invitation that waits under it, whichever relay that is at. */
export function atAnotherRelay(error: unknown, expiresMs: number): unknown {
  if (!isFault(error) || !isAway(error)) return error;
  const message = `${error.message}. An invitation by this name waits there until ${clockTime(expiresMs)}; to make one at another relay, choose another name by --name`;
  return new Fault(error.code, message, { cause: error });
}

/** Runs `work` with a signal that aborts when `signal` does or once it has taken `lateMs`; resolves when it has ended. */
export async function untilLate(
  lateMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = new AbortController();
  const told = "The relay takes too long; what it has brought is kept, and the rest is left for later";
  const timer = setTimeout(() => late.abort(new DOMException(told, LATE)), lateMs);
  try {
    await work(signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/** Whether something ended since its time was over. */
export function isLate(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === LATE;
}
