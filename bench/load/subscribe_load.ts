/**
 * Devices subscribed to a mailbox each, which were made beforehand. argv: ADDRESS MAILBOXES. JSON lines on stdin:
 * `{"open": N, "at": C}` has N more devices subscribe, C at once; `{"churn": N, "at": C}` has N connect and go. Each
 * answers with a line.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { openDialler } from "../../core/edge/mod.ts";
import type { TestMailbox } from "../../test/harness/device.ts";
import { benchClock, benchLimits, many } from "./edge.ts";
import { connect, freshBox, listen, type Place } from "./listening.ts";

const [, , address = "", boxesText = "1"] = process.argv;
const MAKING_AT_ONCE = 64;

const crypto = await openCrypto({ needs: [] });
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });
const place: Place = { crypto, dialler, address };
const boxes: TestMailbox[] = [];

async function subscribe(): Promise<void> {
  const box = boxes.pop();
  if (box === undefined) throw new Error(`all ${boxesText} mailboxes are subscribed to`);
  await listen(place, box, () => undefined);
}

async function comeAndGo(): Promise<void> {
  const session = await connect(place);
  await session[Symbol.asyncDispose]();
}

const maker = await connect(place);
await many(Number(boxesText), MAKING_AT_ONCE, async () => void boxes.push(await freshBox(place, maker)));
console.log(JSON.stringify({ ready: true }));
for await (const line of console) {
  const { open = 0, churn = 0, at = 1 } = JSON.parse(line) as { open?: number; churn?: number; at?: number };
  await many(open, at, subscribe);
  await many(churn, at, comeAndGo);
  console.log(JSON.stringify({ open: dialler.connections }));
}
process.exit(0);
