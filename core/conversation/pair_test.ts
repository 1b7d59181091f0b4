import { mlsCryptoProvider } from "@dchat/crypto-wasm";
import { describe, expect, test } from "bun:test";
import { createCommit, encodeMlsMessage } from "ts-mls";
import { crypto, makePair, makeParty, mls, randomId, randomKey } from "../../test/harness/party.ts";
import { hash, limit } from "../ground/mod.ts";
import { DEVICES_MAX } from "./commit.ts";
import { sealOuter } from "./message.ts";
import { clientState } from "./mls.ts";
import {
  changedRatchets,
  type Conversation,
  decodeGroup,
  decodePairInfo,
  decodePending,
  encodePending,
  encodeSnapshot,
  makePackage,
  membersOf,
  openControl,
  openMls,
  openPlain,
  pendingChange,
  proposeUpdate,
  sealContent,
  writerKey,
} from "./mod.ts";

function say(text: string) {
  return { id: randomId(), timeMs: 1_700_000_000_000, head: null, text };
}

async function deliver(from: Conversation, to: Conversation, text: string) {
  const content = say(text);
  const sealed = await sealContent(mls, from, content);
  const opened = await openPlain(mls, to, { id: content.id, entry: sealed.entry });
  if (opened.is !== "message") throw new Error(opened.why);
  return { from: sealed.state, to: opened.state, opened, sealed };
}

/** As it comes back from the database. */
function reload(state: Conversation): Conversation {
  const group = decodeGroup(encodeSnapshot(state.group), changedRatchets(state.group, null));
  const pending = state.pending === null ? null : decodePending(encodePending(state.pending));
  return { ...state, group, pending };
}

describe("foundPair() and joinPair()", () => {
  test("agree on members, mailbox and the turn's writer key", async () => {
    const { a, b, founder, joiner, place, info, peer } = await makePair();
    const identities = (state: Conversation) => membersOf(mls, state.group).map((member) => member.identity);
    expect(identities(a)).toEqual([founder.identity, joiner.identity]);
    expect(identities(b)).toEqual(identities(a));
    expect(peer.identity).toEqual(founder.identity);
    expect(decodePairInfo(info).place).toEqual(place);
    expect(await writerKey(mls, b.group, 0)).toEqual(await writerKey(mls, a.group, 0));
    expect(await writerKey(mls, b.group, 1)).not.toEqual(await writerKey(mls, a.group, 0));
  });

  test("let both write, with the state kept as bytes between any two steps", async () => {
    let { a, b } = await makePair();
    for (let round = 0; round < 5; round++) {
      const there = await deliver(reload(a), reload(b), `there ${round}`);
      const back = await deliver(there.to, there.from, `back ${round}`);
      expect(there.opened.content.text).toBe(`there ${round}`);
      expect(back.opened.content.text).toBe(`back ${round}`);
      [a, b] = [back.to, back.from];
    }
  });
});

describe("openPlain()", () => {
  test("opens an entry once only, and not under another id or in another mailbox", async () => {
    const { a, b } = await makePair();
    const content = say("once");
    const { entry } = await sealContent(mls, a, content);
    const moved = { ...b, mailbox: (await makePair()).a.mailbox };
    expect((await openPlain(mls, b, { id: randomId(), entry })).is).toBe("unreadable");
    expect((await openPlain(mls, moved, { id: content.id, entry })).is).toBe("unreadable");
    const first = await openPlain(mls, b, { id: content.id, entry });
    expect(first.is).toBe("message");
    expect((await openPlain(mls, first.state, { id: content.id, entry })).is).toBe("unreadable");
  });

  test("refuses an entry with any byte changed, and leaves the state as it was", async () => {
    const { a, b } = await makePair();
    const content = say("whole");
    const { entry } = await sealContent(mls, a, content);
    for (let at = 0; at < entry.length; at += 97) {
      const bent = entry.slice();
      bent[at] = (bent[at] ?? 0) ^ 1;
      const opened = await openPlain(mls, b, { id: content.id, entry: bent });
      expect(opened.is).toBe("unreadable");
      expect(opened.state).toBe(b);
    }
  });
});

describe("sealContent()", () => {
  test("names what it returns as consumed, and what is wiped can't open the entry", async () => {
    const { a, b } = await makePair();
    const { from, sealed, opened } = await deliver(a, b, "gone");
    expect(sealed.consumed.length).toBeGreaterThan(0);
    expect(opened.consumed.length).toBeGreaterThan(0);
    crypto.wipe(...sealed.consumed, ...opened.consumed);
    const after = await deliver(from, opened.state, "still there");
    expect(after.opened.content.text).toBe("still there");
  });

  test("leaves the head out where the longest text leaves no room for it, and names what is too long", async () => {
    const { a, b } = await makePair();
    const fits = async (bytes: number) => {
      try {
        return (await sealContent(mls, a, say("x".repeat(bytes)))).entry.length > 0;
      } catch {
        return false;
      }
    };
    let [low, high] = [1, limit.ENTRY_BYTES_MAX];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (await fits(middle)) low = middle;
      else high = middle;
    }
    const root = crypto.hash.sha256(new Uint8Array());
    const content = { ...say("x".repeat(low)), head: { generation: 1, size: 1, root: hash(root) } };
    const sealed = await sealContent(mls, a, content);
    const opened = await openPlain(mls, b, { id: content.id, entry: sealed.entry });
    expect(opened).toMatchObject({ is: "message", content: { text: content.text, head: null } });
    expect(sealContent(mls, a, { ...content, text: `${content.text}x` })).rejects.toThrow(`${low + 1} bytes`);
  });
});

