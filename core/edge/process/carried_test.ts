/** Connections that an edge process holds keep what port.ts says of those that the relay holds itself. */
import { expect, test } from "bun:test";
import { clock, crypto, handler, LIMITS, until } from "../_kit.ts";
import { openDialler } from "../dialler.ts";
import type { EdgeStream } from "../port.ts";
import { dialInto, listenShared } from "./_kit.ts";

test("frames of every size come whole, though none is dealt with before it is", async () => {
  // 65,000 bytes aren't told of; the next two are, and are less than half of a window together, which then stays as it is.
  const sizes = [65_000, 65_836, 65_500, 65_836, 72 * 1024, 72 * 1024];
  const came: number[] = [];
  let part = 0;
  const framed = handler({
    onData(stream, bytes) {
      part += bytes.length;
      for (let size = sizes[came.length]; size !== undefined && part >= size; size = sizes[came.length]) {
        part -= size;
        came.push(size);
        stream.consume(size);
      }
    },
  });
  await using shared = await listenShared({ protocols: () => framed });
  await using dialler = openDialler({ crypto, limits: LIMITS, clock });
  const connection = await dialInto(shared, dialler);
  const all = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  const push = (stream: EdgeStream): void => void (at += stream.write(all.subarray(at)));
  connection.open("/hold", handler({ onOpen: push, onDrain: push }), null);
  await until("all came whole", () => came.length === sizes.length);
  expect(came).toEqual(sizes);
});
