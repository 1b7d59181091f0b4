/**
 * The same load as append_load.ts on JetStream: writers on connections of their own that publish to a subject of
 * their own and wait for the acknowledgement. argv: PORT WRITERS; `{"count": true}` says how many messages are held.
 */
import { randomUUID } from "node:crypto";
import { NatsConnection } from "./nats_connection.ts";

const [, , portText = "", writersText = "1"] = process.argv;
const SAMPLES_MAX = 200_000;
const STREAM = "BENCH";

interface Writer {
  readonly subject: string;
  /** Publishes with a reply subject and resolves with the reply's payload; empty where nothing keeps it. */
  request(subject: string, payload: Uint8Array): Promise<string>;
}

async function openWriter(number: number): Promise<Writer> {
  const inbox = `_INBOX.${randomUUID().replaceAll("-", "")}`;
  const waiting = new Map<string, (payload: string) => void>();
  const receive = (subject: string, payload: Buffer): void => {
    waiting.get(subject)?.(payload.toString("utf8"));
    waiting.delete(subject);
  };
  const lost = (): void => {
    for (const resolve of waiting.values()) resolve("");
    waiting.clear();
  };
  const connection = await NatsConnection.open(Number(portText), receive, lost);
  await connection.subscribe(`${inbox}.*`);
  let next = 0;
  return {
    subject: `bench.${number}`,
    request(subject, payload) {
      const { promise, resolve } = Promise.withResolvers<string>();
      if (!connection.isOpen) return Promise.resolve("");
      const reply = `${inbox}.${next++}`;
      waiting.set(reply, resolve);
      connection.publish(subject, payload, reply);
      return promise;
    },
  };
}

interface Told {
  readonly writers: number;
  readonly window: number;
  readonly bytes: number;
  readonly seconds: number;
}

const writers = await Promise.all(
  Array.from({ length: Number(writersText) }, (_, number) => openWriter(number)),
);
const made = await writers[0]?.request(
  `$JS.API.STREAM.CREATE.${STREAM}`,
  Buffer.from(JSON.stringify({ name: STREAM, subjects: ["bench.>"], storage: "file", num_replicas: 1 })),
);
if (made === undefined || made.includes('"error"')) throw new Error(`JetStream made no stream: ${made}`);

async function run({ writers: count, window, bytes, seconds }: Told): Promise<void> {
  let running = true;
  let appended = 0;
  const refused = { error: 0 };
  const tookMs: number[] = [];
  const one = async (writer: Writer): Promise<void> => {
    while (running) {
      const payload = crypto.getRandomValues(new Uint8Array(bytes));
      const sentMs = performance.now();
      const reply = await writer.request(writer.subject, payload);
      if (reply === "") return;
      if (reply.includes('"seq"')) appended++;
      else refused.error++;
      if (tookMs.length < SAMPLES_MAX) tookMs.push(performance.now() - sentMs);
    }
  };
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  const all = writers.slice(0, count).flatMap((writer) => Array.from({ length: window }, () => one(writer)));
  await Bun.sleep(seconds * 1000);
  const [took, counted] = [(performance.now() - startedMs) / 1000, appended];
  const { user, system } = process.cpuUsage(cpu);
  running = false;
  await Promise.all(all);
  const answer = {
    appended: counted,
    all: appended,
    seconds: took,
    tookMs,
    loadCpuMs: (user + system) / 1000,
  };
  console.log(JSON.stringify({ ...answer, refused }));
}

console.log(JSON.stringify({ ready: true }));
/** How many messages the stream holds. */
async function count(): Promise<void> {
  const info = await writers[0]?.request(`$JS.API.STREAM.INFO.${STREAM}`, new Uint8Array(0));
  const { state } = JSON.parse(info ?? "{}") as { state?: { messages: number } };
  console.log(JSON.stringify({ held: state?.messages ?? Number.NaN }));
}

for await (const line of console) {
  const told = JSON.parse(line) as Told | { readonly count: true };
  await ("count" in told ? count() : run(told));
}
process.exit(0);
