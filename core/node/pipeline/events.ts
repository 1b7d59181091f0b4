import type { Op, Refusal, Reply } from "../../wire/mod.ts";

/** What the pipeline tells telemetry; cheap enough to be called for each command. */
export interface PipelineEvents {
  /** A command came whole; `bytes` is its frame. */
  received(op: Op, bytes: number): void;
  /** It was answered `ms` after it came. */
  answered(op: Op, ms: number): void;
  refused(code: Refusal["code"]): void;
  /** A limit turned a command away; its name is in ground/limit.ts, with CONNECTION or MAILBOX before it. */
  limited(limit: string): void;
  /** A frame went out. */
  sent(reply: Reply["is"], bytes: number): void;
  /** A batch is on disk, `ms` after its first command came; `kept` entries are new in it. */
  committed(batch: { commands: number; kept: number; ms: number }): void;
  error(error: unknown): void;
  /** The store refused a batch or a probe, or nobody knows whether it kept one: from here on the relay isn't ready. */
  storeFailed(error: unknown): void;
  /** The store writes again. */
  storeWorks(): void;
}
