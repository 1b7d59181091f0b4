/** An invitation's inbox at its relay, in whichever generation it lives there: a restore starts the next one. */
import type { KeptInvite } from "../conversation/mod.ts";
import type { EntryId, MailboxId } from "../ground/mod.ts";
import { type CommandBody, GENERATION_FIRST } from "../wire/mod.ts";
import { type Device, withKey } from "./device.ts";
import { STARTS_MAX } from "./line.ts";
import { untrue } from "./log.ts";
import { patiently } from "./patience.ts";
import type {
  CommandResult,
  ReadResult,
  Refused,
  RelaySession,
  Signing,
  SingleBody,
  SubscriptionSink,
} from "./port.ts";

/** Whether somebody may still accept by it. */
export function isWaiting({ stage }: Pick<KeptInvite, "stage">): boolean {
  return stage === "making" || stage === "open";
}

/**
 * Commands to one inbox over one session, signed for the generation that the relay has shown last, and again while
 * it is busy. Nothing of its log is compared from one generation to the next: what counts in an inbox is sealed
 * under the invitation's secret, and opens or doesn't.
 */
export class Inbox {
  readonly #device: Device;
  readonly #session: RelaySession;
  readonly #mailbox: MailboxId;
  readonly #options: { readonly signal?: AbortSignal };
  #generation = GENERATION_FIRST;

  /** `signal` aborts what is asked. */
  constructor(
    device: Device,
    session: RelaySession,
    { mailbox, signal }: { mailbox: MailboxId; signal?: AbortSignal | undefined },
  ) {
    this.#device = device;
    this.#session = session;
    this.#mailbox = mailbox;
    this.#options = signal === undefined ? {} : { signal };
  }

  command(seed: Uint8Array, body: SingleBody): Promise<CommandResult> {
    return this.#inItsGeneration<CommandResult>(seed, (signing) =>
      this.#session.command(body, signing, this.#options),
    );
  }

  /** Makes it again where the relay has lost it, in a generation after all that it can have had. */
  makeAgain(seed: Uint8Array, body: Extract<CommandBody, { op: "create" }>): Promise<CommandResult> {
    this.#generation = Math.max(this.#generation + 1, Math.floor(this.#device.clock.now() / 1000));
    return this.command(seed, body);
  }

  read(seed: Uint8Array, range: { from: number; bytesMax: number }): Promise<ReadResult> {
    return this.#inItsGeneration<ReadResult>(seed, (signing) =>
      this.#session.read(range, signing, this.#options),
    );
  }

  take(seed: Uint8Array, take: EntryId): Promise<ReadResult> {
    return this.#inItsGeneration<ReadResult>(seed, (signing) =>
      this.#session.take({ op: "take", take }, signing, this.#options),
    );
  }

  /** In the generation that the last command found. Returns what ends it. */
  subscribe(seed: Uint8Array, sink: SubscriptionSink): () => void {
    using key = this.#device.crypto.ed25519.fromSeed(seed);
    return this.#session.subscribe(0, { mailbox: this.#mailbox, generation: this.#generation, key }, sink);
  }

  async #inItsGeneration<T extends { readonly is: string }>(
    seed: Uint8Array,
    attempt: (signing: Signing) => Promise<T | Refused>,
  ): Promise<T | Refused> {
    for (let starts = 0; starts < STARTS_MAX; starts++) {
      const result = await withKey(this.#device, seed, (key) =>
        patiently<T>(
          this.#device,
          () => attempt({ mailbox: this.#mailbox, generation: this.#generation, key }),
          this.#options.signal,
        ),
      );
      if (!("refusal" in result) || result.refusal.code !== "generation") return result;
      this.#generation = result.refusal.started.generation;
    }
    throw untrue(`an invitation's inbox started ${STARTS_MAX} generations while it was asked once`);
  }
}
