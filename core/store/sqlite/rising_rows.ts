import type { Database } from "bun:sqlite";

/** A row that says when it came. */
export interface Numbered {
  readonly number: number;
}

export function byNumber(a: Numbered, b: Numbered): number {
  return a.number - b.number;
}

/**
 * A mailbox's rows in an index's order, in which `of` rises; throws where it doesn't. Pages that a damaged one leads
 * back to would be gone through for ever, and a sort of SQLite's would keep all of it.
 */
export function risingRows<T>(
  db: Database,
  { sql, box }: { readonly sql: string; readonly box: number },
  of: (row: T) => string | number,
): T[] {
  const select = db.prepare<T, [number]>(sql);
  const rows: T[] = [];
  try {
    for (const row of select.iterate(box)) {
      const last = rows.at(-1);
      if (last !== undefined && of(row) <= of(last)) throw new Error("its rows come again");
      rows.push(row);
    }
  } finally {
    select.finalize();
  }
  return rows;
}
