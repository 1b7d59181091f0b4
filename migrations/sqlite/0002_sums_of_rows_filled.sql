-- Custom: what rows of before the columns add up to.
UPDATE mailbox SET
  reader_sum = coalesce((SELECT sum(reader.sum) FROM reader WHERE reader.box = mailbox.box), 0),
  receipt_sum = coalesce((SELECT sum(receipt.sum) FROM receipt WHERE receipt.box = mailbox.box), 0);
