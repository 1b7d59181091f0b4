import { expect, test } from "bun:test";
import { handler } from "../../edge/_kit.ts";
import { limit } from "../../ground/mod.ts";
import { PROTOCOL_ID } from "../../wire/mod.ts";
import { openKit } from "./_kit.ts";

test("drain() doesn't wait for who reads nothing longer than a closed connection's last bytes are waited for", async () => {
  await using kit = await openKit();
  const { connection } = kit.pair({ windowBytes: 64 });
  let came = 0;
  connection.open(PROTOCOL_ID, handler({ onData: (_, bytes) => void (came += bytes.length) }), null);
  while (came < 64) await Bun.sleep(1);
  const began = performance.now();
  await kit.pipeline.drain();
  expect(came).toBe(64);
  expect(performance.now() - began).toBeLessThan(limit.CLOSE_LINGER_MS + 2000);
}, 15_000);
