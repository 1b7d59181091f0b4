/** What a store loads before it asks for a decision. */
import type { EntryId, MailboxId, PublicKey } from "../ground/mod.ts";
import { type CheckedCommand, sameId } from "../wire/mod.ts";
import { isPackage } from "./packages.ts";
import type { MailboxRow } from "./port.ts";

/** A mailbox that a batch names, and by whom. */
export interface Asked {
  readonly id: MailboxId;
  /** The turn is the one that an append names, else null. */
  readonly askers: readonly { readonly key: PublicKey; readonly turn: number | null }[];
  /** Somebody would make it. */
  readonly isMade: boolean;
}

/** The rows that a batch's decision looks at, packages aside; each stands once. */
export interface LoadKeys {
  /** With their readers, but where `isAsked` says no. */
  readonly mailboxes: readonly Asked[];
  readonly entries: readonly { readonly mailbox: MailboxId; readonly id: EntryId }[];
  readonly turns: readonly { readonly mailbox: MailboxId; readonly turn: number }[];
}

/** Of one mailbox: packages not yet taken, last resorts, and what was taken under one of `takes`; oldest first. */
export interface PackageKeys {
  readonly mailbox: MailboxId;
  /** Each stands once. */
  readonly takes: readonly EntryId[];
}

/**
 * Lists what `decideBatch` needs for these commands. Those whose signature doesn't hold need nothing: they are
 * denied whatever there is.
 */
export function loadKeys(commands: readonly CheckedCommand[]): LoadKeys {
  const mailboxes = new Map<
    string,
    Asked & { readonly askers: Asked["askers"][number][]; isMade: boolean }
  >();
  const entries = new Map<string, { mailbox: MailboxId; id: EntryId }>();
  const turns = new Map<string, { mailbox: MailboxId; turn: number }>();
  for (const { authentic, authority, body } of commands) {
    if (!authentic) continue;
    const { mailbox } = authority;
    const hex = mailbox.toHex();
    let asked = mailboxes.get(hex);
    if (asked === undefined) mailboxes.set(hex, (asked = { id: mailbox, askers: [], isMade: false }));
    asked.askers.push({ key: authority.key, turn: body.op === "append" ? body.turn : null });
    asked.isMade ||= body.op === "create";
    if (body.op === "append") {
      entries.set(hex + body.id.toHex(), { mailbox, id: body.id });
      turns.set(`${hex}:${body.turn}`, { mailbox, turn: body.turn });
      turns.set(`${hex}:${body.turn + 1}`, { mailbox, turn: body.turn + 1 });
    }
  }
  return {
    mailboxes: [...mailboxes.values()],
    entries: [...entries.values()],
    turns: [...turns.values()],
  };
}

/** What a store knows of a mailbox without its readers' rows, and what it can look up at little cost. */
export interface AskedOf {
  readonly owner: PublicKey;
  readonly writer: PublicKey;
  isReader(key: PublicKey): boolean;
  /** Whose key counted in a turn; null where there was none such. */
  writerOf(turn: number): PublicKey | null;
}

/**
 * Whether one of those who ask for a mailbox may ask anything of it. Where none may, it counts as one that isn't there,
 * which is how they are answered: else they would learn by the time that its readers take to load that it is.
 */
export function isAsked({ askers, isMade }: Asked, of: AskedOf): boolean {
  if (isMade) return true;
  return askers.some(({ key, turn }) => {
    if (sameId(key, of.owner) || sameId(key, of.writer) || of.isReader(key)) return true;
    const writer = turn === null ? null : of.writerOf(turn);
    return writer !== null && sameId(key, writer);
  });
}

/** Who may put packages into a mailbox and take them by what a batch has said so far, and what it takes. */
interface Takers {
  readonly mailbox: MailboxId;
  readonly owners: Set<string>;
  readonly writers: Set<string>;
  readonly takes: Map<string, EntryId>;
  /** Somebody who may put or take does. */
  wanted: boolean;
}

/**
 * Lists the packages that `decideBatch` needs besides, by the rows that `loadKeys` named. Only for those who may they
 * are looked up: else a stranger would learn by the time of the answer how many wait.
 */
export function packageKeys(
  commands: readonly CheckedCommand[],
  mailboxes: ReadonlyMap<string, MailboxRow>,
): readonly PackageKeys[] {
  const takers = new Map<string, Takers>();
  for (const { authority, body } of commands) {
    if (body.op !== "take" && !(body.op === "append" && isPackage(body.kind))) continue;
    const hex = authority.mailbox.toHex();
    const row = mailboxes.get(hex);
    if (row === undefined || row.deleted || takers.has(hex)) continue;
    takers.set(hex, {
      mailbox: row.id,
      owners: new Set([row.owner.toHex()]),
      writers: new Set([row.writer.toHex()]),
      takes: new Map(),
      wanted: false,
    });
  }
  if (takers.size === 0) return [];
  for (const command of commands) {
    const those = takers.get(command.authority.mailbox.toHex());
    if (those !== undefined) follow(command, those);
  }
  return [...takers.values()]
    .filter(({ wanted }) => wanted)
    .map(({ mailbox, takes }) => ({ mailbox, takes: [...takes.values()] }));
}

/** Keys that one of a batch's commands brings count for those behind it, where its signer may bring them. */
function follow({ authentic, authority, body }: CheckedCommand, takers: Takers): void {
  if (!authentic) return;
  const { owners, writers, takes } = takers;
  const key = authority.key.toHex();
  if (body.op === "take" && writers.has(key)) {
    takes.set(body.take.toHex(), body.take);
    takers.wanted = true;
  }
  if (body.op === "append" && isPackage(body.kind) && owners.has(key)) takers.wanted = true;
  if (body.op === "append" && body.change !== null && writers.has(key)) {
    writers.add(body.change.writer.toHex());
  }
  if (body.op === "reset" && owners.has(key)) {
    owners.add(body.owner.toHex());
    writers.add(body.writer.toHex());
  }
}
