/** Handshakes: TCP, multistream-select, Noise XX and yamux, until a stream could be opened. */
import { hostsFor, openHost, openLoad, PEER_VERSIONS, tell, tookMs } from "./harness/edge_subject.ts";
import { restedKib } from "./harness/peer.ts";
import { round, spread } from "./harness/quantile.ts";
import { atLeast, type Benchmark, type Ratio, type Row, type Size } from "./harness/result.ts";

const COUNT: Readonly<Record<Size, number>> = { small: 50, standard: 2000, large: 10_000 };
const AT_ONCE = [1, 32] as const;
/** DESIGN's bar: how many times the CPU of ours each peer's handshake costs, 32 at once. */
const TARGETS: Readonly<Record<string, number>> = { "js-libp2p": 3.5, "rust-libp2p": 1.5, "go-libp2p": 2 };

export const benchmark: Benchmark = {
  name: "handshakes",
  about: "handshakes a second and the host's CPU for each, one after another and 32 at once",
  standard: true,
  versions: () => PEER_VERSIONS,
  async run({ size, everyPeer, progress }) {
    const rows: Row[] = [];
    const notes: string[] = [];
    for (const name of hostsFor({ everyPeer })) {
      progress(`handshakes: ${name}`);
      const host = await openHost(name);
      if (host === null) {
        notes.push(`${name} was left out: its toolchain is missing here`);
        continue;
      }
      await using subject = host.subject;
      await using load = await openLoad("connections_load.ts", [host.address]);
      // Warm code is what a relay runs.
      await tell(load, { churn: Math.min(COUNT[size], 500), at: 32 });
      for (const at of AT_ONCE) {
        const before = subject.usage();
        const answer = await tell(load, { churn: COUNT[size], at });
        const cpuMs = subject.usage().cpuMs - before.cpuMs;
        const figures = {
          perSecond: round((COUNT[size] * 1000) / Number(answer["ms"])),
          cpuMs: round(cpuMs / COUNT[size]),
          ...spread(tookMs(answer), "Ms"),
          rssKib: await restedKib(subject),
        };
        rows.push({ subject: name, parameters: { atOnce: at, count: COUNT[size] }, figures });
      }
    }
    const plots = [{ title: "The host's CPU for a handshake", bars: ["atOnce"], y: "cpuMs" }];
    return { rows, ratios: ratios(rows), plots, notes };
  },
};

function ratios(rows: readonly Row[]): Ratio[] {
  const cpu = (subject: string): number =>
    rows.find((row) => row.subject === subject && row.parameters["atOnce"] === 32)?.figures["cpuMs"] ??
    Number.NaN;
  return Object.entries(TARGETS)
    .filter(([peer]) => rows.some((row) => row.subject === peer))
    .map(([peer, target]) =>
      atLeast(`CPU a handshake, ${peer} over dchat`, round(cpu(peer) / cpu("dchat")), target),
    );
}
