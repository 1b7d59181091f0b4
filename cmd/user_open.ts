/** What all `dchat user` commands share: flags, and a device opened for one command. */
import { Untrue } from "@dchat/core/client/mod.ts";
import { openUser, relayAddresses, type User } from "@dchat/core/node/mod.ts";
import { isFault } from "@dchat/core/ground/mod.ts";
import { z } from "zod";
import { type ArgTable, type Context, jsonArg, printable } from "./frame/mod.ts";
import { passphraseArg } from "./passphrase.ts";

export const userArgs = {
  identity: {
    type: "string",
    setting: "user.identity",
    alias: "i",
    valueHint: "FILE",
    description: "The key file of the person who writes",
  },
  bootstrap: {
    type: "string",
    setting: "user.bootstrap",
    multiple: true,
    valueHint: "MULTIADDR",
    description: "The relay to use, with its /p2p/ part; else the one of this machine, by its relay.json",
  },
  relayDir: {
    type: "string",
    valueHint: "DIR",
    description: "Data directory of the relay of this machine",
  },
  dataDir: {
    type: "string",
    setting: "user.data_dir",
    valueHint: "DIR",
    description: "Where this device keeps its database",
  },
  ...passphraseArg,
  ...jsonArg,
} satisfies ArgTable;

export const userShape = {
  relayDir: z.string().optional(),
  passphraseFile: z.string().optional(),
  json: z.boolean(),
};

export interface UserInput {
  readonly relayDir?: string | undefined;
  readonly passphraseFile?: string | undefined;
  readonly json: boolean;
}

/** A device, and whether a relay was away while it was used. */
export interface OpenedUser extends User {
  /** Whys by conversation, the latest each. */
  readonly away: ReadonlyMap<string, string>;
  /** What went wrong by conversation; told already. */
  readonly failed: ReadonlyMap<string, string>;
  /** Names of those who have accepted an invitation meanwhile; told already. */
  readonly joined: ReadonlySet<string>;
  /** Addresses of the relay for new invitations. */
  addresses(): readonly string[];
}

/** Opens the device of `--identity`; alarms go to the person as they come. */
export async function openDevice(
  input: UserInput & { readonly follow?: boolean },
  context: Context,
): Promise<OpenedUser> {
  const { config } = await context.config();
  const { env } = context;
  const { style } = context.err;
  const away = new Map<string, string>();
  const failed = new Map<string, string>();
  const joined = new Set<string>();
  let skewed = false;
  const addresses = () => relayAddresses(config, { env, relayDir: input.relayDir });
  const user = await openUser({
    config,
    env,
    elsewhere: () => ifAny(addresses),
    passphraseFile: input.passphraseFile,
    events: {
      alarm: (conversation, what) =>
        context.note(`${style.warn("note")}  ${printable(conversation)}: ${printable(what)}`),
      offline: (conversation, why) => {
        // Who stays wants to know at once, and once; who goes is told at the end.
        if (input.follow === true && away.get(conversation) !== why)
          context.note(awayText(conversation, why, context));
        away.set(conversation, why);
      },
      joined: (conversation) => {
        joined.add(conversation);
        const compare = "compare the safety number, dchat user contacts shows it";
        context.note(
          `${style.good("joined")}  ${printable(conversation)} accepted your invitation; ${compare}`,
        );
      },
      skewed: (what) => {
        if (skewed) return;
        skewed = true;
        context.note(`${style.warn("clock")}  ${what}`);
      },
      failed: (conversation, error) => {
        const why = error instanceof Error ? error.message : String(error);
        if (failed.get(conversation) === why) return;
        failed.set(conversation, why);
        context.note(`${style.bad("error")}  ${printable(conversation)}: ${printable(why)}`);
        if (error instanceof Untrue && error.evidence !== null)
          context.note(`${style.warn("note")}  this can be proven to others: dchat user evidence`);
      },
    },
  });
  if (user.warning !== null) context.note(`${style.warn("warning")}  ${user.warning}`);
  return {
    ...user,
    away,
    failed,
    joined,
    addresses,
    [Symbol.asyncDispose]: () => user[Symbol.asyncDispose](),
  };
}

/** Most who write with a relay far away run none here. */
function ifAny(addresses: () => readonly string[]): readonly string[] {
  try {
    return addresses();
  } catch (error) {
    if (isFault(error) && error.code === "data/no-relay") return [];
    throw error;
  }
}

/** Says on stderr which conversations couldn't be reached; true where there are any. */
export function noteAway(user: OpenedUser, context: Context): boolean {
  for (const [conversation, why] of user.away) {
    context.note(awayText(conversation, why, context));
  }
  return user.away.size > 0;
}

function awayText(conversation: string, why: string, { err }: Context): string {
  return `${err.style.warn("away")}  ${printable(conversation)}: ${printable(why)}`;
}
