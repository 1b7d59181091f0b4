/** Orders and reports between a relay and an edge process, in JSON: they are too seldom for its cost to count. */
import type { Access, EdgeLimits, TlsFiles } from "../port.ts";
import { decodeText, encodeText } from "./frame.ts";

/** How to listen. The Noise payload certifies the key that the process made, and is as public as the rest but for TLS. */
export interface Start {
  /** Hex: the node's Ed25519 public key, and signPayload()'s result. */
  readonly publicKey: string;
  readonly payload: string;
  /** With ports resolved. */
  readonly addresses: readonly string[];
  readonly announce: readonly string[] | null;
  readonly protocolNames: readonly string[];
  readonly limits: EdgeLimits;
  readonly access: Access;
  readonly tls: TlsFiles | null;
  readonly agent: string | null;
}

/** What was counted since the last time. */
export interface Tally {
  readonly received: number;
  readonly sent: number;
  /** By the reason: how many ended before they were secured. */
  readonly failed: Readonly<Record<string, number>>;
  /** By the limit's name: how often somebody was turned away, and one of their addresses. */
  readonly limited: Readonly<Record<string, { readonly times: number; readonly address: string }>>;
}

/** What a process has used of the machine since it started, and holds now. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** What the relay has an edge process do. */
export type Order =
  | { readonly is: "start"; readonly start: Start }
  | { readonly is: "limits"; readonly limits: EdgeLimits }
  | { readonly is: "access"; readonly access: Access }
  | { readonly is: "tls"; readonly tls: TlsFiles }
  /** Take no new connections. */
  | { readonly is: "stopAccepting" }
  /** Say that you run, and what you use. */
  | { readonly is: "answer" }
  /** End within `ms`. */
  | { readonly is: "drain"; readonly ms: number };

/** What an edge process tells of itself. */
export type Report =
  /** Its Noise static key, hex, to be certified: the first that it says. */
  | { readonly is: "key"; readonly staticKey: string }
  | { readonly is: "listening" }
  /** It can't listen, and ends. */
  | { readonly is: "failed"; readonly reason: string }
  | { readonly is: "tally"; readonly tally: Tally }
  | { readonly is: "running"; readonly usage: Usage; readonly listens: boolean }
  | { readonly is: "error"; readonly reason: string };

export function encodeJson(value: Order | Report): Uint8Array {
  return encodeText(JSON.stringify(value));
}

/** What the relay, which is this program in this version, made by encodeJson(). Throws SyntaxError. */
export function decodeOrder(payload: Uint8Array): Order {
  const order: Order = JSON.parse(decodeText(payload));
  return order;
}

/** What an edge process, which is this program in this version, made by encodeJson(). Throws SyntaxError. */
export function decodeReport(payload: Uint8Array): Report {
  const report: Report = JSON.parse(decodeText(payload));
  return report;
}
