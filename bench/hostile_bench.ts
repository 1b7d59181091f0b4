/** Hostile peers beside honest ones: what the honest notice of them, and what stays in memory when they have gone. */
import { collect } from "./harness/peer.ts";
import { numberOf, openHost, openLoad, tell, tookMs } from "./harness/edge_subject.ts";
import { round, spread } from "./harness/quantile.ts";
import { atMost, type Benchmark, type Row, type Size } from "./harness/result.ts";

const HONEST: Readonly<Record<Size, number>> = { small: 50, standard: 1000, large: 1000 };
const HOSTILE: Readonly<Record<Size, number>> = { small: 60, standard: 2000, large: 5000 };
const SECONDS: Readonly<Record<Size, number>> = { small: 1, standard: 10, large: 30 };
const CHURN: Readonly<Record<Size, number>> = { small: 50, standard: 5000, large: 50_000 };
const CHURN_ROUNDS = 3;

export const benchmark: Benchmark = {
  name: "hostile",
  about: "honest devices beside hostile ones: latency, losses, and memory after churn",
  standard: false,
  versions: () => ({}),
  async run({ size, progress }) {
    const host = await openHost("dchat");
    if (host === null) throw new Error("dchat's own edge did not start");
    await using subject = host.subject;
    await using honest = await openLoad("honest_load.ts", [host.address, String(HONEST[size])]);
    const rows: Row[] = [];
    const measure = async (name: string, hostile: number): Promise<Row> => {
      progress(`hostile: ${name}`);
      const before = subject.usage();
      const answer = await tell(honest, { seconds: SECONDS[size] });
      const used = subject.usage().cpuMs - before.cpuMs;
      const row: Row = {
        subject: "dchat",
        parameters: { hostile, honest: HONEST[size] },
        figures: {
          ...spread(tookMs(answer), "Ms"),
          unanswered: numberOf(answer, "sent") - numberOf(answer, "answered"),
          lost: numberOf(answer, "lost"),
          corePercent: round(used / (SECONDS[size] * 10)),
          rssKib: subject.usage().rssKib,
        },
      };
      rows.push(row);
      return row;
    };
    await measure("warming", 0);
    rows.length = 0;
    const alone = await measure("honest devices alone", 0);
    const beside = await besideHostile(host.address, HOSTILE[size], measure);
    const churn = await churned(size, { subject, address: host.address, progress });
    rows.push(...churn);
    const first = churn[0]?.figures["rssKib"] ?? Number.NaN;
    return {
      rows,
      ratios: [
        atMost("p99 beside hostile peers over p99 without", round(p99(beside) / p99(alone)), 2),
        atMost(
          "honest connections and answers lost",
          (beside.figures["lost"] ?? 0) + (beside.figures["unanswered"] ?? 0),
          0,
        ),
        atMost(
          "memory after the last churn over after the first",
          round((churn.at(-1)?.figures["rssKib"] ?? Number.NaN) / first),
          1.1,
        ),
      ],
      notes: [
        "Hostile and honest peers share the machine with the host: its own slowness is part of the figures.",
      ],
    };
  },
};

function p99(row: Row): number {
  return row.figures["p99Ms"] ?? Number.NaN;
}

async function besideHostile(
  address: string,
  count: number,
  measure: (name: string, hostile: number) => Promise<Row>,
): Promise<Row> {
  await using hostile = await openLoad("hostile_load.ts", [address, String(count)]);
  const row = await measure(`beside ${count} hostile peers`, count);
  hostile.say("tries");
  await hostile.next();
  return row;
}

interface Churn {
  readonly subject: Parameters<typeof collect>[0];
  readonly address: string;
  readonly progress: (text: string) => void;
}

/** Connections that come and go in rounds; memory after each. */
async function churned(size: Size, { subject, address, progress }: Churn): Promise<Row[]> {
  await using load = await openLoad("connections_load.ts", [address]);
  const rows: Row[] = [];
  for (let number = 1; number <= CHURN_ROUNDS; number++) {
    progress(`hostile: churn ${number} of ${CHURN_ROUNDS}`);
    await tell(load, { churn: CHURN[size], at: 32 });
    await collect(subject);
    await Bun.sleep(500);
    await collect(subject);
    rows.push({
      subject: "dchat",
      parameters: { churned: number * CHURN[size] },
      figures: { rssKib: subject.usage().rssKib },
    });
  }
  return rows;
}
