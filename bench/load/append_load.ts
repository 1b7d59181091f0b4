/**
 * Writers that append to mailboxes of their own, each on a connection of its own, and wait for the relay's promise,
 * which they verify. argv: ADDRESS WRITERS. JSON lines on stdin: `{"writers": N, "window": W, "bytes": B, "seconds": S}`
 * keeps W appends of each of N writers under way and answers with how many were acknowledged and their latencies.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { openSession, type OpenedSession } from "../../core/client/session/mod.ts";
import { openDialler } from "../../core/edge/mod.ts";
import { create, newMailbox, plain, type TestMailbox } from "../../test/harness/device.ts";
import { benchClock, benchLimits } from "./edge.ts";

const [, , address = "", writersText = "1"] = process.argv;
const SAMPLES_MAX = 200_000;
/** Dialled together, so that a thousand writers are there within seconds. */
const DIALS_AT_ONCE = 32;

interface Writer {
  readonly session: OpenedSession;
  readonly box: TestMailbox;
}

const crypto = await openCrypto({ needs: [] });
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });

async function openWriter(): Promise<Writer> {
  const connection = await dialler.dial({ address });
  const session = await openSession(connection, { crypto, clock: benchClock, relay: null });
  const box = newMailbox(crypto, {
    relay: session.relay,
    policy: { entriesMax: 1_000_000, bytesMax: 2 ** 30 },
  });
  await create({ session }, box);
  return { session, box };
}

const writers: Writer[] = [];
while (writers.length < Number(writersText)) {
  const count = Math.min(DIALS_AT_ONCE, Number(writersText) - writers.length);
  writers.push(...(await Promise.all(Array.from({ length: count }, openWriter))));
}

interface Told {
  readonly writers: number;
  readonly window: number;
  readonly bytes: number;
  readonly seconds: number;
}

async function run({ writers: count, window, bytes, seconds }: Told): Promise<void> {
  let running = true;
  let appended = 0;
  const refused = new Map<string, number>();
  const tookMs: number[] = [];
  const one = async ({ session, box }: Writer): Promise<void> => {
    while (running) {
      const sentMs = performance.now();
      const body = plain(crypto, { bytes });
      // A relay that is killed under the load: what was acknowledged until then is what counts.
      const result = await session.command(body, { ...box, key: box.writer }).catch(() => null);
      if (result === null) return;
      if (result.is === "appended") appended++;
      else {
        const code = result.is === "refused" ? result.refusal.code : result.is;
        refused.set(code, (refused.get(code) ?? 0) + 1);
      }
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
  console.log(JSON.stringify({ ...answer, refused: Object.fromEntries(refused) }));
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) await run(JSON.parse(line) as Told);
process.exit(0);
