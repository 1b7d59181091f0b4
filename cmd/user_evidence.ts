/** `dchat user evidence` and `verify`: what shows to others that a relay broke its word. */
import type { NamedEvidence } from "@dchat/core/client/mod.ts";
import { isFault } from "@dchat/core/ground/mod.ts";
import { fingerprint, fingerprintGroups } from "@dchat/core/identity/mod.ts";
import { peerIdOf } from "@dchat/core/link/mod.ts";
import {
  type Evidence,
  evidenceFlaw,
  parseEvidence,
  subjectOf,
  timesOf,
  type Verifier,
} from "@dchat/core/mailbox/mod.ts";
import { readEvidenceFile, writeEvidenceFile } from "@dchat/core/node/mod.ts";
import { z } from "zod";
import { command, type Context, exit, jsonArg, printable, type Terminal, twoColumns } from "./frame/mod.ts";
import { openKeyCrypto } from "./keygen_file.ts";
import { openDevice, userArgs, userShape } from "./user_open.ts";
import { dayAndClock } from "./user_print.ts";

const REVEALS =
  "Whoever gets it learns the relay, the mailbox's id, numbers, times and hashes, and so that a member of that conversation gave it away; no message, and nobody's name, address or key.";

export const evidence = command({
  about: `Shows where a relay was caught at two things that it signed and that can't both be true: a promise to keep an entry and a log that has another one there, or two different logs. It is kept as it is found, with the conversation's note. --output writes it for others, who verify it with dchat user evidence verify. ${REVEALS} Not all that a relay is caught at can be proven; what can't is told as a note of the contact alone.`,
  args: {
    with: { type: "string", alias: "w", valueHint: "NAME", description: "Of one conversation alone" },
    output: {
      type: "string",
      alias: "o",
      valueHint: "FILE",
      description: "Write it to a new file, a JSON document a line",
    },
    ...userArgs,
  },
  input: z.strictObject({ with: z.string().optional(), output: z.string().optional(), ...userShape }),
  examples: [
    { line: "dchat user evidence -i keys/ann.json", does: "What was found, in words." },
    { line: "dchat user evidence --output evidence.jsonl -i keys/ann.json", does: "Write it for others." },
    {
      line: "dchat user evidence verify evidence.jsonl",
      does: "What they run: no key, relay or database is needed.",
    },
  ],
  async run({ with: name, output, json, ...input }, context) {
    await using user = await openDevice({ ...input, json }, context);
    const all = await user.client.evidence(name);
    if (output !== undefined) return write(all, output, { context, json });
    const cards = all.map((kept) => {
      const found = parseEvidence(kept.document);
      if (json) {
        const { name: conversation, foundMs, document } = kept;
        const at = new Date(foundMs).toISOString();
        const about = aboutJson(user.crypto, found);
        context.json({ conversation, found: at, ...about, evidence: JSON.parse(document) });
      }
      const rows = [["found", dayAndClock(kept.foundMs)], ...aboutRows(user.crypto, found, context.out)];
      return cardText(context.out.style.bold(printable(kept.name)), rows, context.out);
    });
    if (!json) context.out.write(cards.join("\n"));
    if (context.err.interactive) context.note(context.err.style.dim(hint(all.length)));
    return exit.done;
  },
});

function hint(pieces: number): string {
  return pieces === 0
    ? "None: no relay was caught at what could be proven to others."
    : "For others: dchat user evidence --output FILE. They run: dchat user evidence verify FILE";
}

function write(
  all: readonly NamedEvidence[],
  file: string,
  { context, json }: { context: Context; json: boolean },
) {
  if (all.length === 0) {
    context.note(`${context.err.style.warn("nothing")}  there is no evidence to write`);
    return exit.failed;
  }
  writeEvidenceFile(
    file,
    all.map(({ document }) => document),
  );
  if (json) context.json({ file, pieces: all.length });
  else context.print(`Wrote ${all.length} ${all.length === 1 ? "piece" : "pieces"} of evidence to ${file}.`);
  context.note(context.err.style.dim(REVEALS));
  return exit.done;
}

