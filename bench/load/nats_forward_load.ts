/**
 * The same load as forward_load.ts on nats-server without JetStream: a publisher and a subscriber to each subject,
 * on connections of their own. argv: PORT PAIRS. JSON lines on stdin: `{"bytes": N, "window": W, "seconds": S}` as
 * there; `{"open": N, "at": C}` opens N connections more, C at once, that do nothing.
 */
import { many } from "./edge.ts";
import { NatsConnection } from "./nats_connection.ts";

const [, , portText = "", pairsText = "1"] = process.argv;
const SAMPLES_MAX = 200_000;
const port = Number(portText);

interface Pair {
  readonly subject: string;
  readonly sender: NatsConnection;
  readonly sentAt: number[];
}

let running = false;
let message: Uint8Array = new Uint8Array(0);
let delivered = 0;
let samples: number[] = [];
const idle: NatsConnection[] = [];

function send({ subject, sender, sentAt }: Pair): void {
  sentAt.push(performance.now());
  sender.publish(subject, message);
}

function arrived(pair: Pair): void {
  const sent = pair.sentAt.shift() ?? 0;
  delivered++;
  if (samples.length < SAMPLES_MAX) samples.push(performance.now() - sent);
  if (running) send(pair);
}

async function openPair(number: number): Promise<Pair> {
  const subject = `pair.${number}`;
  const sender = await NatsConnection.open(port, () => undefined);
  const pair: Pair = { subject, sender, sentAt: [] };
  const receiver = await NatsConnection.open(port, () => arrived(pair));
  await receiver.subscribe(subject);
  return pair;
}

const pairs: Pair[] = [];
for (let number = 0; number < Number(pairsText); number++) pairs.push(await openPair(number));

async function run(told: { bytes: number; window: number; seconds: number }): Promise<void> {
  message = new Uint8Array(told.bytes).fill(7);
  [delivered, samples, running] = [0, [], true];
  for (const pair of pairs) for (let under = 0; under < told.window; under++) send(pair);
  const started = performance.now();
  await Bun.sleep(told.seconds * 1000);
  const [seconds, count] = [(performance.now() - started) / 1000, delivered];
  running = false;
  while (pairs.some((pair) => pair.sentAt.length > 0)) await Bun.sleep(5);
  console.log(JSON.stringify({ delivered: count, all: delivered, seconds, tookMs: samples }));
}

async function open(count: number, at: number): Promise<void> {
  await many(count, at, async () => void idle.push(await NatsConnection.open(port, () => undefined)));
  console.log(JSON.stringify({ open: idle.length }));
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) {
  const told = JSON.parse(line) as Parameters<typeof run>[0] & { open?: number; at?: number };
  await (told.open === undefined ? run(told) : open(told.open, told.at ?? 1));
}
process.exit(0);
