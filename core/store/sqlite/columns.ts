/** Columns as statements name them: after the schema's properties. */

export const MAILBOX_COLUMNS = `box, id, generation, term, owner, writer, entries_max AS entriesMax,
  bytes_max AS bytesMax, ttl_ms AS ttlMs, retention_ms AS retentionMs, size, peaks, turn, version, floor,
  entries_held AS entriesHeld, bytes_held AS bytesHeld, created_ms AS createdMs, deleted,
  started_size AS startedSize, started_root AS startedRoot, started_ms AS startedMs, sum, swept, sweep_ms AS sweepMs,
  reader_sum AS readerSum, receipt_sum & 4294967295 AS receiptSum`;

export const ENTRY_COLUMNS = `place & 4294967295 AS seq, id, generation, turn, kind, slot, time_ms AS timeMs,
  expiry_ms AS expiryMs, entry_hash AS entryHash, nodes, taken_by AS takenBy, body, entry.bytes AS bytes,
  sum`;
