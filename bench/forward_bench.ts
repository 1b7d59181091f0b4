/**
 * Forwarding: messages from a sender's stream to a receiver's through one host, without storage, alone and beside
 * idle connections. nats-server stands beside the libp2p hosts as the best there is without encryption.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type HostName,
  hostsFor,
  numberOf,
  openHost,
  openLoad,
  PEER_VERSIONS,
  tell,
  tookMs,
} from "./harness/edge_subject.ts";
import { NATS_VERSION, natsServer, openNats } from "./harness/nats.ts";
import { restedKib } from "./harness/peer.ts";
import { round, spread } from "./harness/quantile.ts";
import { atLeast, type Benchmark, type Plot, type Ratio, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const PAIRS: Readonly<Record<Size, number>> = { small: 5, standard: 100, large: 100 };
const SECONDS: Readonly<Record<Size, number>> = { small: 0.5, standard: 3, large: 10 };
const IDLE: Readonly<Record<Size, number>> = { small: 0, standard: 0, large: 10_000 };
/** js-libp2p looks at all its connections for each new one, and takes many minutes from here to 10,000. */
const JS_IDLE_MAX = 5000;
const IDLE_AT_ONCE = 32;
const IDLE_TIMEOUT_MS = 15 * 60_000;
const SHAPES = [
  { bytes: 256, window: 1 },
  { bytes: 256, window: 8 },
  { bytes: 65_536, window: 1 },
  { bytes: 65_536, window: 8 },
] as const;
const TARGETS: Readonly<Record<string, number>> = { "js-libp2p": 8, "rust-libp2p": 2, "go-libp2p": 2 };
const NATS = "nats-server";

export const benchmark: Benchmark = {
  name: "forward",
  about: "messages from sender to receiver without storage: rate, latency, the host's CPU for each",
  standard: true,
  versions: () => ({ ...PEER_VERSIONS, [NATS]: NATS_VERSION }),
  async run({ size, everyPeer, progress }) {
    const rows: Row[] = [];
    const notes: string[] = [];
    for (const name of hostsFor({ everyPeer })) {
      const measured = await measureHost(name, size, progress);
      if (measured === null) notes.push(`${name} was left out: its toolchain is missing here`);
      else rows.push(...measured);
    }
    const nats = everyPeer ? await measureNats(size, progress) : [];
    if (nats === null) notes.push(`${NATS} was left out: Go is missing here`);
    else rows.push(...nats);
    if (IDLE[size] > JS_IDLE_MAX) {
      notes.push(
        `js-libp2p stands beside ${JS_IDLE_MAX} idle connections, the others beside ${IDLE[size]}: it takes many minutes to hold more`,
      );
    }
    notes.push(...natsNote(rows));
    return { rows, ratios: ratios(rows, IDLE[size]), plots: plots(rows), notes };
  },
};

interface Loads {
  readonly name: string;
  readonly subject: Subject;
  /** The pairs' load. */
  readonly load: Subject;
  /** Opens what holds idle connections. */
  readonly openIdle: () => Promise<Subject>;
  readonly size: Size;
  readonly progress: (text: string) => void;
}

async function measureHost(
  name: HostName,
  size: Size,
  progress: (text: string) => void,
): Promise<Row[] | null> {
  const host = await openHost(name);
  if (host === null) return null;
  await using subject = host.subject;
  await using load = await openLoad("forward_load.ts", [host.address, String(PAIRS[size])]);
  const openIdle = (): Promise<Subject> => openLoad("connections_load.ts", [host.address]);
  return await measureShapes({ name, subject, load, openIdle, size, progress });
}

