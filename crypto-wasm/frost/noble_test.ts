/** One member runs @noble/curves' FROST, the others this one: a key generated together, and signatures by either's sum. */
import { expect, test } from "bun:test";
import { ed25519, ed25519_FROST as noble } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { BUILDS } from "../wasm/_builds.ts";
import { agreed, get, randomBytes } from "./_ceremony.ts";
import { type FrostAgreement, type FrostMembership, openFrost, SigningPackage } from "./mod.ts";

const SESSION = new Uint8Array(32).fill(3);

const MESSAGE = new TextEncoder().encode("what both agree on");
const NOBLE = 3;
type NobleKey = ReturnType<typeof noble.DKG.round3>;

const id = (member: number): string => noble.Identifier.fromNumber(member);

/** A message of ours: version, kind, session where it has one, sender, body. */
function message(
  kind: number,
  session: Uint8Array,
  from: number,
  ...body: readonly Uint8Array[]
): Uint8Array {
  return new Uint8Array(Buffer.concat([Uint8Array.of(2, kind), session, Uint8Array.of(from, 0), ...body]));
}

/** Members 1 and 2 of ours and member 3 of noble's, of whom two sign. */
function generated(settings: FrostAgreement, frost: ReturnType<typeof openFrost>) {
  const { session } = settings;
  const ours = [1, 2].map((member) => frost.generate(settings, member));
  const theirs = noble.DKG.round1(id(NOBLE), { min: 2, max: 3 });
  const round1 = ours.map(({ member, commitment }) => {
    const [first, second, proof] = [
      commitment.slice(38, 70),
      commitment.slice(70, 102),
      commitment.slice(102),
    ];
    return { identifier: id(member), commitment: [first, second], proofOfKnowledge: proof };
  });
  const { commitment, proofOfKnowledge } = theirs.public;
  const theirCommitment = message(5, session, NOBLE, Uint8Array.of(2, 0), ...commitment, proofOfKnowledge);

  const sent = ours.map((part) => {
    const others = ours
      .filter((other) => other !== part)
      .map((other) => [other.member, other.commitment] as const);
    return { part, shares: part.share(new Map([...others, [NOBLE, theirCommitment]])) };
  });
  const theirShares = noble.DKG.round2(theirs.secret, round1);
  const toNoble = sent.map(({ part, shares }) => {
    return { identifier: id(part.member), signingShare: get(shares, NOBLE).slice(-32) };
  });
  const theirKey = noble.DKG.round3(theirs.secret, round1, toNoble);
  const members = sent.map(({ part }): FrostMembership => {
    const own = Uint8Array.of(part.member, 0);
    const share = theirShares[id(part.member)]?.signingShare ?? new Uint8Array();
    const others = sent.filter((other) => other.part !== part);
    return part.finish(
      new Map([
        ...others.map((other) => [other.part.member, get(other.shares, part.member)] as const),
        [NOBLE, message(6, session, NOBLE, own, share)],
      ]),
    );
  });
  return { members, theirKey };
}

/** The tag that commitments of a member's share carry (docs/protocol/frost.md). */
function shareTag({ encoded, publicKey, members }: FrostMembership["group"], member: number): Uint8Array {
  const at = 5 + 32 + members.indexOf(member) * 34 + 2;
  const label = new TextEncoder().encode("dchat frost commitments v2");
  const hash = sha512.create().update(label).update(publicKey);
  return hash
    .update(encoded.subarray(at, at + 32))
    .digest()
    .subarray(0, 16);
}

/** A signature by one of ours and noble's member, summed up by both. */
function signedTogether(
  { share, group }: FrostMembership,
  theirs: NobleKey,
): readonly [Uint8Array, Uint8Array] {
  const mine = share.commit(SESSION);
  const { nonces, commitments: their } = noble.commit(theirs.secret);
  const signing = SigningPackage.open({
    session: SESSION,
    group,
    commitments: new Map([
      [share.member, mine.commitments],
      [NOBLE, message(3, SESSION, NOBLE, shareTag(group, NOBLE), their.hiding, their.binding)],
    ]),
    message: MESSAGE,
  });
  const mineAtNoble = {
    identifier: id(share.member),
    hiding: mine.commitments.slice(52, 84),
    binding: mine.commitments.slice(84),
  };
  const list = [mineAtNoble, their];
  const myShare = signing.sign(share, mine.nonces);
  const theirShare = noble.signShare(theirs.secret, theirs.public, nonces, list, MESSAGE);
  // A signature share carries the tag of its package, which all who hold the package know.
  const tag = myShare.slice(36, 52);
  const bySum = signing.aggregate(
    new Map([
      [share.member, myShare],
      [NOBLE, message(4, SESSION, NOBLE, tag, theirShare)],
    ]),
  );
  const byNoble = noble.aggregate(theirs.public, list, MESSAGE, {
    [id(share.member)]: myShare.slice(52),
    [id(NOBLE)]: theirShare,
  });
  return [bySum, byNoble];
}

test.each(BUILDS)("the %s build and @noble/curves generate a key together and sign together", (build) => {
  const frost = openFrost({ build });
  const { members, theirKey } = generated({ ...agreed(3, 2), session: randomBytes(32) }, frost);
  for (const member of members) {
    expect(member.group.publicKey).toEqual(new Uint8Array(theirKey.public.commitments[0] ?? []));
    const [ours, theirs] = signedTogether(member, theirKey);
    expect(ours).toEqual(new Uint8Array(theirs));
    expect(ed25519.verify(ours, MESSAGE, member.group.publicKey, { zip215: false })).toBe(true);
  }
});