export const verify = command({
  about:
    "Says what a file of evidence proves, and about which relay: that it signed two things which can't both be true. Needs no identity, network or database, and trusts nobody: what it says follows from the relay's signatures alone. Compare the relay's PeerId with the one in its addresses, behind /p2p/. Exits 1 where any of it proves nothing, and says why.",
  args: {
    file: { type: "positional", description: "What dchat user evidence --output wrote" },
    ...jsonArg,
  },
  input: z.strictObject({ file: z.string(), json: z.boolean() }),
  examples: [
    { line: "dchat user evidence verify evidence.jsonl", does: "What it proves, in words." },
    { line: "dchat user evidence verify evidence.jsonl --json", does: "A line for each piece." },
  ],
  async run({ file, json }, context) {
    await using crypto = await openKeyCrypto(context);
    const { style } = context.out;
    let isProven = true;
    const cards = readEvidenceFile(file).map((text, at, { length }) => {
      const verdict = judge(crypto, text);
      const piece = at + 1;
      if ("why" in verdict) {
        isProven = false;
        if (json) context.json({ piece, proven: false, why: verdict.why });
        const which = length === 1 ? file : `${file}, piece ${piece}`;
        return `${style.bad("not proven")}  ${printable(which)}: ${printable(verdict.why)}\n`;
      }
      if (json) context.json({ piece, proven: true, ...aboutJson(crypto, verdict.found) });
      const title = `${style.good("proven")}  this relay signed two things that can't both be true`;
      return cardText(title, aboutRows(crypto, verdict.found, context.out), context.out);
    });
    if (!json) context.out.write(cards.join("\n"));
    return isProven ? exit.done : exit.failed;
  },
});

function judge(crypto: Verifier, text: string): { readonly found: Evidence } | { readonly why: string } {
  try {
    const found = parseEvidence(text);
    const why = evidenceFlaw(crypto, found);
    return why === null ? { found } : { why };
  } catch (error) {
    if (isFault(error, "mailbox/evidence")) return { why: error.message };
    throw error;
  }
}

/** What the relay did, as one sentence. */
function saysOf(found: Evidence): string {
  const { number } = subjectOf(found);
  switch (found.kind) {
    case "promises":
      return `The relay promised to keep two different entries as number ${number}.`;
    case "heads":
      return `The relay signed two different logs of ${count(number)}.`;
    case "broken":
      return `The relay promised to keep an entry as number ${number}, and signed a log of ${count(found.second.head.size)} that has another one there.`;
    default:
      return `The relay signed a log of ${count(number)}, and one of ${count(found.second.head.size)} that doesn't begin with it.`;
  }
}

function count(entries: number): string {
  return entries === 1 ? "1 entry" : `${entries} entries`;
}

function peersOf({ first, second }: Evidence): readonly string[] {
  return [...new Set([first, second].map(({ certificate }) => peerIdOf(certificate.peerId).text))];
}

function aboutJson(crypto: Parameters<typeof fingerprint>[0], found: Evidence): object {
  const { relay, mailbox, generation, number } = subjectOf(found);
  return {
    kind: found.kind,
    says: saysOf(found),
    relay: { fingerprint: fingerprint(crypto, relay), publicKey: relay.toHex(), peerIds: peersOf(found) },
    mailbox: mailbox.toHex(),
    generation,
    number,
    signed: timesOf(found).map((ms) => new Date(ms).toISOString()),
  };
}

function aboutRows(
  crypto: Parameters<typeof fingerprint>[0],
  found: Evidence,
  { style }: Terminal,
): (readonly [string, string])[] {
  const { relay, mailbox, generation } = subjectOf(found);
  const [first, second] = timesOf(found).map(dayAndClock);
  return [
    ["what", saysOf(found)],
    ["signed", first === second ? `${first}` : `${first} and ${second}`],
    ["relay", style.bold(fingerprintGroups(fingerprint(crypto, relay)))],
    ...peersOf(found).map((peer, at) => [at === 0 ? "PeerId" : "", peer] as const),
    ["public key", relay.toHex()],
    ["mailbox", mailbox.toHex()],
    ...(generation === 1 ? [] : [["generation", `${generation}, after a restore or a move`] as const]),
  ];
}

function cardText(title: string, rows: readonly (readonly string[])[], { style, width }: Terminal): string {
  const shown = rows.map(([name = "", value = ""]) => [style.dim(name), value] as const);
  return `${title}\n${twoColumns(shown, { width, indent: 2, left: 10 })}\n`;
}
