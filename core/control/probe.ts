/** What probes are told. One place for the quick way and for the routes that the document describes. */
import type { ControlPorts, NotReady } from "./port.ts";

/** A probe that a proxy answers from memory says nothing. */
export const PROBE_HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;

/** The process answers; nothing more is said by it. */
export function healthAnswer(): { readonly status: "ok" } {
  return { status: "ok" };
}

export interface ReadyAnswer {
  readonly status: 200 | 503;
  readonly body: { readonly ready: boolean; readonly reasons: NotReady[] };
}

/** 503 with reasons until there are none. */
export function readyAnswer(ports: Pick<ControlPorts, "notReady">): ReadyAnswer {
  const reasons = [...ports.notReady()];
  const ready = reasons.length === 0;
  return { status: ready ? 200 : 503, body: { ready, reasons } };
}
