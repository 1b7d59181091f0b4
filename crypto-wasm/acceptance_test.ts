/**
 * Which Ed25519 signatures are valid, on adversarial input: both WASM builds follow ZIP-215, alone and in a batch, as
 * noble's BigInt implementation of it does. What stricter backends answer instead: acceptance_table_test.ts.
 */
import { describe, expect, test } from "bun:test";
import { ALL, never, noble, small, torsioned } from "./_acceptance.ts";
import { BUILDS } from "./wasm/_builds.ts";
import { openWasm } from "./wasm/mod.ts";

describe.each(BUILDS)("ZIP-215 on the %s build", (build) => {
  const it = openWasm({ build }).ed25519;

  test.each([...ALL])("single, batch and noble agree: %s", (name, items) => {
    const single = items.map((item) => it.verify(item.key, item.message, item.signature));
    expect(single).toEqual(items.map(noble));
    expect(single).toEqual(items.map(() => name !== "never"));
    expect(it.verifyBatch(items)).toEqual(single.flatMap((isValid, at) => (isValid ? [] : [at])));
    for (const item of items) expect(it.verifyBatch([item])).toEqual(noble(item) ? [] : [0]);
  });

  test("a batch of everything names what never holds, wherever it stands", () => {
    const items = [...small, ...torsioned, ...never].toSorted((a, b) =>
      Buffer.compare(a.signature, b.signature),
    );
    expect(it.verifyBatch(items)).toEqual(items.flatMap((item, at) => (noble(item) ? [] : [at])));
  });
});
