import { expect, test } from "bun:test";
import { openCrypto } from "@dchat/crypto-wasm";
import { ready } from "libsodium-wrappers-sumo";
import { TABLE } from "../crypto-wasm/table.ts";
import { aeads } from "./crypto/aead.ts";
import { batches, curves } from "./crypto/curve.ts";
import { frost } from "./crypto/frost.ts";
import { hashes, keyedHashes } from "./crypto/hash.ts";
import { kemsAndPassword } from "./crypto/kem.ts";

test("every row of crypto-wasm's table cites an operation that is measured, and each subject's work runs", async () => {
  await ready;
  await using dchat = await openCrypto();
  await using portable = await openCrypto({ backends: "portable" });
  const peers = { dchat, portable };
  const all = [batches, curves, aeads, hashes, keyedHashes, kemsAndPassword].flatMap((open) => open(peers));
  for (const { subjects } of [...all, ...frost()]) for (const work of Object.values(subjects)) await work();
  const measured = new Set(all.map(({ operation }) => operation));
  expect(Object.values(TABLE).filter(({ benchmark }) => !measured.has(benchmark))).toEqual([]);
});
