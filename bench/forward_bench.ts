/** Forwarding: messages from a sender's stream to a receiver's through one host, without storage. */
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
import { round, spread } from "./harness/quantile.ts";
import { atLeast, type Benchmark, type Ratio, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const PAIRS: Readonly<Record<Size, number>> = { small: 5, standard: 100, large: 100 };
const SECONDS: Readonly<Record<Size, number>> = { small: 0.5, standard: 3, large: 10 };
const IDLE: Readonly<Record<Size, number>> = { small: 0, standard: 0, large: 10_000 };
const SHAPES = [
  { bytes: 256, window: 1 },
  { bytes: 256, window: 8 },
  { bytes: 65_536, window: 1 },
  { bytes: 65_536, window: 8 },
] as const;
const TARGETS: Readonly<Record<string, number>> = { "js-libp2p": 8, "rust-libp2p": 2, "go-libp2p": 2 };

export const benchmark: Benchmark = {
  name: "forward",
  about: "messages from sender to receiver without storage: rate, latency, the host's CPU for each",
  standard: true,
  versions: () => PEER_VERSIONS,
  async run({ size, everyPeer, progress }) {
    const rows: Row[] = [];
    const notes: string[] = [];
    for (const name of hostsFor({ everyPeer })) {
      progress(`forward: ${name}`);
      const measured = await measureHost(name, size, progress);
      if (measured === null) notes.push(`${name} was left out: its toolchain is missing here`);
      else rows.push(...measured);
    }
    const plots = SHAPES.filter(({ window }) => window === 8).map(({ bytes }) => ({
      title: `The host's CPU for a forwarded message of ${bytes} bytes`,
      bars: ["window", "idle"],
      y: "cpuUs",
      where: { bytes },
    }));
    return { rows, ratios: ratios(rows, IDLE[size]), plots, notes };
  },
};

async function measureHost(
  name: HostName,
  size: Size,
  progress: (text: string) => void,
): Promise<Row[] | null> {
  const host = await openHost(name);
  if (host === null) return null;
  await using subject = host.subject;
  await using load = await openLoad("forward_load.ts", [host.address, String(PAIRS[size])]);
  // The first run warms the code on both sides.
  await tell(load, { ...SHAPES[1], seconds: SECONDS[size] / 2 });
  const rows: Row[] = [];
  for (const shape of SHAPES) rows.push(await measureShape(name, { subject, load, shape, size, idle: 0 }));
  if (IDLE[size] > 0 && name === "dchat") {
    progress(`forward: ${name} beside ${IDLE[size]} idle connections`);
    await using idle = await openLoad("connections_load.ts", [host.address]);
    await tell(idle, { open: IDLE[size], at: 32 });
    rows.push(await measureShape(name, { subject, load, shape: SHAPES[1], size, idle: IDLE[size] }));
  }
  return rows;
}

interface Shape {
  readonly subject: Subject;
  readonly load: Subject;
  readonly shape: (typeof SHAPES)[number];
  readonly size: Size;
  readonly idle: number;
}

async function measureShape(name: HostName, { subject, load, shape, size, idle }: Shape): Promise<Row> {
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
    },
  };
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
