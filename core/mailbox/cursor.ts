/** Cursors: they only move forward, each move is a receipt, and one too far behind holds nobody else back. */
import type { Authority } from "../wire/mod.ts";
import { findReader, type MailboxDraft, touch } from "./draft.ts";
import type { Outcome } from "./outcome.ts";

/** From this share of its quota on a mailbox looks for readers that hold back too much. */
const LAPSE_PRESSURE = 3 / 4;
/** A reader is too far behind when it alone holds back more than this share of what is held. */
const LAPSE_BACKLOG = 1 / 2;

/** How many of a mailbox's readers may count as lapsed: fewer than half. */
export function lapsedMax(readers: number): number {
  return Math.max(0, Math.ceil(readers / 2) - 1);
}

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
 * more than half of what is held, the furthest behind first. The lapsed stay fewer than half of all readers, and
 * one that no other is ahead of never lapses: nothing goes that only a minority has read.
 */
export function lapse(box: MailboxDraft): void {
  const { policy, entriesHeld, bytesHeld, size } = box;
  const pressure = Math.max(entriesHeld / policy.entriesMax, bytesHeld / policy.bytesMax);
  if (pressure < LAPSE_PRESSURE) return;
  let ahead = 0;
  let lapsed = 0;
  for (const reader of box.readers) {
    ahead = Math.max(ahead, reader.cursor);
    if (reader.lapsed) lapsed += 1;
  }
  const room = lapsedMax(box.readers.length) - lapsed;
  if (room <= 0) return;
  const late = box.readers
    .filter((reader) => {
      const backlog = size - reader.cursor;
      return !reader.lapsed && reader.cursor < ahead && backlog > entriesHeld * LAPSE_BACKLOG;
    })
    .sort((a, b) => a.cursor - b.cursor)
    .slice(0, room);
  if (late.length === 0) return;
  touch(box);
  box.readers = box.readers.map((reader) => (late.includes(reader) ? { ...reader, lapsed: true } : reader));
}