/** Null where the server can't be built here. */
async function measureNats(size: Size, progress: (text: string) => void): Promise<Row[] | null> {
  const path = await natsServer();
  if (path === null) return null;
  const dir = mkdtempSync(join(tmpdir(), "dchat-forward-"));
  try {
    await using nats = await openNats({ path, dir });
    const loadOf = (pairs: number): Promise<Subject> =>
      openLoad("nats_forward_load.ts", [String(nats.port), String(pairs)]);
    await using load = await loadOf(PAIRS[size]);
    return await measureShapes({
      name: NATS,
      subject: nats.subject,
      load,
      openIdle: () => loadOf(0),
      size,
      progress,
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measureShapes({ name, subject, load, openIdle, size, progress }: Loads): Promise<Row[]> {
  progress(`forward: ${name}`);
  // The first run warms the code on both sides.
  await tell(load, { ...SHAPES[1], seconds: SECONDS[size] / 2 });
  const rows: Row[] = [];
  for (const shape of SHAPES) rows.push(await measureShape(name, { subject, load, shape, size, idle: 0 }));
  const idle = name === "js-libp2p" ? Math.min(IDLE[size], JS_IDLE_MAX) : IDLE[size];
  if (idle === 0) return rows;
  progress(`forward: ${name} beside ${idle} idle connections`);
  await using holding = await openIdle();
  await tell(holding, { open: idle, at: IDLE_AT_ONCE }, IDLE_TIMEOUT_MS);
  for (const shape of SHAPES) rows.push(await measureShape(name, { subject, load, shape, size, idle }));
  return rows;
}

interface Shape {
  readonly subject: Subject;
  readonly load: Subject;
  readonly shape: (typeof SHAPES)[number];
  readonly size: Size;
  readonly idle: number;
}

async function measureShape(name: string, { subject, load, shape, size, idle }: Shape): Promise<Row> {
  const before = subject.usage();
  const answer = await tell(load, { ...shape, seconds: SECONDS[size] });
  const after = subject.usage();
  const messages = numberOf(answer, "all");
  return {
    subject: name,
    parameters: { ...shape, pairs: PAIRS[size], idle },
    figures: {
      perSecond: round(numberOf(answer, "delivered") / numberOf(answer, "seconds")),
      cpuUs: round(((after.cpuMs - before.cpuMs) * 1000) / messages),
      // What sockets cost everybody, whatever is done with the bytes.
      systemUs: round(((after.systemMs - before.systemMs) * 1000) / messages),
      ...spread(tookMs(answer), "Ms"),
      // nats-server can't be asked to collect.
      rssKib: name === NATS ? after.rssKib : await restedKib(subject),
    },
  };
}

function plots(rows: readonly Row[]): Plot[] {
  const title = (bytes: number) => `The host's CPU for a forwarded message of ${bytes} bytes`;
  const alone: Plot[] = [256, 65_536].map((bytes) => ({
    title: title(bytes),
    bars: ["window"],
    y: "cpuUs",
    where: { bytes, idle: 0 },
  }));
  if (rows.every(({ parameters }) => parameters["idle"] === 0)) return alone;
  return [...alone, { title: title(256), bars: ["idle"], y: "cpuUs", where: { bytes: 256, window: 8 } }];
}

/** What the best costs that knows its subjects and neither encrypts nor carries several streams on a connection. */
function natsNote(rows: readonly Row[]): string[] {
  const found = rows.filter(
    ({ subject, parameters }) => subject === NATS && parameters["window"] === 8 && parameters["idle"] === 0,
  );
  if (found.length === 0) return [];
  const costs = found.map(
    ({ parameters, figures }) => `${figures["cpuUs"]} µs for ${parameters["bytes"]} bytes`,
  );
  return [
    `${NATS} forwards what it gets in the clear, without streams on its connections, and takes ${costs.join(", ")} with 8 under way`,
  ];
}

function ratios(rows: readonly Row[], idle: number): Ratio[] {
  const small = (subject: string, beside: number): Row | undefined =>
    rows.find(
      ({ subject: name, parameters }) =>
        name === subject &&
        parameters["bytes"] === 256 &&
        parameters["window"] === 8 &&
        parameters["idle"] === beside,
    );
  const own = small("dchat", 0)?.figures;
  const found = Object.entries(TARGETS)
    .filter(([peer]) => small(peer, 0) !== undefined)
    .map(([peer, target]) => {
      const value = (small(peer, 0)?.figures["cpuUs"] ?? Number.NaN) / (own?.["cpuUs"] ?? Number.NaN);
      return atLeast(`CPU a forwarded 256 B, ${peer} over dchat`, round(value), target);
    });
  if (idle > 0) {
    const value =
      (small("dchat", idle)?.figures["perSecond"] ?? Number.NaN) / (own?.["perSecond"] ?? Number.NaN);
    found.push(atLeast(`message rate beside ${idle} idle connections over without`, round(value), 0.8));
  }
  return found;
}
