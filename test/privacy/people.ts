/** Three people who write to one another by the command line, and everything that they know and a relay must not. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Crypto } from "@dchat/crypto-wasm";
import { decodeGroup, type Keeper, parseInvite } from "../../core/conversation/mod.ts";
import { fingerprint, safetyNumber } from "../../core/identity/mod.ts";
import { openDeviceStore } from "../../core/store/client/mod.ts";
import { publicKey } from "../../core/ground/mod.ts";
import { runDchat } from "../harness/dchat.ts";
import type { Needle } from "./scan.ts";

/** Long and odd, so that none of them stands anywhere by chance. */
export const NAMES = [
  "wilhelmina-of-marchbank",
  "zacharias-petterssonson",
  "ottoline-fairweatherly",
] as const;

export interface Person {
  readonly name: string;
  readonly dataDir: string;
  run(...args: readonly string[]): Promise<string>;
}

export interface People extends Disposable {
  readonly people: readonly Person[];
  readonly dir: string;
  /** Texts that were sent, with who sent them to whom. */
  readonly texts: readonly { readonly from: string; readonly to: string; readonly text: string }[];
  readonly uris: readonly string[];
}

async function person(dir: string, name: string): Promise<Person> {
  const identity = join(dir, `${name}.json`);
  const dataDir = join(dir, name);
  const made = await runDchat(["keygen", "--output", identity, "--burner"]);
  if (made.code !== 0) throw new Error(made.err);
  return {
    name,
    dataDir,
    async run(...args) {
      const command = ["user", ...args, "--identity", identity, "--data-dir", dataDir];
      const { code, out, err } = await runDchat(command, { env: { XDG_STATE_HOME: dir } });
      if (code !== 0) throw new Error(`${name}: ${args[0]}: ${err}`);
      return out;
    },
  };
}

/** Everyone meets everyone, and all of them write: `rounds` texts each way in each conversation. */
export async function journey(address: string, rounds: number): Promise<People> {
  const dir = mkdtempSync(join(tmpdir(), "dchat-privacy-"));
  const people = await Promise.all(NAMES.map((name) => person(dir, name)));
  const uris: string[] = [];
  const texts: { from: string; to: string; text: string }[] = [];
  const pairs = people.flatMap((a, at) => people.slice(at + 1).map((b) => [a, b] as const));
  for (const [a, b] of pairs) {
    const uri = (await a.run("invite", "--name", b.name, "--bootstrap", address)).trim();
    uris.push(uri);
    await b.run("accept", uri, "--name", a.name);
    await a.run("receive");
  }
  // Conversations side by side, as people have them; within one, in turns.
  const talk = pairs.map(async ([a, b]) => {
    for (let round = 0; round < rounds; round += 1) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const text = `${from.name} tells ${to.name} secret number ${round}: ${crypto.randomUUID()}`;
        await from.run("send", "--to", to.name, text);
        texts.push({ from: from.name, to: to.name, text });
      }
    }
  });
  await Promise.all(talk);
  for (const one of people) await one.run("receive");
  return { people, dir, texts, uris, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

const text = (name: string, value: string): Needle => ({ name, bytes: new TextEncoder().encode(value) });

/** What a device knows: keys, certificates, groups, names. Also which entries it wrote, by hex id. */
export async function knownTo(
  crypto: Crypto,
  { name, dataDir }: Person,
): Promise<{ needles: Needle[]; wrote: Set<string> }> {
  await using store = await openDeviceStore({ path: join(dataDir, "device.db"), crypto, passphrase: null });
  return store.transact((keeper) => {
    const identity = publicKey(keeper.value("identity") ?? new Uint8Array());
    const needles: Needle[] = [
      { name: `identity of ${name}`, bytes: identity },
      text(`fingerprint of ${name}`, fingerprint(crypto, identity)),
      ...deviceNeedles(crypto, keeper, name),
    ];
    const wrote = new Set<string>();
    for (const conversation of keeper.conversations()) {
      const what = `${name} with ${conversation.name}`;
      const number = safetyNumber(crypto, identity, conversation.peer);
      needles.push(
        text(`safety number of ${what}`, number),
        text(`safety number of ${what}`, number.replaceAll(" ", "")),
      );
      needles.push({ name: `owner seed of ${what}`, bytes: conversation.ownerSeed });
      needles.push({ name: `reader seed of ${what}`, bytes: conversation.readerSeed });
      needles.push(...groupNeedles(keeper, { id: conversation.id, what, turn: conversation.position.turn }));
      for (const message of keeper.messages(conversation.id)) if (message.mine) wrote.add(message.id.toHex());
    }
    return { needles, wrote };
  });
}

function deviceNeedles(crypto: Crypto, keeper: Keeper, name: string): Needle[] {
  const seed = keeper.value("device");
  const certificate = keeper.value("certificate");
  if (seed === null || certificate === null) throw new Error("a device has a key and a certificate");
  using device = crypto.ed25519.fromSeed(seed);
  return [
    { name: `device key of ${name}`, bytes: device.publicKey.slice() },
    { name: `device seed of ${name}`, bytes: seed },
    { name: `certificate of ${name}`, bytes: certificate },
  ];
}

function groupNeedles(
  keeper: Keeper,
  { id, what, turn }: { id: number; what: string; turn: number },
): Needle[] {
  const kept = keeper.group(id);
  if (kept === null) throw new Error(`${what} has no group`);
  const group = decodeGroup(kept.snapshot, kept.ratchets);
  const { groupContext, keySchedule } = group;
  const writer = keeper.writerSeed(id, turn);
  return [
    { name: `group id of ${what}`, bytes: groupContext.groupId },
    { name: `tree hash of ${what}`, bytes: groupContext.treeHash },
    { name: `exporter secret of ${what}`, bytes: keySchedule.exporterSecret },
    { name: `epoch authenticator of ${what}`, bytes: keySchedule.epochAuthenticator },
    ...(writer === null ? [] : [{ name: `writer seed of ${what}`, bytes: writer }]),
  ];
}

/** What stands in an invitation and is for the invited alone. */
export function inviteNeedles(crypto: Crypto, uris: readonly string[]): Needle[] {
  return uris.flatMap((uri, at) => {
    const invite = parseInvite(crypto, uri);
    return [
      { name: `secret of invitation ${at}`, bytes: invite.secret },
      { name: `bundle of invitation ${at}`, bytes: invite.bundle },
      text(`invitation ${at}`, uri),
    ];
  });
}
