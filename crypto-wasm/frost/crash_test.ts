/** What a crash leaves of nonces: nothing. The process that made them is killed; the next has the share alone. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { agreed, dealtMembers, get, randomBytes, refusal } from "./_ceremony.ts";
import { openFrost, SigningPackage } from "./mod.ts";

test("after SIGKILL between the rounds a member can't sign by what it committed to, and signs anew", async () => {
  const frost = openFrost();
  const members = dealtMembers(frost, agreed(2, 2));
  const session = randomBytes(32);
  const stored = get(members, 2).share.exportSecret();
  const source = `
    import { openFrost } from ${JSON.stringify(join(import.meta.dirname, "mod.ts"))};
    const share = openFrost().importShare(Uint8Array.fromHex(${JSON.stringify(stored.toHex())}));
    const { nonces, commitments } = share.commit(Uint8Array.fromHex(${JSON.stringify(session.toHex())}));
    console.log(commitments.toHex());
    setInterval(() => nonces, 1_000);`;
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe" });
  const first = await child.stdout.getReader().read();
  child.kill("SIGKILL");
  await child.exited;
  const committed = Uint8Array.fromHex(new TextDecoder().decode(first.value).trim());

  const { share, group } = get(members, 1);
  const message = new Uint8Array(8);
  const open = (one: Uint8Array, two: Uint8Array, of: Uint8Array) =>
    SigningPackage.open({
      group,
      session: of,
      message,
      commitments: new Map([
        [1, one],
        [2, two],
      ]),
    });
  // The member starts again, with what it stored, and its peer still has the old commitments.
  const again = frost.importShare(stored);
  const signing = open(share.commit(session).commitments, committed, session);
  expect(refusal(() => signing.sign(again, again.commit(session).nonces))).toMatchObject({
    reason: "other-nonces",
    culprits: [2],
  });
  const next = randomBytes(32);
  const [mine, theirs] = [share.commit(next), again.commit(next)];
  const anew = open(mine.commitments, theirs.commitments, next);
  const shares = new Map([
    [1, anew.sign(share, mine.nonces)],
    [2, anew.sign(again, theirs.nonces)],
  ]);
  expect(anew.aggregate(shares)).toHaveLength(64);
});
