/** One operation timed by mitata, as a row. */
import { measure } from "mitata";
import { round } from "../harness/quantile.ts";
import type { Row, Size } from "../harness/result.ts";

/** How long each subject of an operation runs in a round, at least, and how many calls a sample of a short one holds. */
const CPU_MS: Readonly<Record<Size, number>> = { small: 1, standard: 10, large: 60 };
const BATCH: Readonly<Record<Size, number>> = { small: 16, standard: 256, large: 2_048 };
const ROUNDS: Readonly<Record<Size, number>> = { small: 1, standard: 5, large: 7 };
/** A subject that has had so long gets no further round: what takes long is hardly moved by a moment's noise. */
const ENOUGH_MS: Readonly<Record<Size, number>> = { small: 100, standard: 2_500, large: 20_000 };

export interface Timed {
  readonly operation: string;
  /** Bytes or items that one call handles. */
  readonly size: number;
  /** Each does the same work; what returns a promise is timed until it is kept. */
  readonly subjects: Readonly<Record<string, () => unknown>>;
  /** How many times as many rounds it takes, where a difference of a few hundredths counts. */
  readonly rounds?: number;
  /** Figures more, of the p50 in us: what a plot shows, by a name of their own. */
  readonly also?: (p50Us: number) => Readonly<Record<string, number>>;
}

/** Runs `work` for a while, so that the engine has compiled it (WASM in its second tier too) before it is timed. */
async function warm(work: () => unknown, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    const done = work();
    if (done instanceof Promise) await done;
  }
}

/**
 * Times every subject of an operation: p50 in us and the spread around it. Subjects take turns, and each is given
 * by its quietest round, so that what else this machine does falls on none of them more than on another.
 */
export async function time(timed: Timed, size: Size): Promise<Row[]> {
  const quietest = new Map<string, Awaited<ReturnType<typeof measure>>>();
  const spentMs = new Map<string, number>();
  for (const work of Object.values(timed.subjects)) await warm(work, CPU_MS[size]);
  for (let round = 0; round < ROUNDS[size] * (timed.rounds ?? 1); round++) {
    for (const [subject, work] of Object.entries(timed.subjects)) {
      const spent = spentMs.get(subject) ?? 0;
      if (spent > ENOUGH_MS[size]) continue;
      const beganMs = performance.now();
      const took = await measure(work, {
        min_cpu_time: CPU_MS[size] * 1e6,
        batch_samples: BATCH[size],
        inner_gc: false,
      });
      spentMs.set(subject, spent + performance.now() - beganMs);
      const best = quietest.get(subject);
      if (best === undefined || took.p50 < best.p50) quietest.set(subject, took);
    }
  }
  const us = (ns: number): number => round(ns / 1_000);
  return [...quietest].map(([subject, took]) => ({
    subject,
    parameters: { operation: timed.operation, size: timed.size },
    figures: {
      p50Us: us(took.p50),
      p25Us: us(took.p25),
      p75Us: us(took.p75),
      p99Us: us(took.p99),
      ...timed.also?.(took.p50 / 1_000),
    },
  }));
}

/** The p50 of `subject` in an operation, in us; NaN where it took no part. */
export function p50(rows: readonly Row[], subject: string, operation: string, size?: number): number {
  const row = rows.find(
    (one) =>
      one.subject === subject &&
      one.parameters["operation"] === operation &&
      (size === undefined || one.parameters["size"] === size),
  );
  return row?.figures["p50Us"] ?? Number.NaN;
}
