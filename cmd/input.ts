/** Schemas for what flags hold. Their messages stand after the flag's name. */
import { parseDuration } from "@dchat/core/node/mod.ts";
import { z } from "zod";

/** `30s`, `500ms`, `2m`: read as milliseconds. */
export function durationInput(range: { readonly min: string; readonly max: string }) {
  const least = parseDuration(range.min) ?? 0;
  const most = parseDuration(range.max) ?? 0;
  return z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= least && ms <= most) return ms;
    context.addIssue(`must be a duration from ${range.min} to ${range.max}, like "30s"`);
    return z.NEVER;
  });
}
