/**
 * Peers that mean harm, of several kinds in equal shares, who come again when they are cut off; or, with a third
 * argument, peers that shake hands and don't come back: `zombies` never read or say anything again, `flood` sends frames
 * of a byte each, as fast as they are taken. argv: ADDRESS COUNT [zombies|flood]. It prints a line
 * when they have come, and `{"tries": N, "sentMib": M}` for each line on stdin.
 */
import { type Hostile, connectBare, connectHostile } from "../../core/edge/_kit.ts";
import { frame } from "../../core/link/_pair.ts";

const [, , address = "", countText = "1", who = "all"] = process.argv;
const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1]);
const PAUSE_MS = 1000;
const BEGINNING = new TextEncoder().encode("\u0013/multistream/1.0.0\n\u0007/noise\n");
const ZOMBIES_AT_ONCE = 32;
const FLOOD_PIECE_BYTES = 256 * 1024;
let tries = 0;
let came = 0;
let sentBytes = 0;

/** Says nothing, or a byte a second of a handshake that never ends. */
async function slow(dribbles: boolean): Promise<void> {
  const bare = await connectBare(port);
  came++;
  for (let at = 0; !bare.closed; at++) {
    if (dribbles) bare.socket.write(BEGINNING.subarray(at % BEGINNING.length, (at % BEGINNING.length) + 1));
    await Bun.sleep(PAUSE_MS);
  }
}

async function garbage(): Promise<void> {
  const bare = await connectBare(port);
  came++;
  bare.socket.write(globalThis.crypto.getRandomValues(new Uint8Array(1024)));
  await Bun.sleep(PAUSE_MS);
}

/** Shakes hands, then asks for answers that it never reads, or does `act` every second. */
async function shaken(act: ((hostile: Hostile, round: number) => void) | null): Promise<void> {
  const hostile = await connectHostile(port);
  came++;
  if (act === null) hostile.socket.pause();
  const pings = Buffer.concat(Array.from({ length: 200 }, (_, value) => frame(2, 1, 0, value)));
  for (let round = 0; !hostile.closed; round++) {
    if (act === null) hostile.send(pings);
    else act(hostile, round);
    await Bun.sleep(PAUSE_MS);
  }
}

function resets(hostile: Hostile, round: number): void {
  const ids = Array.from({ length: 20 }, (_, index) => 2 * (round * 20 + index) + 1);
  hostile.send(Buffer.concat(ids.flatMap((id) => [frame(1, 1, id, 0), frame(1, 8, id, 0)])));
}

function violations(hostile: Hostile, round: number): void {
  const wrong = [frame(0, 0, 0, 1), frame(0, 0, 1, 300_000), frame(0, 1, 2, 0), frame(9, 0, 0, 0)];
  hostile.send(wrong[round % wrong.length] ?? frame(9, 0, 0, 0));
}

const KINDS = [
  () => slow(false),
  () => slow(true),
  () => garbage(),
  () => shaken(null),
  () => shaken(resets),
  () => shaken(violations),
];

async function forEver(kind: () => Promise<void>): Promise<never> {
  for (;;) {
    tries++;
    try {
      await kind();
    } catch {
      // Turned away: it comes again.
    }
    await Bun.sleep(PAUSE_MS * (0.5 + Math.random()));
  }
}

async function zombies(count: number): Promise<void> {
  let left = count;
  const walker = async (): Promise<void> => {
    while (left-- > 0) {
      (await connectHostile(port)).socket.pause();
    }
  };
  await Promise.all(Array.from({ length: ZOMBIES_AT_ONCE }, walker));
}

async function flood(count: number): Promise<void> {
  const floods = await Promise.all(Array.from({ length: count }, () => connectHostile(port)));
  for (const hostile of floods) {
    hostile.socket.pause();
    void pour(hostile);
  }
}

/** Sends answers to pings, a byte in each frame of Noise: the most work that bytes can ask for. */
async function pour(hostile: Hostile): Promise<void> {
  const answer = frame(2, 2, 0, 0);
  const piece = new Uint8Array(FLOOD_PIECE_BYTES);
  const sealed = new Uint8Array(1024);
  let byte = 0;
  while (!hostile.closed) {
    let length = 0;
    while (length + sealed.length <= piece.length) {
      hostile.link.queue.append(answer.subarray(byte, byte + 1));
      byte = (byte + 1) % answer.length;
      const frameBytes = hostile.link.pull(sealed);
      piece.set(sealed.subarray(0, frameBytes), length);
      length += frameBytes;
    }
    for (let at = 0; at < length && !hostile.closed;) {
      const taken = Math.max(0, hostile.socket.write(piece.subarray(at, length)));
      at += taken;
      sentBytes += taken;
      await Bun.sleep(taken === 0 ? 1 : 0);
    }
  }
}

async function all(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    void forEver(KINDS[index % KINDS.length] ?? garbage);
    if (index % 50 === 0) await Bun.sleep(10);
  }
  while (came < count / 2) await Bun.sleep(50);
}

const PEERS = { all, zombies, flood };
if (!Object.hasOwn(PEERS, who)) throw new Error(`${who} are no hostile peers`);
await PEERS[who as keyof typeof PEERS](Number(countText));
console.log(JSON.stringify({ ready: true }));
for await (const line of console) console.log(JSON.stringify({ tries, sentMib: sentBytes / 2 ** 20, line }));
process.exit(0);
