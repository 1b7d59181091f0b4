/**
 * Devices that stay, each subscribed to a mailbox of its own, and devices that come and go in every way they can.
 * argv: ADDRESS STAYING. JSON lines on stdin: `{"seconds": S, "rate": R, "at": C}` sends R messages a second to those
 * that stay while C others come and go, and answers with what was sent, delivered and churned, and what of it failed.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { connectBare } from "../../core/edge/_kit.ts";
import { openDialler } from "../../core/edge/mod.ts";
import type { TestMailbox } from "../../test/harness/device.ts";
import { benchClock, benchLimits } from "./edge.ts";
import { append, connect, freshBox, listenAll, type Place, readerOf, sendTo } from "./listening.ts";

const [, , address = "", stayingText = "1"] = process.argv;
const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1]);
const BYTES = 1024;
/** Between two visits of one visitor: the growth of memory is asked for, not the rate. */
const AWAY_MS = 30;
const HALF_A_HANDSHAKE = new TextEncoder().encode("\u0013/multistream/1.0.0\n\u0007/noise\n\u0000\u0020");

const crypto = await openCrypto({ needs: [] });
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });
const place: Place = { crypto, dialler, address };
const sender = await connect(place);
let delivered = 0;
const staying = await listenAll(place, {
  count: Number(stayingText),
  by: sender,
  arrived: () => void (delivered += 1),
});

/** Who comes and goes, with a mailbox to come back to. */
interface Visitor {
  readonly box: TestMailbox;
  from: number;
}

type Visit = (visitor: Visitor) => Promise<void>;

async function breaksOff(): Promise<void> {
  const bare = await connectBare(port);
  bare.socket.write(HALF_A_HANDSHAKE);
  bare.socket.terminate();
}

async function vanishes(): Promise<void> {
  const connection = await dialler.dial({ address });
  connection.close("vanishes", { hard: true });
}

async function looksIn(): Promise<void> {
  const session = await connect(place);
  await session[Symbol.asyncDispose]();
}

/** Subscribes from where it was, appends, sees its own entry come, and goes. */
async function talks(visitor: Visitor): Promise<void> {
  const session = await connect(place);
  const mine = Promise.withResolvers<void>();
  const stop = session.subscribe(
    visitor.from,
    { ...visitor.box, key: readerOf(visitor.box) },
    {
      entry: () => mine.resolve(),
      live: () => undefined,
      ended: (why) => mine.reject(new Error(why?.code ?? "cut")),
    },
  );
  visitor.from = (await append(place, { by: session, to: visitor.box, bytes: BYTES })) + 1;
  await mine.promise;
  stop();
  await session[Symbol.asyncDispose]();
}

const VISITS: readonly Visit[] = [breaksOff, vanishes, looksIn, talks];

async function run(told: { seconds: number; rate: number; at: number }): Promise<void> {
  const before = delivered;
  const failed: string[] = [];
  let churned = 0;
  let running = true;
  const visitors = await Promise.all(
    Array.from({ length: told.at }, async () => ({ box: await freshBox(place, sender), from: 0 })),
  );
  const coming = visitors.map(async (visitor, index) => {
    for (let turn = index; running; turn++) {
      try {
        await VISITS[turn % VISITS.length]?.(visitor);
        churned++;
      } catch (error) {
        failed.push(String(error));
      }
      await Bun.sleep(AWAY_MS);
    }
  });
  const sent = await sendTo(place, staying, { ...told, by: sender, bytes: BYTES });
  running = false;
  await Promise.all(coming);
  for (let tries = 0; delivered - before < sent && tries < 1000; tries += 1) await Bun.sleep(5);
  console.log(
    JSON.stringify({ sent, delivered: delivered - before, churned, failed: failed.length, why: failed[0] }),
  );
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) await run(JSON.parse(line) as Parameters<typeof run>[0]);
process.exit(0);
