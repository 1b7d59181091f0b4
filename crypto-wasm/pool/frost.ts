/** FROST's ceremonies beside the loop: the same steps and refusals as `Frost` has in place. */
import { expectFields, optional, refuseArgument } from "../argument.ts";
import { CryptoError } from "../error.ts";
import {
  type DistributedKeyGeneration,
  finishReshare,
  type Frost,
  type FrostAgreement,
  type FrostMembership,
  type FrostMessages,
  type FrostReshare,
  openFrost,
} from "../frost/mod.ts";
import { expectDealt } from "../frost/generate.ts";
import { AGREED, expectMember, expectMessages } from "../frost/request.ts";
import { expectReceived } from "../frost/reshare.ts";
import { bytesOf, type Moved, type MovedMembership } from "./message.ts";
import type { CryptoPoolOptions, Threads } from "./pool.ts";
import type { Thread } from "./thread.ts";

/**
 * The last step of a generation holds the loop for 0.7 ms among 3 members, 1.1 among 5, 2.7 among 6 of whom 4 sign, 5.8
 * among 8 who all sign and 21 among 16, several times that on a busy machine. Moved, it takes 0.6 to 0.8 ms of the loop,
 * and 1.2 among 16, for reading the share and the group that came of it ("frost pool" in bun bench crypto).
 */
const MEMBERS_MIN = 6;

export interface FrostStepOptions {
  /**
   * Stops waiting: the promise rejects with the signal's reason. What a thread has begun it ends, and its answer is
   * wiped; a key generation whose step was aborted has ended.
   */
  readonly signal?: AbortSignal;
}

const STEP = {
  signal: optional((name, value) => {
    if (!(value instanceof AbortSignal)) refuseArgument(name, "an AbortSignal", value);
  }),
};

function signalOf(options: FrostStepOptions = {}): AbortSignal | undefined {
  expectFields("options", options, STEP);
  return options.signal;
}

/** `DistributedKeyGeneration`, whose state may be in a thread. Dispose wipes it there. */
export interface FrostGeneration extends Disposable {
  readonly member: number;
  readonly commitment: Uint8Array;
  share(commitments: FrostMessages, options?: FrostStepOptions): Promise<Map<number, Uint8Array>>;
  finish(shares: FrostMessages, options?: FrostStepOptions): Promise<FrostMembership>;
}

/**
 * Everything is borrowed for the call only. Rejects as `Frost` throws, and besides with CryptoError: "busy" where the
 * thread has as much waiting as it may (nothing changed: try later), "backend" where it died (a key generation that was
 * in it begins anew; the next finds another thread), "disposed" where the pool was.
 */
export interface FrostPool {
  generate(agreed: FrostAgreement, member: number, options?: FrostStepOptions): Promise<FrostGeneration>;
  accept(
    agreed: FrostAgreement,
    dealt: { readonly member: number; readonly message: Uint8Array },
    options?: FrostStepOptions,
  ): Promise<FrostMembership>;
  finishReshare(
    reshare: FrostReshare,
    received: {
      readonly member: number;
      readonly commitments: FrostMessages;
      readonly shares: FrostMessages;
    },
    options?: FrostStepOptions,
  ): Promise<FrostMembership>;
}

function busy(): CryptoError {
  return new CryptoError("busy", "As many steps of ceremonies wait as may");
}

/** Copies, which move to the thread. */
function copies(name: string, messages: FrostMessages): Moved {
  expectMessages(name, messages);
  return new Map([...messages].map(([from, message]) => [from, Uint8Array.from(message)]));
}

function agreedCopy({ session, members, threshold }: FrostAgreement): FrostAgreement {
  return { session: Uint8Array.from(session), members: [...members], threshold };
}

/** Opens what came of a ceremony, and wipes what it came in. */
function membershipOn(frost: Frost, { share, group }: MovedMembership): FrostMembership {
  try {
    return { share: frost.importShare(share), group: frost.importGroup(group) };
  } finally {
    share.fill(0);
  }
}

/** A key generation in place, behind the same door. */
class PlacedGeneration implements FrostGeneration {
  readonly member: number;
  readonly commitment: Uint8Array;
  readonly #part: DistributedKeyGeneration;

  constructor(part: DistributedKeyGeneration) {
    this.#part = part;
    this.member = part.member;
    this.commitment = part.commitment;
  }

  async share(commitments: FrostMessages, options: FrostStepOptions = {}): Promise<Map<number, Uint8Array>> {
    signalOf(options)?.throwIfAborted();
    return this.#part.share(commitments);
  }

  async finish(shares: FrostMessages, options: FrostStepOptions = {}): Promise<FrostMembership> {
    signalOf(options)?.throwIfAborted();
    return this.#part.finish(shares);
  }

