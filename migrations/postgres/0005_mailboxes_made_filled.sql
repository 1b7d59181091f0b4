-- Custom: what rows of before the table add up to.
INSERT INTO dchat_census (number, made, ids)
  SELECT 0, count(*), coalesce(sum(('x' || encode(substring(id FROM 1 FOR 4), 'hex'))::bit(32)::bigint), 0)::bigint & 4294967295
  FROM mailbox;
