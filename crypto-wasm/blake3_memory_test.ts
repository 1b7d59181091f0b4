/**
 * What hash-wasm's memory still holds of a keyed hash: two modules do the same with different secrets, and their
 * memories are the same to the last byte afterwards.
 */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { openBlake3 } from "./blake3.ts";
import type { Hash } from "./port.ts";

type Blake3 = Pick<Hash, "blake3" | "blake3Stream">;
type Work = (blake3: Blake3, secret: (length: number) => Uint8Array) => void;

/** Opens BLAKE3 and returns the memories of the modules that it runs on. */
async function opened(): Promise<{ blake3: Blake3; memories: WebAssembly.Memory[] }> {
  const memories: WebAssembly.Memory[] = [];
  const original = WebAssembly.instantiate;
  const spy = async (...all: Parameters<typeof original>) => {
    const made: unknown = await original(...all);
    const exports = made instanceof WebAssembly.Instance ? made.exports : {};
    // Others may be made meanwhile: Node's own HTTP parser is a module too.
    if ("Hash_Init" in exports && exports["memory"] instanceof WebAssembly.Memory)
      memories.push(exports["memory"]);
    return made;
  };
  Object.assign(WebAssembly, { instantiate: spy });
  try {
    return { blake3: await openBlake3(), memories };
  } finally {
    Object.assign(WebAssembly, { instantiate: original });
  }
}

/** Whether the memories after `work` are the same for two different secrets. */
async function leavesNothing(work: Work): Promise<boolean> {
  const one = await remains(work, 1);
  const two = await remains(work, 77);
  return Buffer.compare(Buffer.concat(one), Buffer.concat(two)) === 0;
}

/** The memories after `work` with secrets that begin at `seed`. */
async function remains(work: Work, seed: number): Promise<Uint8Array[]> {
  const { blake3, memories } = await opened();
  work(blake3, (length) => Uint8Array.from({ length }, (_, i) => Math.imul(i + seed, 2_654_435_761) >>> 24));
  expect(memories.length).toBeGreaterThan(0);
  return memories.map((memory) => new Uint8Array(memory.buffer.slice(0)));
}

const LENGTHS = [
  0, 1, 32, 64, 65, 1_023, 1_024, 1_025, 5_000, 16_384, 16_385, 65_535, 65_536, 65_537, 81_920, 100_000,
  131_072, 1_048_575, 1_048_576, 3_000_001,
];

test.each(LENGTHS)("a keyed hash of %i bytes leaves neither key, data nor digest", async (length) => {
  expect(await leavesNothing((blake3, secret) => blake3.blake3(secret(length), secret(32)))).toBe(true);
});

test.each(LENGTHS)(
  "a keyed stream of pieces of %i bytes leaves nothing, between them too",
  async (length) => {
    for (const pieces of [1, 2, 3]) {
      const left = await leavesNothing((blake3, secret) => {
        const stream = blake3.blake3Stream(secret(32));
        for (let i = 0; i < pieces; i++) stream.update(secret(length));
        if (pieces > 1) stream.digest();
      });
      expect(left).toBe(true);
    }
  },
);

test("a keyed stream of pieces of any lengths leaves nothing", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.nat(3_000), fc.nat(200_000)), { maxLength: 6 }),
      fc.boolean(),
      async (lengths, ended) => {
        const left = await leavesNothing((blake3, secret) => {
          const stream = blake3.blake3Stream(secret(32));
          for (const length of lengths) stream.update(secret(length));
          if (ended) stream.digest();
        });
        expect(left).toBe(true);
      },
    ),
    { numRuns: process.env["DCHAT_TEST_LONG"] === "1" ? 2_000 : 25 },
  );
});

test("the comparison can fail: what is hashed without a key stays", async () => {
  expect(await leavesNothing((blake3, secret) => blake3.blake3(secret(100)))).toBe(false);
});
