/**
 * A device that comes back to a full mailbox, and devices that are there when messages come. argv: ADDRESS. JSON
 * lines on stdin: `{"fill": N, "bytes": B}` stores N entries; `{"drain": N}` reads them all by a subscription of a
 * new connection, bodies and heads checked; `{"live": D, "rate": R, "bytes": B, "seconds": S}` has D devices
 * subscribed to a mailbox each and sends R messages a second to them in turn. Each answers with a line.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { openDialler } from "../../core/edge/mod.ts";
import { benchClock, benchLimits } from "./edge.ts";
import { append, connect, freshBox, listenAll, type Place, readerOf, sendTo } from "./listening.ts";

/** Appends under way while filling. */
const FILL_WINDOW = 200;

const crypto = await openCrypto({ needs: [] });
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });
const place: Place = { crypto, dialler, address: process.argv[2] ?? "" };
const writer = await connect(place);
const box = await freshBox(place, writer);

async function fill(count: number, bytes: number): Promise<object> {
  const startedMs = performance.now();
  let left = count;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await append(place, { by: writer, to: box, bytes });
    }
  };
  await Promise.all(Array.from({ length: FILL_WINDOW }, one));
  return { filled: count, seconds: (performance.now() - startedMs) / 1000 };
}

async function drain(count: number): Promise<object> {
  const startedMs = performance.now();
  const session = await connect(place);
  const over = Promise.withResolvers<number>();
  let entries = 0;
  session.subscribe(
    0,
    { ...box, key: readerOf(box) },
    {
      entry: () => void (entries += 1),
      live: () => over.resolve(performance.now()),
      ended: (why) => over.reject(new Error(why?.code ?? "cut")),
    },
  );
  const endedMs = await over.promise;
  await session[Symbol.asyncDispose]();
  if (entries !== count) throw new Error(`${entries} of ${count} entries came`);
  return { drained: entries, seconds: (endedMs - startedMs) / 1000 };
}

interface Live {
  readonly live: number;
  readonly rate: number;
  readonly bytes: number;
  readonly seconds: number;
}

async function live({ live: count, rate, bytes, seconds }: Live): Promise<object> {
  const tookMs: number[] = [];
  const devices = await listenAll(place, { count, by: writer, arrived: (ms) => void tookMs.push(ms) });
  const startedMs = performance.now();
  const sent = await sendTo(place, devices, { by: writer, rate, bytes, seconds });
  for (let tries = 0; tookMs.length < sent && tries < 1000; tries += 1) await Bun.sleep(5);
  return { delivered: tookMs.length, sent, tookMs, seconds: (performance.now() - startedMs) / 1000 };
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) {
  const told = JSON.parse(line) as { fill?: number; drain?: number; bytes: number } & Live;
  const answer =
    told.fill === undefined
      ? told.drain === undefined
        ? live(told)
        : drain(told.drain)
      : fill(told.fill, told.bytes);
  console.log(JSON.stringify(await answer));
}
process.exit(0);
