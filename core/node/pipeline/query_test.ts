import { expect, test } from "bun:test";
import { hash } from "../../ground/mod.ts";
import type { MailboxRow, MailboxStore, StoredEntry } from "../../mailbox/mod.ts";
import type { Command, CommandBody, Reply } from "../../wire/mod.ts";
import { answer, type QueryContext } from "./query.ts";
import type { Voice } from "./voice.ts";

const KEYS = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte));

/** What a question is answered, of a mailbox whose store may hold more than `size` by now. */
async function ask(body: Record<string, unknown>, { size = 0, stored = 0 } = {}) {
  const entries: number[] = [];
  const replies: Reply[] = [];
  const stream = {
    reply: (_: number, reply: Reply) => replies.push(reply),
    entry: (_: number, entry: StoredEntry) => entries.push(entry.seq),
    refuse: () => expect.unreachable(),
  };
  const store = {
    read: async () => Array.from({ length: stored }, (_, seq) => ({ seq })),
    receipts: async (_: unknown, readers: readonly Uint8Array[]) => readers.map((reader) => ({ reader })),
  };
  const row = { id: new Uint8Array(32), size, readers: KEYS.map((key) => ({ key })) };
  const context = { store, voice: { head: ({ size }: MailboxRow) => ({ size }) }, digest: null };
  await answer(
    {
      stream,
      request: 1,
      command: { body: body as CommandBody } as Command,
      row: row as unknown as MailboxRow,
    },
    context as unknown as QueryContext & { store: MailboxStore; voice: Voice },
  );
  return { entries, reply: replies[0] as unknown as Record<string, unknown> };
}

test("a read ends where the mailbox did in its place of the batch, whatever was committed since", async () => {
  const { entries, reply } = await ask({ op: "read", from: 0, bytesMax: 1000 }, { size: 3, stored: 5 });
  expect(entries).toEqual([0, 1, 2]);
  expect(reply).toEqual({ is: "done", next: 3, head: { size: 3 } });
});

test("a page of receipts begins with the key that it goes on from", async () => {
  const { reply } = await ask({ op: "receipts", from: hash(new Uint8Array(32).fill(2)) });
  expect(reply).toEqual({
    is: "receipts",
    receipts: KEYS.slice(1).map((reader) => ({ reader })),
    next: null,
  });
});
