import { expect, test } from "bun:test";
import { openCrypto } from "@dchat/crypto-wasm";
import { join } from "node:path";
import { ready } from "libsodium-wrappers-sumo";
import { TABLE } from "../crypto-wasm/table.ts";
import { aeads } from "./crypto/aead.ts";
import { batches, curves } from "./crypto/curve.ts";
import { frost } from "./crypto/frost.ts";
import { MEMBERS } from "./crypto/mls.ts";
import { ratios } from "./crypto_bench.ts";
import { shownResults } from "./harness/saved.ts";
import { hashes, keyedHashes } from "./crypto/hash.ts";
import { kemsAndPassword } from "./crypto/kem.ts";
import { overheads, worstOverhead } from "./crypto/overhead.ts";

test("every row of crypto-wasm's table cites an operation that is measured, and each subject's work runs", async () => {
  await ready;
  await using dchat = await openCrypto();
  await using portable = await openCrypto({ backends: "portable" });
  const peers = { dchat, portable };
  const all = [batches, curves, aeads, hashes, keyedHashes, kemsAndPassword].flatMap((open) => open(peers));
  const through = await overheads(dchat);
  // Each part, and verification once more, by batches.
  expect(through.length).toBe(Object.keys(TABLE).length + 1);
  for (const { subjects } of [...all, ...through, ...frost()])
    for (const work of Object.values(subjects)) await work();
  const measured = new Set(all.map(({ operation }) => operation));
  expect(Object.values(TABLE).filter(({ benchmark }) => !measured.has(benchmark))).toEqual([]);
});

test("worstOverhead() is of the operation that costs most of what it may, by the kinder bound", () => {
  const row = (subject: string, operation: string, p50Us: number) => ({
    subject,
    parameters: { operation, size: 64 },
    figures: { p50Us },
  });
  const rows = [
    row("dchat", "interface: quick", 0.4),
    row("bare", "interface: quick", 0.1),
    row("dchat", "interface: slow", 102),
    row("bare", "interface: slow", 100),
    row("dchat", "sha256", 9),
  ];
  const worst = worstOverhead(rows);
  expect([worst.operation, worst.count, Math.round(worst.share * 100)]).toEqual(["quick", 2, 100]);
  expect(
    worstOverhead([...rows, row("dchat", "interface: dear", 11), row("bare", "interface: dear", 10)]),
  ).toMatchObject({
    operation: "dear",
    count: 3,
  });
});

test("the result that is shown makes the claims that the benchmark makes, and no earlier ones", async () => {
  const shown = (await shownResults(join(import.meta.dirname, "result"))).get("crypto");
  if (shown === undefined) throw new Error("no result of the crypto benchmark is saved");
  const { rows, ratios: claimed, size } = shown.result;
  const named = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name);
  expect(named(claimed)).toEqual(named(ratios(rows, MEMBERS[size])));
});
