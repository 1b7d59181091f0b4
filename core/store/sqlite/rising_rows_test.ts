import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { byNumber, type Numbered, risingRows } from "./rising_rows.ts";

test("takes rows that rise, and goes through none that come again without end", () => {
  using db = new Database(":memory:");
  const of = ({ number }: Numbered) => number;
  const rising = `WITH RECURSIVE s(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM s WHERE number < ?1) SELECT number FROM s`;
  expect(risingRows<Numbered>(db, { sql: rising, box: 3 }, of).map(of)).toEqual([1, 2, 3]);
  const endless = `WITH RECURSIVE s(number) AS (SELECT ?1 UNION ALL SELECT number % 3 + 1 FROM s) SELECT number FROM s`;
  expect(() => risingRows<Numbered>(db, { sql: endless, box: 1 }, of)).toThrow("its rows come again");
  expect([{ number: 2 }, { number: 1 }].sort(byNumber).map(of)).toEqual([1, 2]);
});
