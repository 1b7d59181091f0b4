/**
 * Hostile peers beside honest ones: what the honest notice of peers who attack without pause, of a few who send as much
 * as they can, and of zombies, who shake hands and are never heard of again. What churn leaves in memory is growth_bench.ts.
 */
import { numberOf, openEdgeHost, openLoad, tell, tookMs } from "./harness/edge_subject.ts";
import { round, spread } from "./harness/quantile.ts";
import { atMost, type Benchmark, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const HONEST: Readonly<Record<Size, number>> = { small: 50, standard: 1000, large: 1000 };
const HOSTILE: Readonly<Record<Size, number>> = { small: 60, standard: 2000, large: 5000 };
const SECONDS: Readonly<Record<Size, number>> = { small: 1, standard: 10, large: 30 };
/** As in production where the run is long enough for it; an answer may take half as long again. */
const KEEPALIVE_MS: Readonly<Record<Size, number>> = { small: 1000, standard: 10_000, large: 60_000 };
const LOOK_MS = 250;
/** Connections that flood: what takes turns among the few of them is what one of them waits for. */
const FLOODING = 4;

export const benchmark: Benchmark = {
  name: "hostile",
  about:
    "honest devices beside hostile ones, a flood and zombies: latency, losses, how soon zombies are gone",
  standard: false,
  versions: () => ({}),
  async run({ size, progress }) {
    const host = await openEdgeHost([String(KEEPALIVE_MS[size])]);
    await using subject = host.subject;
    await using honest = await openLoad("honest_load.ts", [host.address, String(HONEST[size])]);
    const scene: Scene = { size, progress, subject, honest, address: host.address };
    await measureHonest(scene, "warming");
    const alone = await measureHonest(scene, "alone");
    const elsewhere = await besideOneAttacked(scene);
    const beside = await besideHostile(scene, "beside hostile");
    const flooded = await besideFlood(scene);
    const haunted = await besideZombies(scene);
    const rows = [alone, elsewhere, beside, flooded, haunted];
    const sum = (name: string) => rows.reduce((total, { figures }) => total + (figures[name] ?? 0), 0);
    return {
      rows,
      ratios: [
        atMost("p99 beside hostile peers over p99 without", round(p99(beside) / p99(alone)), 2),
        atMost(
          "p99 beside hostile peers over p99 while these attack another relay here",
          round(p99(beside) / p99(elsewhere)),
          2,
        ),
        atMost("p99 beside zombies over p99 without", round(p99(haunted) / p99(alone)), 2),
        atMost("honest connections and answers lost", sum("lost") + sum("unanswered"), 0),
        atMost(
          "seconds that the last zombie outlived keepalive and its timeout",
          round((haunted.figures["goneSeconds"] ?? Number.NaN) - (KEEPALIVE_MS[size] * 1.5) / 1000),
          2,
        ),
      ],
      plots: [{ title: "What honest devices notice", bars: ["beside"], y: "p99Ms" }],
      notes: [
        "All share one machine. Hostile peers and zombies get what processor the others leave, since elsewhere they would have their own; what the kernel does for them still holds up everybody, which the row of another relay that they attack shows",
      ],
    };
  },
};

interface Scene {
  readonly size: Size;
  readonly progress: (text: string) => void;
  readonly subject: Subject;
  readonly honest: Subject;
  readonly address: string;
}

function p99(row: Row): number {
  return row.figures["p99Ms"] ?? Number.NaN;
}

/** What honest devices notice for a while, beside `count` others. */
async function measureHonest(
  { size, progress, subject, honest }: Scene,
  beside: string,
  count = 0,
): Promise<Row> {
  progress(`hostile: honest devices ${beside}`);
  const before = subject.usage();
  const answer = await tell(honest, { seconds: SECONDS[size] });
  const used = subject.usage().cpuMs - before.cpuMs;
  return {
    subject: "dchat",
    parameters: { honest: HONEST[size], beside, others: count },
    figures: {
      ...spread(tookMs(answer), "Ms"),
      unanswered: numberOf(answer, "sent") - numberOf(answer, "answered"),
      lost: numberOf(answer, "lost"),
      corePercent: round(used / (SECONDS[size] * 10)),
      rssKib: subject.usage().rssKib,
    },
  };
}

/** What this machine does to the honest while the same hostile peers are busy with another relay on it. */
async function besideOneAttacked(scene: Scene): Promise<Row> {
  const other = await openEdgeHost([String(KEEPALIVE_MS[scene.size])]);
  await using _ = other.subject;
  return await besideHostile(scene, "beside another relay under attack", other.address);
}

async function besideHostile(scene: Scene, beside: string, address = scene.address): Promise<Row> {
  const count = HOSTILE[scene.size];
  await using hostile = await openLoad("hostile_load.ts", [address, String(count)], { background: true });
  const row = await measureHonest(scene, beside, count);
  hostile.say("tries");
  const tries = numberOf(await hostile.next(), "tries");
  return { ...row, figures: { ...row.figures, tries } };
}

async function besideFlood(scene: Scene): Promise<Row> {
  await settled(scene);
  const load = [scene.address, String(FLOODING), "flood"];
  await using hostile = await openLoad("hostile_load.ts", load, { background: true });
  const row = await measureHonest(scene, "beside a flood", FLOODING);
  hostile.say("sentMib");
  const sentMib = round(numberOf(await hostile.next(), "sentMib"));
  return { ...row, figures: { ...row.figures, sentMib } };
}

async function besideZombies(scene: Scene): Promise<Row> {
  const count = HOSTILE[scene.size];
  const hostile = ["hostile_load.ts", scene.address, String(count), "zombies"] as const;
  await settled(scene);
  await using _ = await openLoad(hostile[0], hostile.slice(1), { background: true, readyMs: 300_000 });
  const cameMs = performance.now();
  const came = await connectionsOf(scene.subject);
  const row = await measureHonest(scene, "beside zombies", count);
  await settled(scene);
  return {
    ...row,
    figures: { ...row.figures, came, goneSeconds: round((performance.now() - cameMs) / 1000) },
  };
}

/** Waits until nobody but the honest is there. */
async function settled({ size, subject, progress }: Scene): Promise<void> {
  const byMs = performance.now() + 4 * KEEPALIVE_MS[size] + 10_000;
  for (let open = Infinity; open > HONEST[size];) {
    if (performance.now() > byMs)
      throw new Error(`${open} connections are left of ${HONEST[size]} honest ones`);
    await Bun.sleep(LOOK_MS);
    open = await connectionsOf(subject);
    progress(`hostile: ${open} connections, ${HONEST[size]} of them honest`);
  }
}

async function connectionsOf(subject: Subject): Promise<number> {
  subject.say("connections");
  return numberOf(await subject.next(), "connections");
}
