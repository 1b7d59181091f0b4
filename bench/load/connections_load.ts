/**
 * Opens connections to a host and keeps or closes them, as told by JSON lines on stdin:
 * `{"open": N, "at": C, "hold": BOOL}` opens N more, C at once, each with one held stream where asked;
 * `{"churn": N, "at": C}` opens and closes N, C at once; `{"quit": true}` ends. Each answers with one line.
 * It checks the host's signatures as a client must; its own CPU is not counted.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { type EdgeConnection, openDialler, type StreamHandler } from "../../core/edge/mod.ts";
import { benchClock, benchLimits } from "./edge.ts";

const address = process.argv[2] ?? "";
const crypto = await openCrypto();
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });
const kept: EdgeConnection[] = [];

const held: StreamHandler<() => void> = {
  onOpen(stream) {
    stream.context();
  },
  onData() {
    // A held stream carries nothing.
  },
  onEnd() {
    // It ends with its connection.
  },
  onDrain() {
    // Nothing is written on it.
  },
  onClose(_, reason) {
    if (!ending) console.error(`a held stream closed: ${reason}`);
  },
};
let ending = false;

async function hold(connection: EdgeConnection): Promise<void> {
  const opened = Promise.withResolvers<void>();
  connection.open("/dchat/bench/hold/1", held, opened.resolve);
  await opened.promise;
}

/** Runs `step` N times, C at once; the latencies in ms. */
async function many(times: number, at: number, step: () => Promise<void>): Promise<number[]> {
  const took: number[] = [];
  let left = times;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const started = performance.now();
      await step();
      took.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: at }, worker));
  return took;
}

interface Told {
  readonly open?: number;
  readonly churn?: number;
  readonly at?: number;
  readonly hold?: boolean;
}

async function obey(told: Told): Promise<void> {
  const started = performance.now();
  const took = await many(told.open ?? told.churn ?? 0, told.at ?? 1, async () => {
    const connection = await dialler.dial({ address });
    if (told.hold === true) await hold(connection);
    if (told.churn === undefined) kept.push(connection);
    else connection.close("churn", { hard: true });
  });
  console.log(JSON.stringify({ tookMs: took, ms: performance.now() - started, open: dialler.connections }));
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) {
  const told = JSON.parse(line) as Told & { quit?: boolean };
  if (told.quit === true) break;
  await obey(told);
}
ending = true;
process.exit(0);
