-- Custom: what rows of before the columns add up to.
UPDATE mailbox m SET
  reader_sum = coalesce((SELECT sum(r.sum) FROM reader r WHERE r.mailbox = m.id), 0)::bigint,
  receipt_sum = coalesce((SELECT sum(r.sum) FROM receipt r WHERE r.mailbox = m.id), 0)::bigint;