describe("openControl()", () => {
  test("moves both into the new epoch, with one writer key for the new turn", async () => {
    const { a, b } = await makePair();
    const id = randomId();
    const pending = reload((await proposeUpdate(mls, a, id)).state);
    const change = await pendingChange(mls, pending);
    const control = { id, turn: 0, entry: pending.pending?.entry ?? new Uint8Array() };
    const won = await openControl(mls, pending, control);
    const followed = await openControl(mls, b, control);
    expect([won.is, followed.is]).toEqual(["won", "followed"]);
    expect([won.state.turn, followed.state.turn]).toEqual([1, 1]);
    expect(await writerKey(mls, won.state.group, 1)).toEqual(await writerKey(mls, followed.state.group, 1));
    expect(change?.writer).toEqual(await writerKey(mls, followed.state.group, 1));
    expect([change?.added, change?.removed]).toEqual([[], []]);
    crypto.wipe(...won.consumed, ...followed.consumed);
    expect((await deliver(won.state, followed.state, "new epoch")).opened.content.text).toBe("new epoch");
  });

  test("lets the first of two commits win, and the loser follows it", async () => {
    const { a, b } = await makePair();
    const [first, second] = [randomId(), randomId()];
    const mine = (await proposeUpdate(mls, a, first)).state;
    const theirs = (await proposeUpdate(mls, b, second)).state;
    const control = { id: first, turn: 0, entry: mine.pending?.entry ?? new Uint8Array() };
    const won = await openControl(mls, mine, control);
    const lost = await openControl(mls, theirs, control);
    expect([won.is, lost.is]).toEqual(["won", "lost"]);
    expect(lost.state.pending).toBeNull();
    crypto.wipe(...lost.consumed, ...won.consumed);
    expect((await deliver(lost.state, won.state, "after the race")).opened.content.text).toBe(
      "after the race",
    );
  });

  test("skips what isn't a valid commit: the turn goes on, the epoch and the pending commit stay", async () => {
    const { a, b } = await makePair();
    const pending = (await proposeUpdate(mls, a, randomId())).state;
    const entry = crypto.random.bytes(1024);
    const control = { id: randomId(), turn: 0, entry };
    for (const state of [pending, b]) {
      const skipped = await openControl(mls, state, control);
      expect(skipped.is).toBe("skipped");
      expect(skipped.state).toEqual({ ...state, turn: 1 });
    }
  });

  test("follows a commit that adds devices of its maker, and skips one that adds too many", async () => {
    const identity = crypto.ed25519.generate();
    const { a, b } = await makePair(makeParty(identity));
    for (const [added, is] of [
      [DEVICES_MAX, "skipped"],
      [DEVICES_MAX - 1, "followed"],
    ] as const) {
      const extraProposals = [];
      for (let n = 0; n < added; n++) {
        const nowMs = Date.now();
        const device = makeParty(identity);
        const reader = randomKey().publicKey;
        const own = await makePackage(mls, { device, reader, nowMs, notAfterMs: nowMs + 3_600_000 });
        extraProposals.push({ proposalType: "add" as const, add: { keyPackage: own.publicPackage } });
      }
      const made = await createCommit(
        { state: clientState(mls, a.group), cipherSuite: mls.suite },
        { extraProposals },
      );
      const id = randomId();
      const message = encodeMlsMessage(made.commit);
      const entry = await sealOuter(mls, a, { id, kind: "control", message });
      expect((await openControl(mls, b, { id, turn: 0, entry })).is).toBe(is);
    }
  });

  test("skips a plain message that was appended as a control entry", async () => {
    const { a, b } = await makePair();
    const content = say("no commit");
    const { entry } = await sealContent(mls, a, content);
    expect((await openControl(mls, b, { id: content.id, turn: 0, entry })).is).toBe("skipped");
  });

  test("gives no way to open former entries: the old epoch's secrets are among what is consumed", async () => {
    const { a, b } = await makePair();
    const content = say("before the commit");
    const { entry } = await sealContent(mls, a, content);
    const id = randomId();
    const pending = (await proposeUpdate(mls, a, id)).state;
    const control = { id, turn: 0, entry: pending.pending?.entry ?? new Uint8Array() };
    const followed = await openControl(mls, b, control);
    crypto.wipe(...followed.consumed);
    expect((await openPlain(mls, followed.state, { id: content.id, entry })).is).toBe("unreadable");
    expect((await openPlain(mls, b, { id: content.id, entry })).is).toBe("unreadable");
  });
});

describe("openMls()", () => {
  test("with our cryptography speaks with ts-mls's own: one side each, through a change of keys", async () => {
    const { checkMember } = mls;
    const ours = await openMls({ crypto, provider: mlsCryptoProvider(crypto), checkMember });
    const { a, b } = await makePair();
    const content = say("from theirs to ours");
    const sealed = await sealContent(mls, a, content);
    const opened = await openPlain(ours, b, { id: content.id, entry: sealed.entry });
    expect(opened.is).toBe("message");
    const id = randomId();
    const pending = (await proposeUpdate(ours, opened.state, id)).state;
    const control = { id, turn: 0, entry: pending.pending?.entry ?? new Uint8Array() };
    const [won, followed] = [
      await openControl(ours, pending, control),
      await openControl(mls, sealed.state, control),
    ];
    expect([won.is, followed.is]).toEqual(["won", "followed"]);
    expect(await writerKey(ours, won.state.group, 1)).toEqual(await writerKey(mls, followed.state.group, 1));
    const back = say("from ours to theirs");
    const answer = await sealContent(ours, won.state, back);
    expect((await openPlain(mls, followed.state, { id: back.id, entry: answer.entry })).is).toBe("message");
  });
});
