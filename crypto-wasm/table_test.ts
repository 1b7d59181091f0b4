/** What the table cites is there. */
import { expect, test } from "bun:test";
import { BACKENDS } from "./backend.ts";
import { TABLE } from "./table.ts";

const MEASURED: readonly {
  readonly subject: string;
  readonly parameters: { readonly operation: string };
  readonly figures: { readonly p50Us: number };
}[] = (await Bun.file(new URL("../bench/result/crypto-standard-2026-11-29.json", import.meta.url)).json())
  .rows;

test("TABLE names backends that exist, and a benchmark for each row", () => {
  for (const row of Object.values(TABLE)) {
    expect(BACKENDS).toContain(row.fast);
    expect(BACKENDS).toContain(row.portable);
  }
});

test("TABLE cites operations that the result has, and gives a reason where a peer was faster there", () => {
  const result = Object.entries(TABLE).map(([part, row]) => {
    const measured = MEASURED.filter(({ parameters }) => parameters.operation === row.benchmark);
    const times = (subject: string) =>
      measured.filter((each) => each.subject === subject).map(({ figures }) => figures.p50Us);
    const ours = times("dchat");
    // A tenth is the spread from run to run; the interface itself may cost 0.3 us.
    const isBeaten = (theirs: readonly number[]) =>
      theirs.length === ours.length &&
      theirs.every((time, i) => time < 0.9 * ours[i]! && time < ours[i]! - 0.3);
    // What a row differs by from the library that it is itself is our checks, or one run's spread.
    const itself = { native: "node:crypto", sodium: "libsodium" }[row.fast as string];
    const peers = ["libsodium", "node:crypto"].filter((peer) => peer !== itself);
    const faster = peers.filter((peer) => isBeaten(times(peer)) && ours.length > 0);
    return { part, measured: ours.length > 0, unexplained: "because" in row ? [] : faster };
  });
  for (const row of result) expect(row).toEqual({ part: row.part, measured: true, unexplained: [] });
  expect(MEASURED.length).toBeGreaterThan(100);
});
