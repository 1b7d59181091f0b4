/**
 * The same load as append_load.ts on JetStream: writers on connections of their own that publish to a subject of
 * their own and wait for the acknowledgement. argv: PORT WRITERS; `{"count": true}` says how many messages are held. Speaks the NATS client protocol itself, so that
 * nothing but the server is compared: https://docs.nats.io/reference/reference-protocols/nats-protocol.
 */
import { randomUUID } from "node:crypto";

const [, , portText = "", writersText = "1"] = process.argv;
const SAMPLES_MAX = 200_000;
const STREAM = "BENCH";

class Writer {
  readonly #opened = Promise.withResolvers<void>();
  readonly #waiting = new Map<string, (payload: string) => void>();
  readonly #inbox = `_INBOX.${randomUUID().replaceAll("-", "")}`;
  readonly subject: string;
  #socket: Bun.Socket | null = null;
  #out: Uint8Array[] = [];
  #in: Buffer = Buffer.alloc(0);
  #next = 0;

  constructor(number: number) {
    this.subject = `bench.${number}`;
  }

  async open(port: number): Promise<this> {
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => {
          this.#socket = socket;
          this.#send(
            `CONNECT {"verbose":false,"pedantic":false,"headers":false}\r\nSUB ${this.#inbox}.* 1\r\nPING\r\n`,
          );
        },
        data: (_, chunk) => this.#data(chunk),
        drain: () => this.#flush(),
        close: () => this.#closed(),
      },
    });
    await this.#opened.promise;
    return this;
  }

  /** Publishes with a reply subject and resolves with the reply's payload. */
  request(subject: string, payload: Uint8Array): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    if (this.#socket === null) return Promise.resolve("");
    const inbox = `${this.#inbox}.${this.#next++}`;
    this.#waiting.set(inbox, resolve);
    const head = Buffer.from(`PUB ${subject} ${inbox} ${payload.length}\r\n`);
    this.#send(Buffer.concat([head, payload, Buffer.from("\r\n")]));
    return promise;
  }

  /** What waits gets an empty answer, as from a server that keeps nothing. */
  #closed(): void {
    this.#socket = null;
    for (const resolve of this.#waiting.values()) resolve("");
    this.#waiting.clear();
  }

  #send(data: string | Uint8Array): void {
    this.#out.push(typeof data === "string" ? Buffer.from(data) : data);
    this.#flush();
  }

  #flush(): void {
    for (let first = this.#out[0]; first !== undefined; first = this.#out[0]) {
      const written = this.#socket?.write(first) ?? 0;
      if (written < first.length) {
        this.#out[0] = first.subarray(written);
        return;
      }
      this.#out.shift();
    }
  }

  #data(chunk: Buffer): void {
    this.#in = this.#in.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#in, chunk]);
    for (;;) {
      const end = this.#in.indexOf("\r\n");
      if (end < 0) return;
      const line = this.#in.toString("latin1", 0, end);
      let next = end + 2;
      if (line.startsWith("MSG ")) {
        const parts = line.split(" ");
        const length = Number(parts.at(-1));
        if (this.#in.length < next + length + 2) return;
        const subject = parts[1] ?? "";
        this.#waiting.get(subject)?.(this.#in.toString("utf8", next, next + length));
        this.#waiting.delete(subject);
        next += length + 2;
      } else if (line === "PING") this.#send("PONG\r\n");
      else if (line === "PONG") this.#opened.resolve();
      this.#in = this.#in.subarray(next);
    }
  }
}

interface Told {
  readonly writers: number;
  readonly window: number;
  readonly bytes: number;
  readonly seconds: number;
}

const writers = await Promise.all(
  Array.from({ length: Number(writersText) }, (_, number) => new Writer(number).open(Number(portText))),
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
