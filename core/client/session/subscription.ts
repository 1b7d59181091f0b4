import type { MailboxId } from "../../ground/mod.ts";
import type { Refusal, Reply } from "../../wire/mod.ts";
import type { SubscriptionSink } from "../port.ts";
import type { Waiter } from "./pending.ts";
import { untrue, type Verifier } from "./verify.ts";

export interface FollowerOptions {
  readonly from: number;
  readonly mailbox: MailboxId;
  readonly sink: SubscriptionSink;
  readonly verifier: Verifier;
  /** The sink is done with `bytes` of entries. */
  took(bytes: number): void;
  /** The sink failed: what it was handed isn't taken, and the session can't go on. */
  broken(error: unknown): void;
}

/** Hands a subscription's replies to its sink one after another, checked: dense, bodies as their leaves say. */
export class Follower implements Waiter {
  readonly #options: FollowerOptions;
  readonly #waiting: Reply[] = [];
  #next: number;
  #handing = false;
  #ended = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#next = options.from;
  }

  reply(reply: Reply): boolean {
    const { verifier, mailbox } = this.#options;
    if (reply.is === "entry") {
      if (reply.leaf.seq !== this.#next)
        throw untrue(`entry ${reply.leaf.seq} came in place of ${this.#next}`);
      this.#next += 1;
      verifier.entry(reply);
    } else if (reply.is === "live") verifier.head(reply.head, mailbox);
    else if (reply.is === "ended" || reply.is === "refused") verifier.refusal(reply.refusal, mailbox);
    else throw untrue(`a subscription got ${reply.is}`);
    this.#waiting.push(reply);
    if (!this.#handing) void this.#handOn();
    return reply.is === "ended" || reply.is === "refused";
  }

  fail(): void {
    this.#end(null);
  }

  /** Hands nothing on any more; the credit of what still waits goes back. */
  stop(): void {
    this.#ended = true;
    for (const reply of this.#waiting.splice(0)) this.#options.took(bytesOf(reply));
  }

  async #handOn(): Promise<void> {
    this.#handing = true;
    try {
      for (let reply = this.#waiting.shift(); reply !== undefined; reply = this.#waiting.shift()) {
        const done = this.#hand(reply);
        // One after another is what a sink is promised
        if (done !== undefined) await done;
        this.#options.took(bytesOf(reply));
      }
    } catch (error) {
      this.#options.broken(error);
    } finally {
      this.#handing = false;
    }
  }

  #hand(reply: Reply): Promise<void> | void {
    if (this.#ended) return undefined;
    const { sink } = this.#options;
    if (reply.is === "entry") return sink.entry(reply);
    if (reply.is === "live") return sink.live(reply.head);
    if (reply.is === "ended" || reply.is === "refused") this.#end(reply.refusal);
    return undefined;
  }

  #end(refusal: Refusal | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.sink.ended(refusal);
  }
}

function bytesOf(reply: Reply): number {
  return reply.is === "entry" ? (reply.entry?.length ?? 0) : 0;
}
