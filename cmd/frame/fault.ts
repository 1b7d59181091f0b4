/** Every fault that can reach a command, its exit code, and what to do about it where the message doesn't say. */
import { fileMend, isFault } from "@dchat/core/ground/mod.ts";
import type { ClientCode } from "@dchat/core/client/mod.ts";
import type { SessionCode } from "@dchat/core/client/session/mod.ts";
import type { ControlCode } from "@dchat/core/control/mod.ts";
import type { ConversationCode } from "@dchat/core/conversation/mod.ts";
import type { EdgeFault } from "@dchat/core/edge/mod.ts";
import type { IdentityCode } from "@dchat/core/identity/mod.ts";
import type { MailboxCode } from "@dchat/core/mailbox/mod.ts";
import type {
  ConfigCode,
  DatabaseCode,
  DataDirCode,
  EvidenceCode,
  SecretCode,
  UserCode,
} from "@dchat/core/node/mod.ts";
import type { StoreCode } from "@dchat/core/store/mod.ts";
import { exit, type ExitCode } from "./exit.ts";
import type { OutputCode } from "./output.ts";
import { printable, type Terminal, wrap } from "./terminal.ts";
import type { UsageCode } from "./usage.ts";

/** The codes of a folder's faults. */
type CodeOf<F> = F extends { readonly code: infer Code extends string } ? Code : never;

/** What may come up from below: a code of these folders without a line in the table doesn't compile. */
type Code =
  | UsageCode
  | OutputCode
  | ConfigCode
  | DataDirCode
  | IdentityCode
  | SecretCode
  | UserCode
  | ControlCode
  | DatabaseCode
  | StoreCode
  | ConversationCode
  | ClientCode
  | EvidenceCode
  | MailboxCode
  | SessionCode
  | CodeOf<EdgeFault>;

interface Meaning {
  readonly exit: ExitCode;
  /** What to do, where the message alone doesn't say. `{command}` stands for the command as it was called. */
  readonly mend?: string;
  /** What the system refuses here is an address, and no advice about files fits. */
  readonly isOfAddress?: true;
}

const checkConfig = "dchat config check tells what is wrong, dchat config show what is in force and whence.";

