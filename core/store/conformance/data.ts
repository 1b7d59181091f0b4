/** Commands for the conformance suite, as the pipeline hands them on: checked, and authentic unless said otherwise. */
import {
  type EntryId,
  entryId,
  hash,
  type MailboxId,
  mailboxId,
  type PublicKey,
  publicKey,
  signature,
} from "../../ground/mod.ts";
import type { CheckedCommand, CommandBody, EntryKind, Policy, TurnChange } from "../../wire/mod.ts";
import { digest } from "../digest.ts";

export const NOW_MS = 1_800_000_000_000;
export const TTL_MS_MAX = 90 * 24 * 60 * 60 * 1000;
export const OPTIONS = { nowMs: NOW_MS, ttlMsMax: TTL_MS_MAX };

export function random(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

export function key(): PublicKey {
  return publicKey(random(32));
}

const POLICY: Policy = {
  entriesMax: 10_000,
  bytesMax: 64 * 1024 * 1024,
  ttlMs: 24 * 60 * 60 * 1000,
  retentionMs: 0,
};

/** A mailbox's keys, and commands signed by them in name. */
export class Owner {
  readonly mailbox: MailboxId;
  readonly owner = key();
  readonly writer: PublicKey;
  readonly readers: readonly PublicKey[];
  readonly policy: Policy;
  generation = 1;

  constructor(options: { policy?: Partial<Policy>; readers?: number } = {}) {
    this.mailbox = mailboxId(random(32));
    this.writer = key();
    this.policy = { ...POLICY, ...options.policy };
    this.readers = Array.from({ length: options.readers ?? 1 }, key);
  }

  command(by: PublicKey, body: CommandBody, nowMs: number = NOW_MS): CheckedCommand {
    return {
      authority: {
        mailbox: this.mailbox,
        generation: this.generation,
        notAfterMs: nowMs + 60_000,
        key: by,
        signature: signature(new Uint8Array(64).fill(7)),
      },
      body,
      statement: new Uint8Array(160),
      authentic: true,
      entryHash: body.op === "append" ? hash(digest.sha256(body.entry)) : null,
    };
  }

  create(nowMs: number = NOW_MS): CheckedCommand {
    const record = { owner: this.owner, relay: key(), policy: this.policy, nonce: random(16) };
    return this.command(
      this.owner,
      { op: "create", record, writer: this.writer, readers: this.readers },
      nowMs,
    );
  }

  append(options: Partial<AppendOptions> = {}): CheckedCommand {
    const { turn = 0, kind = "plain", slot = 0, change = null, nowMs = NOW_MS } = options;
    const entry = options.entry ?? random(1024);
    const id = options.id ?? entryId(random(16));
    const by = options.by ?? (kind === "plain" || kind === "control" ? this.writer : this.owner);
    return this.command(by, { op: "append", id, turn, kind, slot, change, entry }, nowMs);
  }

  acknowledge(reader: PublicKey, cursor: number, nowMs: number = NOW_MS): CheckedCommand {
    return this.command(reader, { op: "acknowledge", cursor }, nowMs);
  }
}

export interface AppendOptions {
  readonly turn: number;
  readonly kind: EntryKind;
  readonly slot: number;
  readonly change: TurnChange | null;
  readonly entry: Uint8Array;
  readonly id: EntryId;
  readonly by: PublicKey;
  readonly nowMs: number;
}

/** A value without the class of its bytes: PostgreSQL's driver gives Buffers. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}
