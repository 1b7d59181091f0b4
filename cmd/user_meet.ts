/** `dchat user invite|accept|contacts|conversations`: whom a person writes with. */
import { reachOf } from "@dchat/core/edge/mod.ts";
import { fingerprint, fingerprintGroups } from "@dchat/core/identity/mod.ts";
import { z } from "zod";
import { command, type Context, exit, printable, type Terminal, twoColumns, usage } from "./frame/mod.ts";
import { noteAway, openDevice, userArgs, userShape } from "./user_open.ts";
import { contactJson, contactText, dayAndClock } from "./user_print.ts";

const nameArg = {
  name: {
    type: "string",
    alias: "n",
    valueHint: "NAME",
    description: "What the other side is called here; else a name made from the safety number",
  },
} as const;

export const invite = command({
  about:
    "Makes an invitation: a dchat: URI, good once and for 7 days. Give it to one person over a channel that you both trust; whoever has it first becomes the contact. The next receive joins the conversation. The same name again, while its invitation waits, gives the same one.",
  args: { ...nameArg, qr: { type: "boolean", description: "Show it as a QR code too" }, ...userArgs },
  input: z.strictObject({ name: z.string().optional(), qr: z.boolean(), ...userShape }),
  examples: [
    { line: "dchat user invite --name bob -i keys/ann.json", does: "Prints the URI for Bob." },
    { line: "dchat user invite --qr -i keys/ann.json", does: "Shows it to a camera." },
  ],
  async run({ name = null, qr, json, ...input }, context) {
    if (qr && json) throw usage("--qr is for a camera and --json for a program: leave one out");
    await using user = await openDevice({ ...input, json }, context);
    const { uri, expiresMs, addresses } = await user.client.invite({ name, addresses: user.addresses() });
    noteBurner(user.burner, context);
    noteReach(addresses, context);
    if (json) {
      context.json({ uri, name, expires: new Date(expiresMs).toISOString() });
      return exit.done;
    }
    if (qr) {
      context.print(await qrText(uri, context.out));
    }
    context.print(uri);
    const whom = name === null ? "one person" : printable(name);
    context.note(
      context.err.style.dim(
        `For ${whom}, good once and until ${dayAndClock(expiresMs)}. Then: dchat user receive`,
      ),
    );
    return exit.done;
  },
});

/** An invitation has its relay's addresses: who can't dial one of them can't use it. */
function noteReach(addresses: readonly string[], { err, note }: Context): void {
  const reach = reachOf(addresses);
  if (reach === "anywhere") return;
  const [where, which] =
    reach === "machine" ? ["on this machine", "its own"] : ["within its network", "private"];
  note(
    `${err.style.warn("note")}  this invitation works only ${where}: the relay has no addresses but ${which} ones. For others, give the relay --announce with one that they can dial`,
  );
}

/** Two modules a character; on a terminal with colours dark on light, as cameras expect it. */
async function qrText(text: string, { coloured }: Terminal): Promise<string> {
  const { toString } = await import("qrcode");
  const code = await toString(text, { type: "utf8", errorCorrectionLevel: "L" });
  if (!coloured) return code;
  return code
    .split("\n")
    .map((line) => `\x1b[38;5;16;48;5;231m${line}\x1b[0m`)
    .join("\n");
}

export const accept = command({
  about:
    "Accepts an invitation and opens the conversation with whoever made it. You can write at once; the other side joins with its next receive. Compare the safety number over another channel.",
  args: {
    uri: { type: "positional", valueHint: "URI", description: "The invitation, dchat:…" },
    ...nameArg,
    ...userArgs,
  },
  input: z.strictObject({ uri: z.string(), name: z.string().optional(), ...userShape }),
  examples: [
    { line: "dchat user accept dchat:AWsN… --name ann -i keys/bob.json", does: "Call them ann here." },
  ],
  async run({ uri, name = null, json, ...input }, context) {
    await using user = await openDevice({ ...input, json }, context);
    const contact = await user.client.accept({ uri, name });
    const print = fingerprint(user.crypto, contact.identity);
    noteBurner(user.burner, context);
    if (name !== null && contact.name !== name) noteOldName(contact.name, context);
    if (json) context.json(contactJson(contact, print));
    else
      context.out.write(
        contactText(contact, { fingerprint: fingerprintGroups(print), terminal: context.out }),
      );
    const away = noteAway(user, context);
    if (away) context.note(context.err.style.dim("The rest is done by the next receive or send."));
    return exit.done;
  },
});

function noteOldName(name: string, { err, note }: Context): void {
  note(
    `${err.style.warn("note")}  you accepted this invitation before, and the name stays: ${printable(name)}`,
  );
}

export const contacts = command({
  about:
    "Shows whom you write with, and the safety number of each: both sides see the same, so compare it over another channel.",
  args: userArgs,
  input: z.strictObject(userShape),
  examples: [{ line: "dchat user contacts -i keys/ann.json", does: "Names, safety numbers, fingerprints." }],
  async run(input, context) {
    await using user = await openDevice(input, context);
    const all = await user.client.contacts();
    const cards = all.map((contact) => {
      const print = fingerprint(user.crypto, contact.identity);
      if (input.json) context.json(contactJson(contact, print));
      return contactText(contact, { fingerprint: fingerprintGroups(print), terminal: context.out });
    });
    if (!input.json) context.out.write(cards.join("\n"));
    if (all.length === 0 && context.err.interactive) context.note(nobody(context));
    return exit.done;
  },
});

export const conversations = command({
  about: "Shows the conversations on this device, how much lies in them, and what waits to be sent.",
  args: userArgs,
  input: z.strictObject(userShape),
  examples: [{ line: "dchat user conversations --json -i keys/ann.json", does: "One JSON document a line." }],
  async run(input, context) {
    await using user = await openDevice(input, context);
    const all = await user.client.conversations();
    if (input.json) {
      for (const { kept, messages, unsent } of all) {
        const { generation, size } = kept.position;
        const notes = kept.alarms;
        context.json({
          conversation: kept.name,
          messages,
          unsent,
          generation,
          size,
          relay: kept.place.addresses,
          notes,
        });
      }
      return exit.done;
    }
    const { style, width } = context.out;
    const rows = all.map(({ kept, messages, unsent }) => {
      const waits =
        unsent === 0 ? "" : style.warn(`, ${unsent} ${unsent === 1 ? "waits" : "wait"} to be sent`);
      const relay = style.dim(`  ${printable((kept.place.addresses[0] ?? "").replace(/\/p2p\/.*$/, ""))}`);
      return [
        style.bold(printable(kept.name)),
        `${messages} ${messages === 1 ? "message" : "messages"}${waits}${relay}`,
      ] as const;
    });
    if (rows.length > 0) context.print(twoColumns(rows, { width, indent: 0 }));
    else if (context.err.interactive) context.note(nobody(context));
    return exit.done;
  },
});

function nobody({ err }: Context): string {
  return err.style.dim("Nobody yet. dchat user invite makes an invitation.");
}

function noteBurner(burner: boolean, context: Context): void {
  if (!burner) return;
  const { style } = context.err;
  context.note(
    `${style.warn("unencrypted")}  this device's key is a burner: its database can be read by whoever reads its file`,
  );
}
