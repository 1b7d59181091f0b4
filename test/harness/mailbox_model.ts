/**
 * The rules of a mailbox once more, written apart from core/mailbox and as plainly as they can be: one command
 * at a time, text for keys, an array for the log, no batches, no trees. The property test holds the two equal.
 */
import { limit, unreachable } from "../../core/ground/mod.ts";
import type { CheckedCommand, EntryKind, Policy } from "../../core/wire/mod.ts";

interface ModelEntry {
  readonly id: string;
  readonly turn: number;
  readonly kind: EntryKind;
  readonly slot: number;
  readonly hash: string;
  readonly bytes: number;
  readonly timeMs: number;
  readonly expiryMs: number;
  takenBy: string | null;
  held: boolean;
}

export interface ModelBox {
  owner: string;
  generation: number;
  policy: Policy;
  version: number;
  deleted: boolean;
  /** Writer key and first sequence number of each turn. */
  readonly turns: { writer: string; first: number }[];
  readers: Map<string, { cursor: number; lapsed: boolean }>;
  readonly log: ModelEntry[];
  floor: number;
}

type Body<Op extends string> = Extract<CheckedCommand["body"], { op: Op }>;

export class MailboxModel {
  readonly boxes = new Map<string, ModelBox>();
  readonly ttlMsMax: number;

  constructor(ttlMsMax: number) {
    this.ttlMsMax = ttlMsMax;
  }

  /** What the command is answered, as text. */
  step(command: CheckedCommand, nowMs: number): string {
    const { body, authority } = command;
    const key = authority.key.toHex();
    const id = authority.mailbox.toHex();
    const box = this.boxes.get(id);
    const inTime =
      authority.notAfterMs >= nowMs &&
      authority.notAfterMs - nowMs <= limit.COMMAND_LIFETIME_MS_MAX + limit.CLOCK_SKEW_MS_MAX;
    if (!command.authentic) return "denied";
    if (body.op === "create") {
      if (body.record.owner.toHex() !== key || (box !== undefined && box.owner !== key)) return "denied";
      return inTime ? this.#create(id, authority.generation, body) : "expired";
    }
    if (box === undefined || !this.#allowed(box, key, body)) return "denied";
    if (!inTime) return "expired";
    if (box.deleted) return "deleted";
    if (box.generation !== authority.generation) return `generation ${box.generation}`;
    switch (body.op) {
      case "append":
        return this.#append(box, body, { nowMs, hash: command.entryHash?.toHex() ?? "" });
      case "acknowledge":
        return this.#acknowledge(box, key, body.cursor);
      case "take":
        return this.#take(box, body.take.toHex(), nowMs);
      case "reset":
        return this.#reset(box, body);
      case "delete":
        box.deleted = true;
        return "deleted";
      case "read":
      case "subscribe": {
        if (body.from > box.log.length) return `range ${box.log.length}`;
        const lapsed = box.readers.get(key)?.lapsed === true && body.from < box.floor;
        return lapsed ? `lapsed ${box.floor}` : `allowed ${box.log.length}`;
      }
      case "describe":
      case "receipts":
        return `allowed ${box.log.length}`;
      case "proveInclusion":
        return body.seq < body.size && body.size <= box.log.length
          ? `allowed ${box.log.length}`
          : `range ${box.log.length}`;
      case "proveConsistency":
        return body.from <= body.to && body.to <= box.log.length
          ? `allowed ${box.log.length}`
          : `range ${box.log.length}`;
      default:
        return unreachable(body);
    }
  }

  #allowed(box: ModelBox, key: string, body: CheckedCommand["body"]): boolean {
    if (box.deleted) return body.op === "delete" && key === box.owner;
    const isOwner = key === box.owner;
    const isWriter = key === box.turns.at(-1)?.writer;
    const isReader = box.readers.has(key);
    switch (body.op) {
      case "append":
        if (body.kind === "plain" || body.kind === "control") {
          return isWriter || key === box.turns[body.turn]?.writer;
        }
        return isOwner;
      case "read":
      case "subscribe":
      case "receipts":
      case "acknowledge":
        return isReader;
      case "take":
        return isWriter;
      case "describe":
      case "proveInclusion":
      case "proveConsistency":
        return isOwner || isWriter || isReader;
      default:
        return isOwner;
    }
  }