  [Symbol.dispose](): void {
    this.#part[Symbol.dispose]();
  }
}

interface Begun {
  readonly threads: Threads;
  readonly thread: Thread;
  /** The ceremony's name in the thread. */
  readonly ceremony: number;
  readonly frost: () => Frost;
}

/** A key generation in a thread. */
class ThreadedGeneration implements FrostGeneration {
  readonly member: number;
  readonly commitment: Uint8Array;
  readonly #begun: Begun;
  #ended = false;

  constructor(begun: Begun, member: number, commitment: Uint8Array) {
    this.#begun = begun;
    this.member = member;
    this.commitment = commitment;
  }

  share(commitments: FrostMessages, options: FrostStepOptions = {}): Promise<Map<number, Uint8Array>> {
    return this.#step(options, () => {
      const moved = copies("commitments", commitments);
      const { thread, ceremony } = this.#begun;
      const task = { op: "share", ceremony, commitments: moved } as const;
      return thread.ask("share", { task, bytes: bytesOf(moved), signal: signalOf(options) });
    });
  }

  async finish(shares: FrostMessages, options: FrostStepOptions = {}): Promise<FrostMembership> {
    const membership = await this.#step(options, () => {
      const moved = copies("shares", shares);
      const { thread, ceremony } = this.#begun;
      const task = { op: "finish", ceremony, shares: moved } as const;
      return thread.ask("finish", { task, bytes: bytesOf(moved), signal: signalOf(options) });
    });
    this.#ended = true;
    return membershipOn(this.#begun.frost(), membership);
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#begun.thread.drop(this.#begun.ceremony);
  }

  async #step<T>(options: FrostStepOptions, ask: () => Promise<T>): Promise<T> {
    const signal = signalOf(options);
    signal?.throwIfAborted();
    if (this.#ended) throw new CryptoError("disposed", "This key generation has ended");
    if (!this.#begun.thread.gone && !this.#begun.threads.room(this.#begun.thread)) throw busy();
    try {
      return await ask();
    } catch (error) {
      // Whether the step was taken can't be known from here.
      if (signal?.aborted === true) this[Symbol.dispose]();
      throw error;
    }
  }
}

/** The door to the ceremonies of a pool. */
export function frostPoolOn(threads: Threads, options: CryptoPoolOptions): FrostPool {
  const membersMin = options.membersMin ?? MEMBERS_MIN;
  let opened = options.frost;
  const build = options.backends === "portable" ? "portable" : "auto";
  const frost = (): Frost => (opened ??= openFrost({ build }));

  /** The thread for a step among `members`, or null where it stays in place; throws where all are full. */
  function threadFor(members: number, signal: AbortSignal | undefined): Thread | null {
    signal?.throwIfAborted();
    if (members < membersMin || threads.none) return null;
    const thread = threads.free("step");
    if (thread === null && !threads.none) throw busy();
    return thread;
  }

  return {
    async generate(agreed, member, options) {
      const signal = signalOf(options);
      expectFields("agreed", agreed, AGREED);
      expectMember("member", member);
      const thread = threadFor(agreed.members.length, signal);
      if (thread === null) return new PlacedGeneration(frost().generate(agreed, member));
      const begun = { threads, thread, ceremony: thread.next, frost };
      const task = { op: "begin", agreed: agreedCopy(agreed), member } as const;
      try {
        const commitment = await thread.ask("begin", { task, bytes: [], signal });
        return new ThreadedGeneration(begun, member, commitment);
      } catch (error) {
        thread.drop(begun.ceremony);
        throw error;
      }
    },

    async accept(agreed, dealt, options) {
      const signal = signalOf(options);
      expectDealt(agreed, dealt);
      const { member, message } = dealt;
      const thread = threadFor(agreed.members.length, signal);
      if (thread === null) return frost().accept(agreed, { member, message });
      const copy = Uint8Array.from(message);
      const task = { op: "accept", agreed: agreedCopy(agreed), member, message: copy } as const;
      return membershipOn(frost(), await thread.ask("accept", { task, bytes: [copy], signal }));
    },

    async finishReshare(reshare, received, options) {
      const signal = signalOf(options);
      expectReceived(reshare, received);
      const thread = threadFor(Math.max(reshare.members.length, reshare.dealers.length), signal);
      if (thread === null) return finishReshare(reshare, received);
      const { dealers } = reshare;
      const commitments = copies("commitments", received.commitments);
      const shares = copies("shares", received.shares);
      const moved = { ...agreedCopy(reshare), group: reshare.group.encoded, dealers: [...dealers] };
      const task = { op: "reshare", reshare: moved, member: received.member, commitments, shares } as const;
      const bytes = bytesOf(commitments, shares);
      return membershipOn(frost(), await thread.ask("reshare", { task, bytes, signal }));
    },
  };
}
