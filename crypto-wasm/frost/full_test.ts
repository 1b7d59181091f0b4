/** What FROST does where the module keeps as much as it may: it refuses, and nothing is lost. */
import { expect, test } from "bun:test";
import { BUILDS } from "../wasm/_builds.ts";
import {
  agreed,
  dealtMembers,
  get,
  inbox,
  type Members,
  randomBytes,
  shareOut,
  without,
} from "./_ceremony.ts";
import { FROST_SIGNED_BYTES_MAX, openFrost, SigningPackage } from "./mod.ts";
import { Request } from "./request.ts";

const FULL = expect.objectContaining({
  code: "backend",
  message: expect.stringContaining("as much of FROST"),
});

/** Keeps what `open` opens until there is no room for more. */
function fillWith(open: () => Disposable, kept: Disposable[]): void {
  expect(() => {
    for (;;) kept.push(open());
  }).toThrow(FULL);
}

/** Fills the module to the last hundred bytes: packages of falling lengths, then nonces. */
function filled(members: Members): Disposable[] {
  const session = randomBytes(32);
  const { group, share } = get(members, 1);
  const commitments = new Map(
    [...members].map(([member, { share }]) => [member, share.commit(session).commitments]),
  );
  const kept: Disposable[] = [];
  for (const bytes of [FROST_SIGNED_BYTES_MAX, 50_000, 2_000, 0]) {
    const message = new Uint8Array(bytes);
    fillWith(() => SigningPackage.open({ group, session, commitments, message }), kept);
  }
  fillWith(() => share.commit(session).nonces, kept);
  return kept;
}

test.each(BUILDS)(
  "a full module of the %s build refuses steps of key generations, loses nothing and keeps nothing of them",
  (build) => {
    const frost = openFrost({ build });
    const settings = agreed(3, 2);
    const members = dealtMembers(frost, agreed(2, 2));
    const first = new Map(settings.members.map((member) => [member, frost.generate(settings, member)]));
    const commitments = new Map([...first].map(([member, part]) => [member, part.commitment]));
    const second = shareOut(frost, settings);
    const message = get(frost.deal(settings), 1);
    const share = () => get(first, 1).share(without(commitments, 1));
    const finish = () => get(second.parts, 1).finish(inbox(second.shares, 1));
    const accept = () => frost.accept(settings, { member: 1, message });

    const kept = filled(members);
    const before = frost.handles;
    for (const step of [share, finish, accept, share, finish, accept]) {
      expect(step).toThrow(FULL);
      expect(frost.handles).toBe(before);
    }
    // The last are nonces, each smaller than a share: on the way there is room for the share, and not for its group.
    for (let done = false; !done;) {
      const now = frost.handles;
      try {
        accept();
        done = true;
      } catch (error) {
        expect(error).toMatchObject({ code: "backend" });
        expect(frost.handles).toBe(now);
        kept.pop()?.[Symbol.dispose]();
      }
    }
    for (const each of kept) each[Symbol.dispose]();
    expect([...share().keys()]).toEqual([2, 3]);
    expect(finish().share.member).toBe(1);
  },
  60_000,
);

test.each(BUILDS)("frost_sign on the %s build takes out nonces alone", (build) => {
  const frost = openFrost({ build });
  const { share, group } = get(dealtMembers(frost, agreed(2, 2)), 1);
  const request = new Request()
    .handle("nonces", share.handle)
    .handle("share", share.handle)
    .handle("package", group.handle);
  expect(() => request.ask("frost_sign", "sign")).toThrow(expect.objectContaining({ code: "backend" }));
  expect(share.exportSecret()).toHaveLength(70);
});
