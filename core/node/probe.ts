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
    const [health, ready] = await Promise.all([ask(url, "health", signal), ask(url, "ready", signal)]);
    const [isHealthy, isReady] = [healthSchema.safeParse(health.body), readySchema.safeParse(ready.body)];
    if (!isHealthy.success) return strange(url, health);
    if (!isReady.success) return strange(url, ready);
    return { url, healthy: true, ready: isReady.data.ready, reasons: isReady.data.reasons };
  } catch (error) {
    return { url, healthy: false, ready: false, reasons: [whyNot(error, timeoutMs)] };
  }
}

interface Answer {
  readonly url: string;
  /** As HTTP has it. */
  readonly status: number;
  /** What it says as JSON; null where it isn't. */
  readonly body: unknown;
}

/** Something answers: often a proxy, which does so for a relay that is out of reach. */
function strange(url: string, answer: Answer): Probe {
  const reason = `it answers, but not as a relay: ${answer.url} came back with ${answer.status} and something else than a relay says`;
  return { url, healthy: false, ready: false, reasons: [reason] };
}

async function ask(base: string, path: string, signal: AbortSignal): Promise<Answer> {
  const root = base.endsWith("/") ? base : `${base}/`;
  const url = new URL(path, root).href;
  const response = await fetch(url, { signal, redirect: "error" });
  const text = await response.text();
  const answer = { url, status: response.status };
  try {
    return { ...answer, body: JSON.parse(text) };
  } catch {
    return { ...answer, body: null };
  }
}

function whyNot(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs / 1000} s`;
  const code = "code" in error ? error.code : undefined;
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "nothing listens there";
  return error.message;
}
