/** Cursors: they only move forward, each move is a receipt, and one too far behind holds nobody else back. */
import type { Authority } from "../wire/mod.ts";
import { findReader, type MailboxDraft, touch } from "./draft.ts";
import type { Outcome } from "./outcome.ts";

/** From this share of its quota on a mailbox looks for readers that hold back too much. */
const LAPSE_PRESSURE = 3 / 4;
/** A reader is too far behind when it alone holds back more than this share of what is held. */
const LAPSE_BACKLOG = 1 / 2;

/** Moves the signer's cursor forward. A reader that acknowledges has come back, so it no longer counts as lapsed. */
export function decideAcknowledge(box: MailboxDraft, authority: Authority, cursor: number): Outcome {
  if (cursor > box.size) return { is: "refused", refusal: { code: "range", size: box.size } };
  const at = findReader(box, authority.key);
  const reader = box.readers[at];
  if (reader === undefined) return { is: "refused", refusal: { code: "denied" } };
  if (cursor <= reader.cursor && !reader.lapsed) return { is: "acknowledged", cursor: reader.cursor };
  const moved = Math.max(cursor, reader.cursor);
  touch(box);
  box.readers = box.readers.with(at, { key: reader.key, cursor: moved, lapsed: false });
  if (cursor > reader.cursor) {
    box.receipts.set(reader.key.toHex(), {
      mailbox: box.id,
      generation: box.generation,
      reader: reader.key,
      cursor,
      notAfterMs: authority.notAfterMs,
      signature: authority.signature,
    });
  }
  return { is: "acknowledged", cursor: moved };
}

/**
 * Lets readers lapse before writers must be refused: in a mailbox that is nearly full, those that alone hold back
 * more than half of what is held. The one that is furthest ahead never lapses, so where nobody reads nothing
 * goes early and writers are refused instead.
 */
export function lapse(box: MailboxDraft): void {
  const { policy, entriesHeld, bytesHeld, size } = box;
  const pressure = Math.max(entriesHeld / policy.entriesMax, bytesHeld / policy.bytesMax);
  if (pressure < LAPSE_PRESSURE) return;
  let ahead = 0;
  for (const reader of box.readers) ahead = Math.max(ahead, reader.cursor);
  const behind = entriesHeld * LAPSE_BACKLOG;
  const late = (reader: { cursor: number; lapsed: boolean }): boolean =>
    !reader.lapsed && reader.cursor < ahead && size - reader.cursor > behind;
  if (!box.readers.some(late)) return;
  touch(box);
  box.readers = box.readers.map((reader) => (late(reader) ? { ...reader, lapsed: true } : reader));
}
