-- Custom: what rows of before the columns add up to.
UPDATE total SET
  made = (SELECT count(*) FROM mailbox),
  made_ids = (SELECT coalesce(sum(json_extract('[0x' || hex(substr(id, 1, 4)) || ']', '$[0]')), 0) FROM mailbox) & 4294967295;
