/** A pool's thread leaves no secret in what it is sent or makes. Its script runs here, where it can be looked into. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FITTING } from "../_columns.ts";
import { leaks } from "../_spy.ts";
import { agreed, generatedMembers, get, inbox, reshareMessages } from "../frost/_ceremony.ts";
import { openCrypto } from "../open.ts";
import { openFrost } from "../frost/mod.ts";
import type { PoolAnswer, PoolTask } from "./message.ts";
import { openCryptoPool } from "./pool.ts";
import { Thread } from "./thread.ts";

declare const self: EventTarget;

const answers: PoolAnswer[] = [];
const { postMessage } = globalThis;

beforeAll(async () => {
  Object.assign(globalThis, { postMessage: (answer: PoolAnswer) => answers.push(answer) });
  await import("./worker.ts");
});
afterAll(() => {
  Object.assign(globalThis, { postMessage });
});

let number = 0;

/** Asks the script for `task` and returns its answer. */
function ask(task: PoolTask): PoolAnswer & { readonly value: unknown } {
  number += 1;
  self.dispatchEvent(new MessageEvent("message", { data: { number, build: "auto", task } }));
  const answer = answers.pop();
  if (answer === undefined || "failure" in answer) throw new Error(JSON.stringify(answer));
  return answer;
}

/** Copies on buffers of their own, as they come to a thread. */
function moved(messages: ReadonlyMap<number, Uint8Array>): Map<number, Uint8Array<ArrayBuffer>> {
  return new Map([...messages].map(([from, message]) => [from, Uint8Array.from(message)]));
}

function isZero(message: Uint8Array): boolean {
  return message.every((byte) => byte === 0);
}

/** The group's public values, from a membership that travels. */
function publicsOf({ value }: { readonly value: unknown }): Uint8Array[] {
  const group: unknown = Reflect.get(Object(value), "group");
  if (!(group instanceof Uint8Array)) throw new Error("no group came");
  return [group.slice(), group.slice(5, 37)];
}

describe("the thread of a pool wipes", () => {
  const frost = openFrost();

  test("a dealt share, and its own copy of what came of it", async () => {
    const settings = agreed(3, 2);
    const dealt = [0, 1, 2].map(() => Uint8Array.from(get(frost.deal(settings), 1)));
    const found = await leaks((run) => {
      const message = dealt[run]!;
      const answer = ask({ op: "accept", agreed: settings, member: 1, message });
      return { callers: [answer], publics: publicsOf(answer) };
    });
    expect(found).toEqual([]);
    expect(dealt.every(isZero)).toBe(true);
  });

  test("a resharing's shares", async () => {
    const settings = agreed(3, 2);
    const members = generatedMembers(frost, settings);
    const { group } = get(members, 1);
    const reshare = { ...settings, group, dealers: [1, 2] };
    const sent = [0, 1, 2].map(() => {
      const { commitments, shares } = reshareMessages(reshare, members);
      return { commitments: moved(commitments), shares: moved(inbox(shares, 1)) };
    });
    const found = await leaks((run) => {
      const travelling = { ...reshare, group: group.encoded };
      const answer = ask({ op: "reshare", reshare: travelling, member: 1, ...sent[run]! });
      return { callers: [answer, sent[run]!.commitments], publics: publicsOf(answer) };
    });
    expect(found).toEqual([]);
    expect(sent.every(({ shares }) => [...shares.values()].every(isZero))).toBe(true);
  });

  test("a key generation's shares, those it makes and those it gets", async () => {
    const received: Uint8Array[] = [];
    const settings = agreed(3, 2);
    const found = await leaks(() => {
      const commitment = ask({ op: "begin", agreed: settings, member: 3 });
      const ceremony = number;
      const others = [1, 2].map((member) => frost.generate(settings, member));
      const own = commitment.value as Uint8Array;
      const commitments = new Map(others.map((part) => [part.member, part.commitment]));
      const shared = ask({ op: "share", ceremony, commitments: moved(commitments) });
      const theirs = others.map((part) => {
        const all = new Map([...commitments, [3, own]]);
        all.delete(part.member);
        return [part.member, part.share(all)] as const;
      });
      const shares = moved(inbox(new Map(theirs), 3));
      received.push(...shares.values());
      const finished = ask({ op: "finish", ceremony, shares });
      const publics = [...commitments.values(), own, ...publicsOf(finished)];
      return { callers: [commitment, shared, finished, theirs], publics };
    });
    expect(found).toEqual([]);
    expect(received.length).toBe(6);
    expect(received.every(isZero)).toBe(true);
  });
});

test("a pool wipes the share that a thread sent, once it is read", async () => {
  const { ed25519 } = await openCrypto({ ...FITTING, needs: [] });
  const frost = openFrost();
  const read: Uint8Array[] = [];
  const spying = {
    ...frost,
    importShare(stored: Uint8Array) {
      read.push(stored);
      return frost.importShare(stored);
    },
  };
  using pool = openCryptoPool({ ed25519, frost: spying, membersMin: 2 });
  const settings = agreed(3, 2);
  await pool.frost.accept(settings, { member: 1, message: get(frost.deal(settings), 1) });
  expect(read.length).toBe(1);
  expect(read.every(isZero)).toBe(true);
});

test("a thread's answer that nobody waits for any more is wiped", async () => {
  const listeners = new Map<string, (event: unknown) => void>();
  class Silent {
    addEventListener(name: string, listener: (event: unknown) => void): void {
      listeners.set(name, listener);
    }
    postMessage(): void {}
    terminate(): void {}
    unref(): void {}
  }
  const { Worker } = globalThis;
  Object.assign(globalThis, { Worker: Silent });
  try {
    const thread = new Thread("nowhere", "auto");
    const stop = new AbortController();
    const task = { op: "finish", ceremony: 1, shares: new Map<number, Uint8Array<ArrayBuffer>>() } as const;
    const waiting = thread.ask("finish", { task, bytes: [], signal: stop.signal });
    stop.abort();
    await waiting.catch(() => undefined);
    const share = new Uint8Array(70).fill(7);
    const value = { share, group: new Uint8Array(5) };
    listeners.get("message")?.({ data: { number: 1, value, bytes: [share] } });
    expect(isZero(share)).toBe(true);
  } finally {
    Object.assign(globalThis, { Worker });
  }
});
