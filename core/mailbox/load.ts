/** What a store loads before it asks for a decision. */
import type { EntryId, MailboxId } from "../ground/mod.ts";
import type { CheckedCommand } from "../wire/mod.ts";

/** The rows that a batch's decision looks at; each stands once. */
export interface LoadKeys {
  /** With their readers. */
  readonly mailboxes: readonly MailboxId[];
  readonly entries: readonly { readonly mailbox: MailboxId; readonly id: EntryId }[];
  readonly turns: readonly { readonly mailbox: MailboxId; readonly turn: number }[];
  /** Packages not yet taken, last resorts, and what was taken under one of `takes`; oldest first. */
  readonly packages: readonly { readonly mailbox: MailboxId; readonly takes: readonly EntryId[] }[];
}

/**
 * Lists what `decideBatch` needs for these commands. Those whose signature doesn't hold need nothing: they are
 * denied whatever there is.
 */
export function loadKeys(commands: readonly CheckedCommand[]): LoadKeys {
  const mailboxes = new Map<string, MailboxId>();
  const entries = new Map<string, { mailbox: MailboxId; id: EntryId }>();
  const turns = new Map<string, { mailbox: MailboxId; turn: number }>();
  const packages = new Map<string, { mailbox: MailboxId; takes: EntryId[] }>();
  for (const { authentic, authority, body } of commands) {
    if (!authentic) continue;
    const { mailbox } = authority;
    const hex = mailbox.toHex();
    mailboxes.set(hex, mailbox);
    if (body.op === "append") {
      entries.set(hex + body.id.toHex(), { mailbox, id: body.id });
      turns.set(`${hex}:${body.turn}`, { mailbox, turn: body.turn });
      turns.set(`${hex}:${body.turn + 1}`, { mailbox, turn: body.turn + 1 });
    }
    if (body.op === "take") {
      const wanted = packages.get(hex) ?? { mailbox, takes: [] };
      wanted.takes.push(body.take);
      packages.set(hex, wanted);
    }
  }
  return {
    mailboxes: [...mailboxes.values()],
    entries: [...entries.values()],
    turns: [...turns.values()],
    packages: [...packages.values()],
  };
}
