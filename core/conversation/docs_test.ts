/** docs/protocol/conversation.md and invite.md say what the code does. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { INVITE_LIFE_MS, INVITE_SECRET_BYTES } from "./mod.ts";
import { DEVICES_MAX } from "./commit.ts";
import { MAILBOX_EXTENSION, READER_KEY_EXTENSION, SUITE } from "./mls.ts";
import { SEALED_MESSAGE_BYTES_MAX } from "./seal.ts";

const docs = join(import.meta.dir, "../../docs/protocol");
const conversation = await Bun.file(join(docs, "conversation.md")).text();
const invite = await Bun.file(join(docs, "invite.md")).text();
const epoch = await Bun.file(join(import.meta.dir, "epoch.ts")).text();
const inviteCode = await Bun.file(join(import.meta.dir, "invite.ts")).text();
const seal = await Bun.file(join(import.meta.dir, "seal.ts")).text();
const renewal = await Bun.file(join(import.meta.dir, "../client/renewal.ts")).text();

test("the pages name the numbers that the code has", () => {
  expect(conversation).toContain(SUITE);
  expect(conversation).toContain(`0x${READER_KEY_EXTENSION.toString(16)}`);
  expect(invite).toContain(`0x${MAILBOX_EXTENSION.toString(16)}`);
  expect(conversation).toContain(`${SEALED_MESSAGE_BYTES_MAX.toLocaleString("en")} bytes`);
  expect(invite).toContain(`${INVITE_LIFE_MS / 86_400_000} days`);
  expect(invite).toContain(`| secret | ${INVITE_SECRET_BYTES} |`);
  const [, messages, entries, days] = /MESSAGES: (\d+), ENTRIES: (\d+), DAYS: (\d+)/.exec(renewal) ?? [];
  expect(conversation).toContain(`at most ${DEVICES_MAX} after it`);
  expect(conversation).toContain(
    `After ${messages} messages of its own since then, after ${entries} entries in the log or ${days} days`,
  );
});

test("the pages name the labels that the code has", () => {
  const labels = (code: string) =>
    [...code.matchAll(/"(dchat (?:outer|writer|inbox|bundle|entry)[^"]*)"/g)].map((match) => match[1]);
  for (const label of labels(epoch + seal)) expect(conversation).toContain(`\`${label}\``);
  for (const label of labels(inviteCode)) expect(invite).toContain(`\`${label}\``);
  expect(labels(epoch + seal + inviteCode).length).toBe(6);
});
