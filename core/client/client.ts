/**
 * A device at work: what a person can do with it, over a sealed database that several processes share and relays
 * that may be away.
 */
import type { Crypto } from "@dchat/crypto-wasm";
import type {
  DeviceKeys,
  DeviceStore,
  Keeper,
  KeptConversation,
  KeptInvite,
  KeptMessage,
  Mls,
} from "../conversation/mod.ts";
import type { Clock, PublicKey } from "../ground/mod.ts";
import { safetyNumber } from "../identity/mod.ts";
import { sameId } from "../wire/mod.ts";
import { evidenceIn, type NamedEvidence, noteUntrue } from "./evidence.ts";
import { fault } from "./fault.ts";
import { acceptInvite } from "./acceptance.ts";
import { follows } from "./astray.ts";
import { butItWaits, isAway, isLate, isOver, untilLate } from "./away.ts";
import { type ClientEvents, conversationOf, type Device, dialRelay } from "./device.ts";
import { follow } from "./follow.ts";
import { catchUp } from "./founding.ts";
import { Inbox, isWaiting } from "./inbox.ts";
import { dropOver, makeInvite, tendInvite, toTend, watchInbox } from "./invitation.ts";
import { deliver, enqueue, takeBack } from "./outbox.ts";
import { conversationNamed } from "./name.ts";
import { inPool, pause } from "./patience.ts";
import type { DialRelay } from "./port.ts";
import { sync } from "./sync.ts";
import { Turns } from "./turns.ts";

/** Conversations of one relay brought up to date at once, each over a connection of its own. */
const SYNC_WIDTH = 8;
/** How long one relay may take for a sync; what it has brought until then is kept. */
const RELAY_MS_MAX = 600_000;
/** Conversations and invitations followed at once, each over a connection; where there are more, each has its turn. */
const FOLLOWED = { places: 256, turnMs: 10_000 };
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 5_000;
/** How often a follower looks for conversations and invitations that other processes have added. */
const LOOK_EVERY_MS = 500;

export interface ClientOptions {
  /** Borrowed, like the rest. */
  readonly store: DeviceStore;
  readonly crypto: Crypto;
  readonly mls: Mls;
  readonly keys: DeviceKeys;
  readonly identity: PublicKey;
  readonly dial: DialRelay;
  readonly clock: Clock;
  readonly events: ClientEvents;
  /** How many conversations and invitations are followed at once, and how long each while others wait. */
  readonly followed?: { readonly places: number; readonly turnMs: number };
  /** How long one relay may take for a sync. */
  readonly relayMsMax?: number;
}

/** Where a message went. `seq` is null while it waits for its relay. */
export interface Sent {
  readonly conversation: string;
  readonly seq: number | null;
  /** That `seq` counts in. */
  readonly generation: number;
  readonly timeMs: number;
  readonly text: string;
}

/** A message with the name of its conversation. */
export interface NamedMessage extends KeptMessage {
  readonly name: string;
}

export interface Contact {
  readonly name: string;
  readonly identity: PublicKey;
  readonly safetyNumber: string;
  readonly sinceMs: number;
  /** Whether the other side can have joined: the Welcome is at the relay. */
  readonly founded: boolean;
  readonly alarms: readonly string[];
}

/** What whoever stays with a conversation or an invitation needs: until when, with which place, whom to tell. */
interface Staying {
  readonly signal: AbortSignal;
  readonly turns: Turns;
  readonly onNews: () => void;
}

export class Client {
  readonly #device: Device;
  readonly #followed: NonNullable<ClientOptions["followed"]>;
  readonly #relayMsMax: number;

  constructor({ followed = FOLLOWED, relayMsMax = RELAY_MS_MAX, ...device }: ClientOptions) {
    this.#device = device;
    this.#relayMsMax = relayMsMax;
    this.#followed = followed;
  }

