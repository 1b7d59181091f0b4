/**
 * Devices that ask random mailboxes of a population that is there already. argv: ADDRESS CONNECTIONS. JSON lines on
 * stdin: `{"deed": D, "mailboxes": N, "at": C, "seconds": S}` does one of DEEDS over and over on mailboxes below N,
 * C at once over as many connections, and answers with how often it was done and how long each took.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import type { OpenedSession } from "../../core/client/session/mod.ts";
import { openDialler } from "../../core/edge/mod.ts";
import { limit } from "../../core/ground/mod.ts";
import { GENERATION_FIRST, type Refusal } from "../../core/wire/mod.ts";
import { plain } from "../../test/harness/device.ts";
import { benchClock, benchLimits } from "./edge.ts";
import { connect, type Place } from "./listening.ts";
import { openPopulation, type Resident } from "./population.ts";

const [, , address = "", connectionsText = "1"] = process.argv;
const SAMPLES_MAX = 200_000;
const BYTES = 1024;

/** Resolves with why it was refused, or null where it was done. */
type Deed = (session: OpenedSession, resident: Resident) => Promise<Refusal | null>;

const crypto = await openCrypto({ needs: [] });
const dialler = openDialler({ crypto, limits: benchLimits, clock: benchClock });
const place: Place = { crypto, dialler, address };
const sessions = await Promise.all(Array.from({ length: Number(connectionsText) }, () => connect(place)));
const [first] = sessions;
if (first === undefined) throw new Error("a load has a connection");
const population = openPopulation(crypto, first.relay);

function unexpected(answer: unknown): never {
  throw new Error(`the relay answered ${JSON.stringify(answer)}`);
}

function reading(bytesMax: number): Deed {
  return async (session, { mailbox, reader }) => {
    const signing = { mailbox, generation: GENERATION_FIRST, key: reader };
    const result = await session.read({ from: 0, bytesMax }, signing);
    if (result.is === "read" && result.entries.length > 0) return null;
    return result.is === "refused" ? result.refusal : unexpected(result);
  };
}

const DEEDS: Readonly<Record<string, Deed>> = {
  async append(session, { mailbox, writer }) {
    const signing = { mailbox, generation: GENERATION_FIRST, key: writer };
    const result = await session.command(plain(crypto, { bytes: BYTES }), signing);
    if (result.is === "appended") return null;
    return result.is === "refused" ? result.refusal : unexpected(result);
  },
  /** The first entry of the mailbox. */
  read: reading(1),
  /** As much of it as one answer holds. */
  drain: reading(limit.READ_BYTES_MAX),
};

/** Until it is done: a database that stalls makes a relay busy for a while, and that is part of how long it took. */
async function patiently(act: Deed, session: OpenedSession, resident: Resident): Promise<void> {
  for (;;) {
    const refusal = await act(session, resident);
    if (refusal === null) return;
    if (refusal.code !== "busy" && refusal.code !== "unavailable") unexpected(refusal);
    await Bun.sleep(refusal.retryMs);
  }
}

interface Told {
  readonly deed: string;
  readonly mailboxes: number;
  readonly at: number;
  readonly seconds: number;
}

async function run({ deed, mailboxes, at, seconds }: Told): Promise<void> {
  const act = DEEDS[deed];
  if (act === undefined) throw new Error(`no deed is named ${deed}`);
  const tookMs: number[] = [];
  let running = true;
  let all = 0;
  const one = async (session: OpenedSession): Promise<void> => {
    while (running) {
      const resident = population(Math.floor(Math.random() * mailboxes));
      const startedMs = performance.now();
      await patiently(act, session, resident);
      all++;
      if (tookMs.length < SAMPLES_MAX) tookMs.push(performance.now() - startedMs);
    }
  };
  const startedMs = performance.now();
  const working = Promise.all(sessions.slice(0, at).map(one));
  // One that fails ends the run at once.
  await Promise.race([Bun.sleep(seconds * 1000), working]);
  const [took, done] = [(performance.now() - startedMs) / 1000, all];
  running = false;
  await working;
  console.log(JSON.stringify({ done, all, seconds: took, tookMs }));
}

console.log(JSON.stringify({ ready: true }));
for await (const line of console) await run(JSON.parse(line) as Told);
process.exit(0);
