/**
 * Laws of a conversation over all orders of events: whatever members write, commit, race, replay and spoil, all who
 * read the same log see the same, end in the same epoch and turn, and can write to one another.
 */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { createCommit, createGroup, joinGroup } from "ts-mls";
import {
  crypto,
  makeParty,
  makePlace,
  mls,
  type Party,
  randomId,
  randomKey,
} from "../../test/harness/party.ts";
import type { EntryId } from "../ground/mod.ts";
import {
  changedRatchets,
  type Conversation,
  decodeGroup,
  decodePending,
  encodePending,
  encodeSnapshot,
  makePackage,
  openControl,
  openPlain,
  proposeUpdate,
  sealContent,
  writerKey,
} from "./mod.ts";

interface Entry {
  readonly id: EntryId;
  readonly kind: "plain" | "control";
  readonly turn: number;
  readonly entry: Uint8Array;
  readonly by: number;
}

type Event =
  | { readonly is: "say"; readonly who: number }
  | { readonly is: "commit"; readonly who: number }
  /** Reads at most so many entries. */
  | { readonly is: "read"; readonly who: number; readonly count: number }
  | { readonly is: "garbage"; readonly kind: "plain" | "control" }
  | { readonly is: "replay"; readonly at: number };

const events = (members: number): fc.Arbitrary<Event[]> => {
  const who = fc.nat(members - 1);
  return fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ is: fc.constant("say" as const), who }) },
      { weight: 2, arbitrary: fc.record({ is: fc.constant("commit" as const), who }) },
      {
        weight: 5,
        arbitrary: fc.record({
          is: fc.constant("read" as const),
          who,
          count: fc.integer({ min: 1, max: 6 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          is: fc.constant("garbage" as const),
          kind: fc.constantFrom("plain" as const, "control" as const),
        }),
      },
      { weight: 1, arbitrary: fc.record({ is: fc.constant("replay" as const), at: fc.nat(40) }) },
    ),
    { minLength: 4, maxLength: 28 },
  );
};

/** A group of one device each of the parties, founded by the first. */
async function makeGroup(parties: readonly Party[]): Promise<Conversation[]> {
  const nowMs = Date.now();
  const packages = await Promise.all(
    parties.map((device) =>
      makePackage(mls, { device, reader: randomKey().publicKey, nowMs, notAfterMs: nowMs + 3_600_000 }),
    ),
  );
  const [founder, ...others] = packages;
  if (founder === undefined) throw new Error("a group has a founder");
  const { publicPackage, privatePackage } = founder;
  const empty = await createGroup(
    crypto.random.bytes(16),
    publicPackage,
    privatePackage,
    [],
    mls.suite,
    mls.config,
  );
  const made = await createCommit(
    { state: empty, cipherSuite: mls.suite },
    {
      extraProposals: others.map((each) => ({
        proposalType: "add" as const,
        add: { keyPackage: each.publicPackage },
      })),
      ratchetTreeExtension: true,
    },
  );
  const { welcome } = made;
  if (welcome === undefined) throw new Error("a commit that adds makes a Welcome");
  const joined = await Promise.all(
    others.map((each) =>
      joinGroup(
        welcome,
        each.publicPackage,
        each.privatePackage,
        { findPsk: () => undefined },
        mls.suite,
        undefined,
        undefined,
        mls.config,
      ),
    ),
  );
  const { mailbox } = makePlace();
  return [made.newState, ...joined].map(({ clientConfig: _config, ...group }) => ({
    mailbox,
    turn: 0,
    group: { ...group, historicalReceiverData: new Map() },
    pending: null,
  }));
}

/** A log that keeps the relay's rule of turns, and members that each read it at their own pace. */
class Room {
  readonly log: Entry[] = [];
  readonly seen: string[][];
  readonly read: number[];
  states: Conversation[];
  turn = 0;

  constructor(states: Conversation[]) {
    this.states = states;
    this.seen = states.map(() => []);
    this.read = states.map(() => 0);
  }

  append(entry: Entry): boolean {
    if (entry.turn !== this.turn) return false;
    this.log.push(entry);
    if (entry.kind === "control") this.turn += 1;
    return true;
  }

  state(who: number): Conversation {
    const state = this.states[who];
    if (state === undefined) throw new Error("no such member");
    return state;
  }

