/** Messages and commits of an MLS group, by our provider and by ts-mls's own. */
import { mlsCryptoProvider, type Crypto } from "@dchat/crypto-wasm";
import {
  acceptAll,
  type CiphersuiteImpl,
  type CiphersuiteName,
  type ClientState,
  createApplicationMessage,
  createCommit,
  createGroup,
  type CryptoProvider,
  defaultCapabilities,
  defaultCryptoProvider,
  defaultLifetime,
  emptyPskIndex,
  generateKeyPackage,
  getCiphersuiteFromName,
  joinGroup,
  makePskIndex,
  processPrivateMessage,
} from "ts-mls";
import { quantile, round } from "../harness/quantile.ts";
import type { Row, Size } from "../harness/result.ts";

export const MEMBERS: Readonly<Record<Size, number>> = { small: 4, standard: 100, large: 100 };
const COMMITS: Readonly<Record<Size, number>> = { small: 2, standard: 5, large: 20 };
const MESSAGES: Readonly<Record<Size, number>> = { small: 5, standard: 100, large: 1_000 };
const SUITES = [
  "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
  "MLS_256_XWING_CHACHA20POLY1305_SHA512_Ed25519",
] as const satisfies readonly CiphersuiteName[];

/** Two of a group's members, from the first's view and the second's. */
interface Group {
  readonly suite: CiphersuiteImpl;
  sender: ClientState;
  receiver: ClientState;
}

async function openMember(name: string, suite: CiphersuiteImpl) {
  const credential = { credentialType: "basic", identity: new TextEncoder().encode(name) } as const;
  return generateKeyPackage(credential, defaultCapabilities(), defaultLifetime, [], suite);
}

async function openGroup(suite: CiphersuiteImpl, members: number): Promise<Group> {
  const first = await openMember("first", suite);
  const state = await createGroup(new Uint8Array(16), first.publicPackage, first.privatePackage, [], suite);
  const others = [];
  for (let i = 1; i < members; i++) others.push(await openMember(`member ${i}`, suite));
  const extraProposals = others.map(
    ({ publicPackage }) => ({ proposalType: "add", add: { keyPackage: publicPackage } }) as const,
  );
  const commit = await createCommit({ state, cipherSuite: suite }, { extraProposals });
  const [second] = others;
  if (second === undefined || commit.welcome === undefined) throw new Error("nobody joined");
  const receiver = await joinGroup(
    commit.welcome,
    second.publicPackage,
    second.privatePackage,
    emptyPskIndex,
    suite,
    commit.newState.ratchetTree,
  );
  return { suite, sender: commit.newState, receiver };
}

async function receive(group: Group, message: Parameters<typeof processPrivateMessage>[1]): Promise<void> {
  const index = makePskIndex(group.receiver, {});
  const result = await processPrivateMessage(group.receiver, message, index, group.suite, acceptAll);
  group.receiver = result.newState;
}

async function commitOnce(group: Group): Promise<void> {
  const made = await createCommit({ state: group.sender, cipherSuite: group.suite });
  group.sender = made.newState;
  if (made.commit.wireformat !== "mls_private_message") throw new Error("the commit isn't private");
  await receive(group, made.commit.privateMessage);
}

async function messageOnce(group: Group): Promise<void> {
  const made = await createApplicationMessage(group.sender, new Uint8Array(256), group.suite);
  group.sender = made.newState;
  await receive(group, made.privateMessage);
}

/** The four figures of one kind of work for each group; the groups take turns, so that a busy machine is fair. */
async function timed(
  groups: ReadonlyMap<string, Group>,
  rounds: number,
  work: (group: Group) => Promise<void>,
): Promise<Map<string, Record<string, number>>> {
  const all = new Map([...groups.keys()].map((subject) => [subject, new Float64Array(rounds)]));
  for (let i = 0; i < rounds; i++) {
    for (const [subject, group] of groups) {
      const before = performance.now();
      await work(group);
      all.get(subject)?.fill((performance.now() - before) * 1_000, i, i + 1);
    }
  }
  return new Map(
    [...all].map(([subject, took]) => {
      const at = (share: number): number => round(quantile(took, share));
      return [subject, { p50Us: at(0.5), p25Us: at(0.25), p75Us: at(0.75), p99Us: at(0.99) }];
    }),
  );
}

/** A message sealed and opened, and a commit made and applied, in a group of 100. */
export async function mls(dchat: Crypto, size: Size): Promise<Row[]> {
  const providers: [string, CryptoProvider][] = [
    ["dchat", mlsCryptoProvider(dchat)],
    ["ts-mls default", defaultCryptoProvider],
  ];
  const rows: Row[] = [];
  for (const name of SUITES) {
    const groups = new Map<string, Group>();
    for (const [subject, provider] of providers) {
      const suite = await provider.getCiphersuiteImpl(getCiphersuiteFromName(name));
      const group = await openGroup(suite, MEMBERS[size]);
      await messageOnce(group);
      groups.set(subject, group);
    }
    const kind = name.includes("XWING") ? "x-wing" : "x25519";
    const kinds = [
      [`mls commit, ${kind}`, MEMBERS[size], await timed(groups, COMMITS[size], commitOnce)],
      [`mls message, ${kind}`, 256, await timed(groups, MESSAGES[size], messageOnce)],
    ] as const;
    for (const [operation, of, figures] of kinds) {
      for (const [subject, took] of figures)
        rows.push({ subject, parameters: { operation, size: of }, figures: took });
    }
  }
  return rows;
}
