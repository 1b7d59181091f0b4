/**
 * Opens connections to a host and keeps or closes them, as told by JSON lines on stdin:
 * `{"open": N, "at": C, "hold": BOOL}` opens N more, C at once, each with one held stream where asked;
 * `{"churn": N, "at": C}` opens and closes N, C at once; `{"quit": true}` ends. Each answers with one line.
 * It checks the host's signatures as a client must; its own CPU is not counted.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { type EdgeConnection, openDialler, type StreamHandler } from "../../core/edge/mod.ts";
import { benchClock, benchLimits, many } from "./edge.ts";

const address = process.argv[2] ?? "";
const crypto = await openCrypto();
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });
/** A host that drops streams of one burst gets them again; see bench/peer/README.md. */
const ATTEMPTS_MAX = 20;
const kept: EdgeConnection[] = [];

/** Settles a held stream: true when the host echoed its byte, false when the host dropped it before. */
type Settle = (answered: boolean) => void;

const held: StreamHandler<Settle> = {
  onOpen() {
    // The host's echo says that it serves the stream.
  },
  onData(stream) {
    stream.context(true);
  },
  onEnd() {
    // It ends with its connection.
  },
  onDrain() {
    // One byte always fits.
  },
  onClose(stream) {
    stream.context(false);
  },
};

async function hold(connection: EdgeConnection): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    connection.open("/dchat/bench/hold/1", held, resolve).write(new Uint8Array([1]));
    if (await promise) return;
    // A host that takes one stream at a time needs a moment, and not from all at once.
    await Bun.sleep(Math.random() * Math.min(500, 2 ** attempt));
  }
  throw new Error(`a held stream was dropped ${ATTEMPTS_MAX} times`);
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
    // In peace: cut off at once, what proves this side would be lost, and with it the host's part of the handshake.
    else connection.close("churn");
  });
  console.log(JSON.stringify({ tookMs: took, ms: performance.now() - started, open: dialler.connections }));
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) {
  const told = JSON.parse(line) as Told & { quit?: boolean };
  if (told.quit === true) break;
  await obey(told);
}
process.exit(0);
