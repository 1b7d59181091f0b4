/** Durations as people write them. */
const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const durationText = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** Milliseconds of `"30s"`, or undefined where it isn't a duration. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit] = durationText.exec(text) ?? [];
  const factor = Object.entries(units).find(([name]) => name === unit)?.[1];
  if (number === undefined || factor === undefined) return undefined;
  const ms = Number(number) * factor;
  return Number.isSafeInteger(ms) ? ms : undefined;
}
