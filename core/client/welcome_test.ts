/** Whoever has an invitation can lay anything into its inbox: what an inviter makes of it. */
import { describe, expect, test } from "bun:test";
import { type Chatter, openChatter } from "../../test/harness/chat.ts";
import { crypto, makeParty, mls, randomId, randomKey } from "../../test/harness/party.ts";
import {
  encodePairInfo,
  foundPair,
  type Invite,
  inviteKeys,
  openTaken,
  parseInvite,
  sealForInbox,
} from "../conversation/mod.ts";
import type { PublicKey } from "../ground/mod.ts";
import { GENERATION_FIRST, mailboxIdOf } from "../wire/mod.ts";
import { openRig } from "../../test/harness/rig.ts";

const { relay, devices } = await openRig();

async function invited(ann: Chatter): Promise<Invite> {
  const { uri } = await ann.client.invite({ name: "bob", addresses: [relay.address] });
  return parseInvite(crypto, uri);
}

/** A pair's mailbox as a stranger's program names it. */
function infoOf(options: { relay: PublicKey; addresses: readonly string[] }): Uint8Array {
  const owner = randomKey();
  const policy = { entriesMax: 100, bytesMax: 1 << 20, ttlMs: 3_600_000, retentionMs: 0 };
  const record = { owner: owner.publicKey, relay: options.relay, policy, nonce: crypto.random.bytes(16) };
  const place = { record, mailbox: mailboxIdOf(record, crypto.hash), addresses: options.addresses };
  return encodePairInfo({ place, ownerSeed: owner.seed });
}

/** Takes the invitation's package and answers with a Welcome that carries `info`. */
async function answer(invite: Invite, info: Uint8Array): Promise<void> {
  await using device = await devices.connect(relay.address);
  using key = crypto.ed25519.fromSeed(inviteKeys(crypto, invite.secret).writerSeed);
  const signing = { mailbox: invite.inbox, generation: GENERATION_FIRST, key };
  const taken = await device.session.take({ op: "take", take: randomId() }, signing);
  if (taken.is !== "read") throw new Error(`take: ${taken.is}`);
  const bodies = taken.entries.flatMap(({ leaf: { id }, entry }) => (entry === null ? [] : [{ id, entry }]));
  const [first] = openTaken(mls, invite, bodies);
  if (first === undefined) throw new Error("no package");
  const peer = first.keyPackage;
  const reader = randomKey().publicKey;
  const { welcome } = await foundPair(mls, { device: makeParty(), reader, peer, info, nowMs: Date.now() });
  const id = randomId();
  const entry = sealForInbox(mls, invite.secret, {
    inbox: invite.inbox,
    id,
    kind: "plain",
    message: welcome,
  });
  const append = { op: "append", id, turn: 0, kind: "plain", slot: 0, change: null, entry } as const;
  expect((await device.session.command(append, signing)).is).toBe("appended");
}

const conversationsOf = ({ store }: Chatter) => store.transact((keeper) => keeper.conversations());

describe("openWelcome()", () => {
  test("takes the invitation's addresses, whatever the Welcome says", async () => {
    await using ann = await openChatter(devices);
    const invite = await invited(ann);
    const addresses = ["\x1b]0;owned\x07", "/ip4/127.0.0.1/tcp/1"];
    await answer(invite, infoOf({ relay: invite.relay, addresses }));
    await ann.client.sync();
    expect((await conversationsOf(ann)).map(({ place }) => place.addresses)).toEqual([invite.addresses]);
  });

  for (const [what, info] of [
    ["another relay", () => infoOf({ relay: randomKey().publicKey, addresses: [relay.address] })],
    ["no mailbox that can be read", () => crypto.random.bytes(50)],
  ] as const) {
    test(`is null for one that names ${what}, and the invitation goes when its time is over`, async () => {
      await using ann = await openChatter(devices);
      await answer(await invited(ann), info());
      await ann.client.sync();
      expect(ann.failures).toEqual([]);
      expect(await conversationsOf(ann)).toEqual([]);
      await ann.store.transact((keeper) => {
        for (const kept of keeper.invites()) {
          keeper.putInvite({ ...kept, invite: { ...kept.invite, expiresMs: 1 } });
        }
      });
      await ann.client.sync();
      expect(ann.failures).toEqual([]);
      expect(await ann.store.transact((keeper) => keeper.invites())).toEqual([]);
    });
  }
});
