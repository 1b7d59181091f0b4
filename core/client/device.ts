import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import type { DeviceKeys, DeviceStore, Keeper, KeptConversation, Mls } from "../conversation/mod.ts";
import { clocksApart } from "./clocks.ts";
import { type Clock, type PublicKey, publicKey } from "../ground/mod.ts";
import { fault } from "./fault.ts";
import type { DialRelay } from "./port.ts";

/** What the client tells whoever watches it; nothing here carries text or keys. */
export interface ClientEvents {
  /** A relay or a member was caught at something, or something was lost. */
  alarm(conversation: string, what: string): void;
  /** A relay couldn't be reached; work goes on later. */
  offline(conversation: string, why: string): void;
  /** Something went wrong with one conversation; the others go on. */
  failed(conversation: string, error: unknown): void;
  /** Somebody has accepted an invitation of ours: the conversation is there. */
  joined(conversation: string): void;
  /** A relay's clock is far from this machine's; `what` has both times. Work goes on. */
  skewed(what: string): void;
}

/** Everything that the client's parts work with. */
export interface Device {
  readonly store: DeviceStore;
  readonly crypto: Crypto;
  readonly mls: Mls;
  readonly keys: DeviceKeys;
  readonly identity: PublicKey;
  readonly dial: DialRelay;
  readonly clock: Clock;
  readonly events: ClientEvents;
}

type Target = Parameters<DialRelay>[0];

/** Connects to a relay, and tells where its clock is far from ours. */
export async function dialRelay(
  device: Device,
  { signal, ...target }: Omit<Target, "signal"> & { readonly signal?: AbortSignal | undefined },
): ReturnType<DialRelay> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await device.dial(signal === undefined ? target : { ...target, signal }));
  const apart = clocksApart(device.clock.now(), session.skewMs);
  if (apart !== null) device.events.skewed(apart);
  stack.move();
  return session;
}

/** Runs `work` with the key of an Ed25519 seed, and wipes the key after it. */
export async function withKey<T>(
  device: Device,
  seed: Uint8Array,
  work: (key: SigningKey) => Promise<T> | T,
): Promise<T> {
  using key = device.crypto.ed25519.fromSeed(seed);
  return await work(key);
}

/** The public key of an Ed25519 seed. */
export function publicOf(crypto: Crypto, seed: Uint8Array): PublicKey {
  using key = crypto.ed25519.fromSeed(seed);
  return publicKey(key.publicKey.slice());
}

/** A fresh Ed25519 seed with its public key. */
export function freshKey(crypto: Crypto): { seed: Uint8Array; publicKey: PublicKey } {
  using key = crypto.ed25519.generate();
  return { seed: key.exportSeed(), publicKey: publicKey(key.publicKey.slice()) };
}

/** The conversation with `id`, which exists. */
export function conversationOf(keeper: Keeper, id: number): KeptConversation {
  const found = keeper.conversation(id);
  if (found === null) throw fault("client/unknown", `There is no conversation ${id}`);
  return found;
}

/** Alarms that a conversation keeps: members and relays can make as many as they like. */
const ALARMS_MAX = 32;

/** Notes on the conversation that something was caught; once for each thing. */
export function putAlarm(keeper: Keeper, id: number, what: string): boolean {
  const conversation = conversationOf(keeper, id);
  if (conversation.alarms.includes(what)) return false;
  const alarms = [...conversation.alarms, what];
  if (alarms.length > ALARMS_MAX) alarms.splice(spare(alarms), 1);
  keeper.putConversation({ ...conversation, alarms });
  return true;
}

/** The oldest alarm of those that there are the most of, numbers aside: what was said once isn't crowded out. */
function spare(alarms: readonly string[]): number {
  const kinds = alarms.map((what) => what.replaceAll(/\d+/g, "0"));
  const count = (kind: string) => kinds.filter((other) => other === kind).length;
  return kinds.reduce((most, kind, at) => (count(kind) > count(kinds[most] ?? "") ? at : most), 0);
}