  #policy(policy: Policy): boolean {
    return (
      policy.entriesMax >= 1 &&
      policy.entriesMax <= 1_000_000 &&
      policy.bytesMax >= 65_536 &&
      policy.bytesMax <= 2 ** 30 &&
      policy.ttlMs >= 60_000 &&
      policy.ttlMs <= this.ttlMsMax &&
      policy.retentionMs <= policy.ttlMs
    );
  }

  #create(id: string, generation: number, body: Body<"create">): string {
    const there = this.boxes.get(id);
    if (there?.deleted === true) return "gone";
    if (there !== undefined) return `created ${there.generation} ${there.log.length}`;
    if (!this.#policy(body.record.policy)) return "limit";
    this.boxes.set(id, {
      owner: body.record.owner.toHex(),
      generation,
      policy: body.record.policy,
      version: 1,
      deleted: false,
      turns: [{ writer: body.writer.toHex(), first: 0 }],
      readers: new Map(body.readers.map((key) => [key.toHex(), { cursor: 0, lapsed: false }])),
      log: [],
      floor: 0,
    });
    return `created ${generation} 0`;
  }

  #append(box: ModelBox, body: Body<"append">, { nowMs, hash }: { nowMs: number; hash: string }): string {
    const seq = box.log.findIndex((entry) => entry.id === body.id.toHex());
    const old = box.log[seq];
    if (old !== undefined) {
      const same =
        old.turn === body.turn && old.kind === body.kind && old.slot === body.slot && old.hash === hash;
      return same ? `appended ${seq} again` : "reused";
    }
    const turn = box.turns.length - 1;
    if (body.turn !== turn) {
      const next = box.turns[body.turn + 1];
      const end = next === undefined ? box.log.length : next.first;
      return `turn ${turn} ${Math.max(0, end - 1)}`;
    }
    const held = box.log.filter((entry) => entry.held);
    const bytes = held.reduce((sum, entry) => sum + entry.bytes, 0);
    if (held.length >= box.policy.entriesMax || bytes + body.entry.length > box.policy.bytesMax)
      return "full";
    const isPackage = (kind: EntryKind) => kind === "package" || kind === "lastResort";
    const waiting = held.filter(
      (entry) => isPackage(entry.kind) && entry.takenBy === null && entry.expiryMs > nowMs,
    );
    if (isPackage(body.kind) && waiting.length >= 256) return "limit";
    box.log.push({
      id: body.id.toHex(),
      turn,
      kind: body.kind,
      slot: body.slot,
      hash,
      bytes: body.entry.length,
      timeMs: nowMs,
      expiryMs: nowMs + (body.kind === "control" ? this.ttlMsMax : box.policy.ttlMs),
      takenBy: null,
      held: true,
    });
    const size = box.log.length;
    if (body.change !== null) {
      for (const key of body.change.removed) box.readers.delete(key.toHex());
      for (const key of body.change.added) {
        if (!box.readers.has(key.toHex())) box.readers.set(key.toHex(), { cursor: size, lapsed: false });
      }
      box.turns.push({ writer: body.change.writer.toHex(), first: size });
      box.version += 1;
    }
    this.#lapse(box, held.length + 1, bytes + body.entry.length);
    return `appended ${size - 1} new`;
  }

  #lapse(box: ModelBox, held: number, bytes: number): void {
    if (held < box.policy.entriesMax * 0.75 && bytes < box.policy.bytesMax * 0.75) return;
    const all = [...box.readers.values()];
    const ahead = Math.max(...all.map((reader) => reader.cursor));
    for (const reader of all.toSorted((a, b) => a.cursor - b.cursor)) {
      const lapsed = all.filter((one) => one.lapsed).length;
      if ((lapsed + 1) * 2 >= all.length) break;
      if (reader.cursor !== ahead && box.log.length - reader.cursor > held / 2) reader.lapsed = true;
    }
  }

  #acknowledge(box: ModelBox, key: string, cursor: number): string {
    if (cursor > box.log.length) return `range ${box.log.length}`;
    const reader = box.readers.get(key);
    if (reader === undefined) return "denied";
    reader.cursor = Math.max(reader.cursor, cursor);
    reader.lapsed = false;
    return `acknowledged ${reader.cursor}`;
  }

  #take(box: ModelBox, take: string, nowMs: number): string {
    const live = box.log.map((entry, seq) => ({ entry, seq })).filter(({ entry }) => entry.expiryMs > nowMs);
    const mine = box.log.some((entry) => entry.takenBy === take);
    const given: number[] = [];
    for (const slot of new Set(live.map(({ entry }) => entry.slot))) {
      const here = live.filter(({ entry }) => entry.slot === slot);
      const wanted = mine ? take : null;
      const next = here.find(({ entry }) => entry.kind === "package" && entry.takenBy === wanted);
      const last = here.findLast(({ entry }) => entry.kind === "lastResort");
      if (next !== undefined) next.entry.takenBy = take;
      const one = next ?? last;
      if (one !== undefined) given.push(one.seq);
    }
    return given.length === 0 ? "empty" : `taken ${given.sort((a, b) => a - b).join(",")}`;
  }

  #reset(box: ModelBox, body: Body<"reset">): string {
    if (body.version !== box.version) return `version ${box.version}`;
    if (!this.#policy(body.policy)) return "limit";
    const before = box.readers;
    box.owner = body.owner.toHex();
    box.policy = body.policy;
    box.version += 1;
    box.turns.push({ writer: body.writer.toHex(), first: box.log.length });
    box.readers = new Map(
      body.readers.map((key) => [
        key.toHex(),
        before.get(key.toHex()) ?? { cursor: box.log.length, lapsed: false },
      ]),
    );
    return `reset ${box.version} ${box.turns.length - 1} ${box.log.length}`;
  }

  /** Lets bodies go as a sweep does. */
  sweep(nowMs: number): void {
    for (const box of this.boxes.values()) {
      const all = [...box.readers.values()].toSorted((a, b) => b.cursor - a.cursor);
      let lapsed = all.filter((reader) => reader.lapsed).length;
      const counting = all.filter((reader) => {
        if (!reader.lapsed) return true;
        if (lapsed * 2 < all.length) return false;
        lapsed -= 1;
        return true;
      });
      for (const [seq, entry] of box.log.entries()) {
        const read = counting.length > 0 && counting.every((reader) => reader.cursor > seq);
        const over = entry.kind === "plain" && read && entry.timeMs + box.policy.retentionMs <= nowMs;
        if (over || entry.expiryMs <= nowMs) entry.held = false;
      }
      const first = box.log.findIndex((entry) => entry.held);
      if (!box.deleted) box.floor = first === -1 ? box.log.length : first;
    }
  }
}
