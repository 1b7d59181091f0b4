/** Quantiles of samples, and the three that every latency is given with. */

/** The value below which the share `q` of `samples` lies; `samples` is sorted in place. */
export function quantile(samples: Float64Array, q: number): number {
  if (samples.length === 0) return Number.NaN;
  samples.sort();
  const at = Math.min(samples.length - 1, Math.max(0, Math.ceil(q * samples.length) - 1));
  return samples[at] ?? Number.NaN;
}

/** p50, p99 and p99.9 of `samples`, with the unit as a suffix: `spread(s, "Ms")` gives p50Ms, p99Ms, p999Ms. */
export function spread(samples: Float64Array, unit: string): Readonly<Record<string, number>> {
  return {
    [`p50${unit}`]: round(quantile(samples, 0.5)),
    [`p99${unit}`]: round(quantile(samples, 0.99)),
    [`p999${unit}`]: round(quantile(samples, 0.999)),
  };
}

/** Three significant digits: more would claim more than was measured. */
export function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : value;
}