  /** An invitation's URI; its KeyPackage lies at the relay when this resolves. */
  invite(options: { name: string | null; addresses: readonly string[]; signal?: AbortSignal }) {
    return makeInvite(this.#device, options);
  }

  /** Accepts an invitation; where the relay goes away midway, the rest is done by the next command. */
  async accept(options: { uri: string; name: string | null; signal?: AbortSignal }): Promise<Contact> {
    const { id } = await acceptInvite(this.#device, options);
    await this.#tryConversation(id, options.signal);
    const kept = await this.#device.store.transact((keeper) => conversationOf(keeper, id));
    return this.#contact(kept);
  }

  /**
   * Sends a text; resolves when the relay has acknowledged it or, with the relay away, once it waits in the outbox.
   * With `wait` it waits for the relay however long it takes, or until `signal` aborts. What is thrown once the text
   * waits says so.
   */
  async send(options: { to: string; text: string; wait?: boolean; signal?: AbortSignal }): Promise<Sent> {
    const { store } = this.#device;
    const { id, name } = await store.transact((keeper) => conversationNamed(keeper, options.to));
    const entry = await enqueue(this.#device, id, options.text);
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      const find = () =>
        store.transact(
          (keeper) =>
            keeper.message(id, entry) ??
            // It went out under another id where this device's database had been set back.
            keeper.messages(id).findLast(({ mine, text }) => mine && text === options.text),
        );
      await this.#tryConversation(id, options.signal, { onlySend: true })
        .catch((error: unknown) => (isOver(error) ? Promise.reject(error) : this.#remember(id, error)))
        .catch(async (error: unknown) => {
          if (isOver(error)) await takeBack(this.#device, id, entry);
          throw (await find())?.seq === null ? butItWaits(error) : error;
        });
      const message = await find();
      if (message === undefined) throw fault("client/damaged", "The message that was sent is missing");
      const { seq, generation, timeMs, text } = message;
      if (seq !== null || options.wait !== true || options.signal?.aborted === true)
        return { conversation: name, seq, generation, timeMs, text };
      await pause(pauseMs, options.signal).catch(() => undefined);
    }
  }

  /**
   * Does everything that waits, in all conversations, as far as relays can be reached. What goes wrong with one is
   * told by the events and doesn't hold up the others; each relay has a time after which the rest is left for later.
   * `onNews` runs after each conversation.
   */
  async sync(signal?: AbortSignal, onNews: () => void = () => undefined): Promise<void> {
    await dropOver(this.#device);
    const places = await this.#device.store.transact((keeper) =>
      [...toTend(this.#device, keeper), ...keeper.conversations()].map(({ place }) => place),
    );
    const relays = new Map(places.map(({ record }) => [record.relay.toHex(), record.relay]));
    await Promise.all(
      [...relays.values()].map((relay) =>
        untilLate(this.#relayMsMax, signal, (whileOurs) => this.#syncAt(relay, whileOurs, onNews)),
      ),
    );
  }

  /** Invitations first: they bring conversations. */
  async #syncAt(relay: PublicKey, signal: AbortSignal, onNews: () => void): Promise<void> {
    const isHere = ({ place }: Pick<KeptConversation, "place">) => sameId(place.record.relay, relay);
    await this.#tendInvites(isHere, signal);
    const all = await this.#device.store.transact((keeper) => keeper.conversations().filter(isHere));
    await inPool(all, SYNC_WIDTH, async ({ id, name }) => {
      const work = () => this.#tryConversation(id, signal).catch((error) => this.#remember(id, error));
      await this.#orTell(name, work, signal);
      onNews();
    });
  }

  /** Stays with all conversations, those to come included, until the signal aborts. */
  async follow(signal: AbortSignal, onNews: () => void): Promise<void> {
    const running = new Map<string, Promise<void>>();
    const turns = new Turns({ ...this.#followed, clock: this.#device.clock });
    const staying = { signal, turns, onNews };
    await dropOver(this.#device);
    while (!signal.aborted) {
      const { conversations, invites } = await this.#device.store.transact((keeper) => ({
        conversations: keeper.conversations(),
        invites: toTend(this.#device, keeper),
      }));
      const start = (key: string, work: () => Promise<void>) => {
        if (!running.has(key))
          running.set(
            key,
            work().finally(() => running.delete(key)),
          );
      };
      for (const { id } of conversations) start(`conversation ${id}`, () => this.#stay(id, staying));
      for (const kept of invites) start(`invite ${kept.id}`, () => this.#stayForGuest(kept, staying));
      await pause(LOOK_EVERY_MS, signal).catch(() => undefined);
    }
    await Promise.all(running.values());
  }

  /**
   * Gives `show` what others wrote and nobody has been shown, and notes it as shown once that has returned; whoever is
   * killed in between shows it again. `show` may take as long as it likes: other processes work meanwhile, and wait
   * with what they would show, until `signal` aborts where there is one.
   */
  showNew(
    show: (messages: readonly NamedMessage[]) => void,
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    const { store } = this.#device;
    const { signal } = options;
    const work = async (): Promise<void> => {
      const unshown = await store.transact(unshownNamed);
      if (unshown.length === 0) return;
      show(unshown);
      await store.transact((keeper) => keeper.markShown(unshown));
    };
    if (signal === undefined) return store.inTurn(work);
    return store.inTurn(work, { signal, waitMs: Number.POSITIVE_INFINITY }).catch((error: unknown) => {
      if (error !== signal.reason) throw error;
    });
  }

  contacts(): Promise<readonly Contact[]> {
    return this.#device.store.transact((keeper) => keeper.conversations().map((one) => this.#contact(one)));
  }

  /** Conversations with how much lies in them. */
  conversations() {
    return this.#device.store.transact((keeper) =>
      keeper.conversations().map((kept) => ({
        kept,
        messages: keeper.countMessages(kept.id),
        unsent: keeper.unsent(kept.id).length,
      })),
    );
  }

  /** What proves that relays broke their word, of the conversation `name` or of all. */
  evidence(name?: string): Promise<readonly NamedEvidence[]> {
    return this.#device.store.transact((keeper) => evidenceIn(keeper, name));
  }

  /** Everything that was said with somebody, in the order of the log, what waits last. */
  history(name: string): Promise<readonly NamedMessage[]> {
    return this.#device.store.transact((keeper) => {
      const { id } = conversationNamed(keeper, name);
      return keeper.messages(id).map((message) => ({ ...message, name }));
    });
  }

  #contact(kept: KeptConversation): Contact {
    const { crypto, identity } = this.#device;
    return {
      name: kept.name,
      identity: kept.peer,
      safetyNumber: safetyNumber(crypto, identity, kept.peer),
      sinceMs: kept.createdMs,
      founded: kept.founding === null || kept.founding.laid !== null,
      alarms: kept.alarms,
    };
  }

  async #tendInvites(
    isHere: (kept: Pick<KeptInvite, "place">) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const invites = await this.#device.store.transact((keeper) =>
      toTend(this.#device, keeper).filter(isHere),
    );
    const tend = async (kept: KeptInvite) => {
      const { addresses, record } = kept.place;
      await using session = await dialRelay(this.#device, { addresses, relay: record.relay, signal });
      const inbox = new Inbox(this.#device, session, { mailbox: kept.place.mailbox, signal });
      await tendInvite(this.#device, inbox, kept);
    };
    await inPool(invites, SYNC_WIDTH, (kept) => {
      const name = kept.name ?? "an invitation";
      return this.#orTell(name, () => this.#unlessAway(name, () => tend(kept), signal), signal);
    });
  }

  /** Tends an invitation until something has come of it; with its relay away, or after a failure, in a while again. */
  async #stayForGuest(kept: KeptInvite, staying: Staying): Promise<void> {
    using turn = await staying.turns.take();
    const signal = AbortSignal.any([staying.signal, turn.over]);
    const name = kept.name ?? "an invitation";
    const { addresses, record } = kept.place;
    let isDone = false;
    const tend = async (): Promise<void> => {
      await using session = await dialRelay(this.#device, { addresses, relay: record.relay, signal });
      const inbox = new Inbox(this.#device, session, { mailbox: kept.place.mailbox, signal });
      await tendInvite(this.#device, inbox, kept);
      const { store } = this.#device;
      const waits = await store.transact((keeper) =>
        keeper.invites().some((one) => one.id === kept.id && isWaiting(one)),
      );
      if (waits) await watchInbox(this.#device, inbox, { kept, signal });
      isDone = true;
    };
    await this.#orTell(name, () => this.#unlessAway(name, tend, signal), signal);
    if (!isDone) await pause(RETRY_MS_MAX, signal).catch(() => undefined);
  }

  /** What goes wrong with one conversation is told, and the others go on; an abort goes through. */
  async #orTell(name: string, work: () => Promise<unknown>, signal?: AbortSignal): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (signal?.aborted !== true) this.#device.events.failed(name, error);
    }
  }

  /** A relay that was caught stays noted with the conversation. Throws `error` on, unless it is that one is over. */
  async #remember(id: number, error: unknown): Promise<void> {
    if (isOver(error)) return;
    await noteUntrue(this.#device, id, error);
    throw error;
  }

  /** Brings a conversation as far as its relay allows; where that is away, says so and leaves it for later. */
  async #tryConversation(
    id: number,
    signal?: AbortSignal,
    options: { onlySend?: boolean } = {},
  ): Promise<void> {
    const { name, place } = await this.#device.store.transact((keeper) => conversationOf(keeper, id));
    const work = async (): Promise<void> => {
      const target = { addresses: place.addresses, relay: place.record.relay, signal };
      await using session = await dialRelay(this.#device, target);
      const line = { device: this.#device, session, id, ...(signal === undefined ? {} : { signal }) };
      await catchUp(line, options);
      if (!(await deliver(line))) {
        await sync(line);
        await deliver(line);
      }
      if (options.onlySend === true) await follows(line);
    };
    await this.#unlessAway(name, work, signal);
  }

  async #stay(id: number, { signal, turns, onNews }: Staying): Promise<void> {
    let pauseMs = RETRY_MS_MIN;
    let called = "";
    const stay = async (whileOurs: AbortSignal): Promise<void> => {
      const { name, place } = await this.#device.store.transact((keeper) => conversationOf(keeper, id));
      called = name;
      const work = async (): Promise<void> => {
        const target = { addresses: place.addresses, relay: place.record.relay, signal: whileOurs };
        await using session = await dialRelay(this.#device, target);
        pauseMs = RETRY_MS_MIN;
        await follow({ device: this.#device, session, id, signal: whileOurs }, onNews);
      };
      const reached = await this.#unlessAway(name, work, whileOurs);
      if (!reached && !whileOurs.aborted) pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX);
    };
    while (!signal.aborted) {
      {
        using turn = await turns.take();
        const whileOurs = AbortSignal.any([signal, turn.over]);
        const failed = (error: unknown) => {
          if (!whileOurs.aborted) this.#device.events.failed(called, error);
        };
        await stay(whileOurs)
          .catch((error: unknown) => {
            if (!whileOurs.aborted) pauseMs = RETRY_MS_MAX;
            return this.#remember(id, error);
          })
          .catch(failed);
      }
      await pause(pauseMs, signal).catch(() => undefined);
    }
  }

  /** False where the relay was away or went away; throws everything else. */
  async #unlessAway(name: string, work: () => Promise<void>, signal?: AbortSignal): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!isAway(error)) throw error;
      if (signal?.aborted === true && !isLate(signal.reason)) return false;
      this.#device.events.offline(name, error instanceof Error ? error.message : String(error));
      return false;
    }
  }
}

function unshownNamed(keeper: Keeper): readonly NamedMessage[] {
  const names = new Map(keeper.conversations().map((one) => [one.id, one.name]));
  return keeper.unshown().map((message) => ({ ...message, name: names.get(message.conversation) ?? "" }));
}