export const meanings: Record<Code, Meaning> = {
  "cli/usage": { exit: exit.usage, mend: "{command} --help shows what it takes." },
  "cli/output": { exit: exit.failed },
  "config/missing": { exit: exit.usage, mend: "Name a file that can be read by --config or DCHAT_CONFIG." },
  "config/syntax": { exit: exit.usage, mend: checkConfig },
  "config/value": { exit: exit.usage, mend: checkConfig },
  "config/flag": { exit: exit.usage, mend: "{command} --help shows what it takes." },
  "config/unknown": { exit: exit.usage, mend: checkConfig },
  "data/locked": {
    exit: exit.failed,
    mend: "Stop that process, or give this one a directory of its own by --data-dir.",
  },
  "data/unusable": { exit: exit.failed, mend: "Choose a directory that can be written to by --data-dir." },
  "data/no-identity": {
    exit: exit.failed,
    mend: "Put that file there, from a backup or from where that relay ran before, mode 600.",
  },
  "data/other-relay": {
    exit: exit.failed,
    mend: "Put the first one's identity.json, node.json and head.json there, from a backup or from where it ran before. To run the second one, give it an empty database or move relay.sqlite out of the directory; dchat database restore FILE fills it from a backup of its own.",
  },
  "data/emptied": {
    exit: exit.failed,
    mend: "Fill it from a backup by dchat database restore FILE, or move it away to begin without mailboxes.",
  },
  "data/no-relay": {
    exit: exit.failed,
    mend: "Start one by dchat relay, or say where it is by --bootstrap MULTIADDR or --relay-dir DIR.",
  },
  "identity/not-keystore": {
    exit: exit.failed,
    mend: "dchat keygen makes one, dchat keygen import takes a PEM.",
  },
  "identity/truncated": { exit: exit.failed, mend: "Take the file from a backup." },
  "identity/version": { exit: exit.failed },
  "identity/damaged": { exit: exit.failed, mend: "Take the file from a backup." },
  "identity/passphrase": { exit: exit.failed },
  "identity/needs-passphrase": { exit: exit.usage },
  "identity/type": { exit: exit.failed, mend: "dchat keygen inspect FILE shows what a key is for." },
  "identity/pem": { exit: exit.failed },
  "identity/certificate": { exit: exit.failed },
  "secret/missing": { exit: exit.failed, mend: "dchat keygen --output FILE makes a key." },
  "secret/exposed": { exit: exit.failed },
  "secret/exists": { exit: exit.failed },
  "secret/unwritable": { exit: exit.failed },
  "secret/no-passphrase": { exit: exit.usage },
  "secret/passphrase-file": { exit: exit.usage },
  "secret/cancelled": { exit: exit.failed },
  "user/no-identity": { exit: exit.usage, mend: "dchat keygen --output FILE makes one." },
  "user/other-identity": { exit: exit.usage },
  "conversation/too-large": { exit: exit.usage, mend: "Send it in parts." },
  "conversation/malformed": { exit: exit.failed },
  "conversation/member": { exit: exit.failed },
  "conversation/package": { exit: exit.failed },
  "conversation/welcome": { exit: exit.failed },
  "conversation/invite": { exit: exit.usage },
  "client/unknown": { exit: exit.usage },
  "client/name": { exit: exit.usage },
  "client/invite": { exit: exit.failed },
  "client/untrue": {
    exit: exit.failed,
    mend: "Nothing of it was believed. Ask who runs that relay; dchat user evidence has what of it can be shown to others.",
  },
  "client/damaged": { exit: exit.failed },
  "client/keys": { exit: exit.failed },
  "client/refused": { exit: exit.failed },
  "client/astray": { exit: exit.failed, mend: "dchat user invite begins another conversation." },
  "client/ended": { exit: exit.failed, mend: "dchat user invite begins another conversation." },
  "client/away": { exit: exit.failed },
  "database/foreign": { exit: exit.failed },
  "database/damaged": {
    exit: exit.failed,
    mend: "dchat database check names all that is damaged in a database.",
  },
  "database/in-use": { exit: exit.failed },
  "database/exists": { exit: exit.failed },
  "database/clock": { exit: exit.failed },
  "database/file": { exit: exit.failed },
  "evidence/unreadable": { exit: exit.failed },
  "evidence/exists": { exit: exit.failed },
  "evidence/unwritable": { exit: exit.failed },
  "mailbox/evidence": { exit: exit.failed },
  "edge/bind": {
    exit: exit.failed,
    mend: "Choose another address, or stop what holds this one.",
    isOfAddress: true,
  },
  "edge/tls": {
    exit: exit.failed,
    mend: "Set relay.tls_certificate and relay.tls_key to a certificate and its key, both in PEM.",
  },
  "edge/dial": { exit: exit.failed, isOfAddress: true },
  "edge/handshake": { exit: exit.failed },
  "edge/closed": { exit: exit.failed },
  "edge/limit": { exit: exit.failed },
  "edge/protocol": { exit: exit.failed },
  "edge/access": { exit: exit.usage },
  "control/bind": {
    exit: exit.failed,
    mend: "Choose another address, or stop what holds this one.",
    isOfAddress: true,
  },
  "store/unavailable": { exit: exit.failed },
  "store/unknown": {
    exit: exit.failed,
    mend: "Ask again: what was kept is answered alike, what was not is kept then.",
  },
  "store/corrupt": {
    exit: exit.failed,
    mend: "dchat database check names what is damaged, where it can be opened at all. dchat database restore FILE fills an empty store from a backup.",
  },
  "store/older": { exit: exit.failed, mend: "dchat database migrate brings it up." },
  "store/newer": { exit: exit.failed, mend: "Use the dchat that wrote it, or a newer one." },
  "store/key": {
    exit: exit.failed,
    mend: "dchat keygen rewrap changes key file and database together where --data-dir says where the database is. Where it didn't find it, give the key file back what the database has, and then change both.",
  },
  "store/emptied": {
    exit: exit.failed,
    mend: "Put the file back from a copy. Without one, move it and the files beside it out of the way: a new device begins then, which has no conversations, and people must invite one another anew.",
  },
  "store/filled": {
    exit: exit.failed,
    mend: "Name an empty one by --data-dir or --url, or move what is there out of the way first.",
  },
  "store/busy": { exit: exit.failed, mend: "Stop the process that holds it." },
  "session/closed": { exit: exit.failed, mend: "Try again in a moment." },
  "session/other": {
    exit: exit.failed,
    mend: "If yours has moved, --bootstrap says where it is; if it was set up anew without its identity, start another conversation.",
  },
  "session/untrue": { exit: exit.failed, mend: "Do not trust this relay with new conversations." },
  "session/timeout": { exit: exit.failed, mend: "Try again in a moment." },
  "session/clock": { exit: exit.failed },
  "session/unsupported": { exit: exit.failed, mend: "Use a newer dchat, or another relay." },
} satisfies Record<Code, Meaning>;

function meaningOf(error: unknown): Meaning | undefined {
  if (!isFault(error)) return undefined;
  return Object.entries(meanings).find(([code]) => code === error.code)?.[1];
}

/** The exit code of what was thrown; 1 for what nobody foresaw. */
export function exitOf(error: unknown): ExitCode {
  return meaningOf(error)?.exit ?? exit.failed;
}

export interface BlockOptions {
  readonly terminal: Terminal;
  /** `["dchat", "keygen"]`. */
  readonly path: readonly string[];
  /** Shows stack and causes. */
  readonly debug: boolean;
}

/** One block: what went wrong and where, then how to mend it. Stacks only with `--log-level debug`. */
export function faultBlock(error: unknown, { terminal, path, debug }: BlockOptions): string {
  const { style } = terminal;
  // In a log or a pipe nothing is broken over lines, so that it can be searched for.
  const width = terminal.interactive ? terminal.width : Number.POSITIVE_INFINITY;
  const message = printable(error instanceof Error ? error.message : String(error));
  const [first = "", ...more] = message.split("\n");
  const meaning = meaningOf(error);
  const ofFile = meaning?.isOfAddress ? null : fileMend(error);
  const mend = ofFile ?? meaning?.mend?.replaceAll("{command}", path.join(" ")) ?? null;
  const lines = [`${style.bad("error")}  ${indented(first, width).join("\n")}`];
  for (const line of more) lines.push(`       ${indented(line, width).join("\n")}`);
  if (mend !== null) lines.push(`       ${style.dim(indented(mend, width).join("\n"))}`);
  if (!isFault(error) && mend === null && !debug) {
    lines.push(`       ${style.dim("This was not foreseen. --log-level debug shows where it came from.")}`);
  }
  return `${lines.join("\n")}\n${debug ? stacks(error) : ""}`;
}

function indented(text: string, width: number): string[] {
  return wrap(text, width - 7).map((line, at) => (at === 0 ? line : `       ${line}`));
}

function stacks(error: unknown): string {
  let text = "";
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    text += `${depth === 0 ? "" : "caused by "}${printable(at.stack ?? at.message)}\n`;
  }
  return text;
}
