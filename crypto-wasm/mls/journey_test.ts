import { beforeAll, describe, expect, test } from "bun:test";
import {
  acceptAll,
  type CiphersuiteImpl,
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
  getCiphersuiteImpl,
  joinGroup,
  type KeyPackage,
  makePskIndex,
  mlsExporter,
  type PrivateKeyPackage,
  processPrivateMessage,
} from "ts-mls";
import { FITTING } from "../_columns.ts";
import { MLS_SUITES, mlsCryptoProvider, type MlsSuite, openCrypto } from "../mod.ts";

let own: CryptoProvider;
let portable: CryptoProvider;

beforeAll(async () => {
  own = mlsCryptoProvider(await openCrypto(FITTING));
  portable = mlsCryptoProvider(await openCrypto({ backends: "portable" }));
});

interface Member {
  readonly suite: CiphersuiteImpl;
  readonly publicPackage: KeyPackage;
  readonly privatePackage: PrivateKeyPackage;
}

async function openMember(name: string, suite: CiphersuiteImpl): Promise<Member> {
  const credential = { credentialType: "basic", identity: new TextEncoder().encode(name) } as const;
  return {
    suite,
    ...(await generateKeyPackage(credential, defaultCapabilities(), defaultLifetime, [], suite)),
  };
}

async function addMember(
  state: ClientState,
  adder: Member,
  joiner: Member,
): Promise<[ClientState, ClientState]> {
  const add = { proposalType: "add", add: { keyPackage: joiner.publicPackage } } as const;
  const commit = await createCommit({ state, cipherSuite: adder.suite }, { extraProposals: [add] });
  if (commit.welcome === undefined) throw new Error("the commit has no Welcome");
  const joined = await joinGroup(
    commit.welcome,
    joiner.publicPackage,
    joiner.privatePackage,
    emptyPskIndex,
    joiner.suite,
    commit.newState.ratchetTree,
  );
  return [commit.newState, joined];
}

async function open(
  state: ClientState,
  suite: CiphersuiteImpl,
  sealed: Parameters<typeof processPrivateMessage>[1],
) {
  const result = await processPrivateMessage(state, sealed, makePskIndex(state, {}), suite, acceptAll);
  if (result.kind !== "applicationMessage") throw new Error(`got ${result.kind}`);
  return { state: result.newState, text: new TextDecoder().decode(result.message) };
}

async function journey(name: MlsSuite, first: CryptoProvider, second: CryptoProvider): Promise<void> {
  const suite = getCiphersuiteFromName(name);
  const alice = await openMember("alice", await getCiphersuiteImpl(suite, first));
  const bob = await openMember("bob", await getCiphersuiteImpl(suite, second));
  let inAlice = await createGroup(
    new TextEncoder().encode("group"),
    alice.publicPackage,
    alice.privatePackage,
    [],
    alice.suite,
  );
  let inBob: ClientState;
  [inAlice, inBob] = await addMember(inAlice, alice, bob);
  for (const text of ["one", "two"]) {
    const sent = await createApplicationMessage(inAlice, new TextEncoder().encode(text), alice.suite);
    inAlice = sent.newState;
    const got = await open(inBob, bob.suite, sent.privateMessage);
    inBob = got.state;
    expect(got.text).toBe(text);
  }
  const update = await createCommit({ state: inBob, cipherSuite: bob.suite });
  inBob = update.newState;
  if (update.commit.wireformat !== "mls_private_message") throw new Error("the commit isn't private");
  const applied = await processPrivateMessage(
    inAlice,
    update.commit.privateMessage,
    makePskIndex(inAlice, {}),
    alice.suite,
    acceptAll,
  );
  inAlice = applied.newState;
  const context = new Uint8Array(3);
  const ofAlice = await mlsExporter(inAlice.keySchedule.exporterSecret, "dchat", context, 32, alice.suite);
  const ofBob = await mlsExporter(inBob.keySchedule.exporterSecret, "dchat", context, 32, bob.suite);
  expect(ofAlice).toEqual(ofBob);
}

describe.each([...MLS_SUITES])("mlsCryptoProvider() in %s", (name) => {
  test("talks to ts-mls's default provider, whichever creates the group", async () => {
    await journey(name, own, defaultCryptoProvider);
    await journey(name, defaultCryptoProvider, own);
  });

  test("talks to itself on the portable backends", async () => {
    await journey(name, own, portable);
  });
});
