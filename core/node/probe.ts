/** Asks a relay how it is, as an orchestrator would. */
import { z } from "zod";

export interface Probe {
  readonly url: string;
  /** The process answers. */
  readonly healthy: boolean;
  /** It takes devices and can keep what they send. */
  readonly ready: boolean;
  /** Why it isn't ready, in the API's words; or, where it didn't answer as a relay does, what happened. */
  readonly reasons: readonly string[];
}

export interface ProbeOptions {
  readonly url: string;
  /** For both questions together. */
  readonly timeoutMs: number;
}

const healthSchema = z.object({ status: z.literal("ok") });
const readySchema = z.object({ ready: z.boolean(), reasons: z.array(z.string()) });

/** Asks /health and /ready of the relay's API at `url`; never throws for what the other side does. */
export async function probeRelay({ url, timeoutMs }: ProbeOptions): Promise<Probe> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const [health, ready] = await Promise.all([
      ask(url, "health", signal).then((answer) => healthSchema.safeParse(answer)),
      ask(url, "ready", signal).then((answer) => readySchema.safeParse(answer)),
    ]);
    if (!health.success || !ready.success) {
      return { url, healthy: false, ready: false, reasons: ["it answers, but not as a relay"] };
    }
    return { url, healthy: true, ready: ready.data.ready, reasons: ready.data.reasons };
  } catch (error) {
    return { url, healthy: false, ready: false, reasons: [whyNot(error, timeoutMs)] };
  }
}

async function ask(base: string, path: string, signal: AbortSignal): Promise<unknown> {
  const root = base.endsWith("/") ? base : `${base}/`;
  const response = await fetch(new URL(path, root), { signal, redirect: "error" });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function whyNot(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs / 1000} s`;
  const code = "code" in error ? error.code : undefined;
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "nothing listens there";
  return error.message;
}