  async run(event: Event): Promise<void> {
    if (event.is === "say") await this.say(event.who);
    else if (event.is === "commit") await this.commit(event.who);
    else if (event.is === "read")
      for (let left = event.count; left > 0; left--) await this.readOne(event.who);
    else if (event.is === "garbage") {
      this.append({
        id: randomId(),
        kind: event.kind,
        turn: this.turn,
        entry: crypto.random.bytes(1024),
        by: -1,
      });
    } else {
      const old = this.log[event.at % Math.max(1, this.log.length)];
      // A member may append old bytes under a new id; the relay refuses the old id.
      if (old !== undefined) this.append({ ...old, id: randomId(), turn: this.turn, by: -1 });
    }
  }

  async say(who: number): Promise<void> {
    const id = randomId();
    const state = this.state(who);
    const sealed = await sealContent(mls, state, { id, timeMs: 1, head: null, text: `${who} ${id.toHex()}` });
    if (!this.append({ id, kind: "plain", turn: state.turn, entry: sealed.entry, by: who })) return;
    this.keep(who, sealed.state, sealed.consumed);
  }

  async commit(who: number): Promise<void> {
    let state = this.state(who);
    if (state.pending === null) state = (await proposeUpdate(mls, state, randomId())).state;
    this.keep(who, state, []);
    const { pending } = state;
    if (pending === null || this.log.some(({ id }) => id === pending.id)) return;
    this.append({ id: pending.id, kind: "control", turn: state.turn, entry: pending.entry, by: who });
  }

  async readOne(who: number): Promise<void> {
    const entry = this.log[this.read[who] ?? 0];
    if (entry === undefined) return;
    this.read[who] = (this.read[who] ?? 0) + 1;
    const state = this.state(who);
    if (entry.kind === "control") {
      const step = await openControl(mls, state, entry);
      this.note(who, step.is === "skipped" ? "skipped" : `epoch ${step.state.group.groupContext.epoch}`);
      this.keep(who, step.state, step.consumed);
    } else if (entry.by === who) this.note(who, "said");
    else {
      const opened = await openPlain(mls, state, entry);
      this.note(who, opened.is === "message" ? "said" : "unreadable");
      if (opened.is === "message") expect(opened.content.text).toBe(`${entry.by} ${entry.id.toHex()}`);
      this.keep(who, opened.state, opened.consumed);
    }
  }

  note(who: number, what: string): void {
    this.seen[who]?.push(what);
  }

  /** As the database would: the state goes through its bytes, and what was consumed is wiped. */
  keep(who: number, state: Conversation, consumed: readonly Uint8Array[]): void {
    const group = decodeGroup(encodeSnapshot(state.group), changedRatchets(state.group, null));
    const pending =
      state.pending === null
        ? null
        : { ...decodePending(encodePending(state.pending)), id: state.pending.id };
    this.states[who] = { ...state, group, pending };
    crypto.wipe(...consumed);
  }

  async settle(): Promise<void> {
    for (let who = 0; who < this.states.length; who++) {
      while ((this.read[who] ?? 0) < this.log.length) await this.readOne(who);
    }
  }
}

async function holds(room: Room, story: readonly Event[]): Promise<void> {
  for (const event of story) await room.run(event);
  await room.settle();
  const [first, ...rest] = room.seen;
  for (const seen of rest) expect(seen).toEqual(first ?? []);
  const epochs = room.states.map(({ group }) => group.groupContext.epoch);
  expect(new Set(epochs).size).toBe(1);
  expect(room.states.map(({ turn }) => turn)).toEqual(room.states.map(() => room.turn));
  const writers = await Promise.all(room.states.map(({ group, turn }) => writerKey(mls, group, turn)));
  expect(new Set(writers.map((key) => key.toHex())).size).toBe(1);
  for (let who = 0; who < room.states.length; who++) {
    const before = room.log.length;
    await room.say(who);
    await room.settle();
    expect(room.log.length).toBe(before + 1);
    expect(room.seen.map((seen) => seen.at(-1))).toEqual(room.seen.map(() => "said"));
  }
}

const runs = process.env["DCHAT_TEST_LONG"] === "1" ? 400 : 25;

describe("openPlain(), openControl() and their seals", () => {
  test("show two members the same, in any order of events", async () => {
    await fc.assert(
      fc.asyncProperty(events(2), async (story) =>
        holds(new Room(await makeGroup([makeParty(), makeParty()])), story),
      ),
      { numRuns: runs },
    );
  });

  test("show three devices of two people the same, in any order of events", async () => {
    await fc.assert(
      fc.asyncProperty(events(3), async (story) => {
        const ann = crypto.ed25519.generate();
        await holds(new Room(await makeGroup([makeParty(ann), makeParty(), makeParty(ann)])), story);
      }),
      { numRuns: runs },
    );
  });
});
