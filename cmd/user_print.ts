/** How messages and contacts look, to people and to scripts. */
import { type Contact, type NamedMessage, OWN_NAME } from "@dchat/core/client/mod.ts";
import { CONTENT_TIME_MS_MAX } from "@dchat/core/conversation/mod.ts";
import { columns, type Context, jsonLine, printable, type Terminal, wrap } from "./frame/mod.ts";

const pad = (value: number) => String(value).padStart(2, "0");

/** A sender's time may be any, also what a former version kept: the last moment of all stands for those beyond it. */
function dateOf(ms: number): Date {
  return new Date(Math.min(ms, CONTENT_TIME_MS_MAX));
}

function clock(ms: number): string {
  const date = dateOf(ms);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

function day(ms: number): string {
  const date = dateOf(ms);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** "2026-11-30 07:15", in local time. */
export function dayAndClock(ms: number): string {
  return `${day(ms)} ${clock(ms)}`;
}

/** One message as a line of JSON. */
export function messageJson(message: NamedMessage): object {
  return {
    conversation: message.name,
    sender: message.mine ? OWN_NAME : message.name,
    sequence: message.seq,
    generation: message.generation,
    time: dateOf(message.timeMs).toISOString(),
    text: message.text,
  };
}

/** "12:00" and two spaces; two more stand behind the name. */
const CLOCK_COLUMNS = 7;
const NAME_GAP = 2;
/** With less beside the names, texts go below them. */
const ROOM_MIN = 24;

/**
 * Messages in order, a heading for each day; names in one column, long lines broken beside it. On a terminal no part
 * of a text begins at the left edge, where it could be taken for another message.
 */
export function messagesText(messages: readonly NamedMessage[], terminal: Terminal, days = true): string {
  const { style, width, interactive } = terminal;
  const name = Math.max(0, ...messages.map((message) => columns(sender(message))));
  const isBeside = !interactive || width - CLOCK_COLUMNS - name - NAME_GAP >= ROOM_MIN;
  const indent = isBeside ? CLOCK_COLUMNS + name + NAME_GAP : CLOCK_COLUMNS;
  const room = interactive ? width - indent : Number.POSITIVE_INFINITY;
  const margin = `\n${" ".repeat(indent)}`;
  let text = "";
  let today = "";
  for (const message of messages) {
    const date = day(message.timeMs);
    if (days && date !== today) text += `${text === "" ? "" : "\n"}${style.dim(date)}\n`;
    today = date;
    const who = sender(message);
    const gap = isBeside ? " ".repeat(name - columns(who) + NAME_GAP) : margin;
    const head = `${style.dim(clock(message.timeMs))}  ${message.mine ? style.dim(who) : style.accent(who)}${gap}`;
    const waits = message.seq === null ? style.warn(" (waits to be sent)") : "";
    text += `${head}${wrap(printable(message.text), room, { hard: true }).join(margin)}${waits}\n`;
  }
  return text;
}

function sender(message: NamedMessage): string {
  return message.mine ? OWN_NAME : printable(message.name);
}

/** Prints what is new: JSON lines, or text as it comes. */
export function showMessages(messages: readonly NamedMessage[], context: Context, json: boolean): void {
  const text = json
    ? messages.map((message) => jsonLine(messageJson(message))).join("")
    : messagesText(messages, context.out, false);
  // They count as shown once this returns.
  context.out.deliver(text);
}

export function contactJson(contact: Contact, fingerprint: string): object {
  return {
    name: contact.name,
    fingerprint,
    safetyNumber: contact.safetyNumber,
    since: new Date(contact.sinceMs).toISOString(),
    notes: contact.alarms,
  };
}

/** A contact as a card: name, the safety number in three rows, what there is to know. */
export function contactText(contact: Contact, options: { fingerprint: string; terminal: Terminal }): string {
  const { style } = options.terminal;
  const groups = contact.safetyNumber.split(" ");
  const rows = [0, 4, 8].map((at) => groups.slice(at, at + 4).join(" "));
  const lines = [
    style.bold(printable(contact.name)),
    ...rows.map((row, at) => `  ${style.dim(at === 0 ? "safety number" : "             ")}  ${row}`),
    `  ${style.dim("fingerprint  ")}  ${options.fingerprint}`,
    `  ${style.dim("since        ")}  ${dayAndClock(contact.sinceMs)}`,
    ...contact.alarms.map((what) => `  ${style.warn("note         ")}  ${printable(what)}`),
  ];
  return `${lines.join("\n")}\n`;
}
