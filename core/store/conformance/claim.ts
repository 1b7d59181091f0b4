/** Whose the mailboxes are: the note that every store keeps. */
import { expect, test } from "bun:test";
import { isFault } from "../../ground/mod.ts";
import type { MailboxStore } from "../../mailbox/mod.ts";
import type { Subject } from "../conformance.ts";
import { key, plain } from "./data.ts";

/** Declares the tests of `claim`. */
export function claimConformance(subject: () => Subject, store: () => MailboxStore): void {
  test("claim() notes the first relay for good, for all who open the store", async () => {
    expect(await store().claim(null)).toBeNull();
    const [first, second] = [key(), key()];
    expect(plain(await store().claim(first))).toBe(plain(first));
    await using other = await subject().open();
    for (const by of [second, null, first]) expect(plain(await other.claim(by))).toBe(plain(first));
    expect(plain(await store().claim(second))).toBe(plain(first));
    expect(plain(await store().claim(null))).toBe(plain(first));
  });

  test("claim() mends a note that is damaged for the relay that it named, and for no other", async () => {
    const named = await store().claim(null);
    if (named === null) throw new Error("noted by the test before");
    const flipped = Uint8Array.from(named, (byte, at) => (at === 3 ? byte ^ 1 : byte));
    for (const [relay, sum] of [
      [flipped, null],
      [null, null],
      [named, 7],
    ] as const) {
      await subject().setRelay(relay, sum);
      for (const by of [null, key()]) {
        const refused = await store()
          .claim(by)
          .catch((error: unknown) => error);
        expect(isFault(refused, "store/corrupt")).toBe(true);
      }
      expect(plain(await store().claim(named))).toBe(plain(named));
      expect(plain(await store().claim(null))).toBe(plain(named));
    }
  });
}
