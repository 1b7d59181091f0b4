/** Requests to the FROST operations of the module, and their answers. Numbers are little-endian. */
import {
  bytesOf,
  type Check,
  expectArray,
  expectBytes,
  expectMap,
  expectWhole,
  refuseArgument,
  wholeIn,
} from "../argument.ts";
import { CryptoError } from "../error.ts";
import type { Instance, OperationName } from "../wasm/instance.ts";
import { expectDone, Handle, readU32 } from "../wasm/runtime.ts";
import { STATUS } from "../wasm/status.ts";
import { parseRefusal } from "./refusal.ts";

/** What the members of a ceremony send, by the member that the caller's channel authenticated. */
export type FrostMessages = ReadonlyMap<number, Uint8Array>;

/** The most members that a group may have. */
export const FROST_MEMBERS_MAX = 16;
/** The longest message that is signed; what is longer is hashed first. */
export const FROST_SIGNED_BYTES_MAX = 1 << 20;
const MEMBER_MAX = 0xffff;
/** No message is as long as this, so that the module refuses the first bytes of a longer one, and names its sender. */
const MESSAGE_BYTES_MAX = 4096;

export const expectMember: Check = wholeIn({ min: 1, max: MEMBER_MAX });
export const expectMembers: Check = (name, members) => {
  expectArray(name, members);
  expectWhole(`${name}.length`, members.length, { min: 0, max: FROST_MEMBERS_MAX });
  for (const [i, member] of members.entries()) expectMember(`${name}[${i}]`, member);
};
export const expectMessages: Check = (name, messages) => {
  expectMap(name, messages);
  expectWhole(`${name}.size`, messages.size, { min: 0, max: FROST_MEMBERS_MAX });
  for (const [from, message] of messages) {
    expectMember(`a sender of ${name}`, from);
    expectBytes(`${name} of ${String(from)}`, message);
  }
};

/** What all members of a ceremony agree on before it. */
export const AGREED = {
  session: bytesOf(32),
  members: expectMembers,
  threshold: wholeIn({ min: 2, max: FROST_MEMBERS_MAX }),
} as const satisfies Record<string, Check>;

/** What a handle of FROST names. */
export type FrostKind = "generation" | "group" | "nonces" | "package" | "share";

export class FrostHandle extends Handle {
  readonly kind: FrostKind;

  constructor(instance: Instance, number: number, kind: FrostKind) {
    super(instance, number);
    this.kind = kind;
  }
}

/** That a value is a group or a share of FROST. */
export const expectHeld: Check = (name, value) => {
  const handle: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "handle") : null;
  if (!(handle instanceof FrostHandle) || handle.kind !== name) {
    refuseArgument(name, `a FROST ${name}`, value);
  }
};
/** A refusal's longest answer: reason, count, a member in 16 bits for each. */
const REFUSAL_BYTES_MAX = 2 + 2 * 255;

/** Collects a request of arguments that have been checked. What it wrote is wiped by `ask`. */
export class Request {
  #bytes = new Uint8Array(256);
  #length = 0;
  #instance: Instance | undefined;

  u8(value: number): this {
    this.#room(1)[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value).u8(value >>> 8);
  }

  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16);
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length).set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** A key of the module; all of a request must be of one instance. */
  handle(name: string, handle: Handle): this {
    if (this.#instance !== undefined && this.#instance !== handle.instance) {
      throw new CryptoError("argument", `${name} is of another WASM instance than what it is used with`);
    }
    this.#instance = handle.instance;
    return this.u32(handle.number);
  }

  member(member: number): this {
    return this.u16(member);
  }

  members(members: readonly number[]): this {
    this.u8(members.length);
    for (const member of members) this.u16(member);
    return this;
  }

  /** Session, members and threshold of a ceremony. */
  agreed(agreed: {
    readonly session: Uint8Array;
    readonly members: readonly number[];
    readonly threshold: number;
  }): this {
    return this.bytes(agreed.session).members(agreed.members).u16(agreed.threshold);
  }

  /** Someone's message as the rest of the request. */
  message(message: Uint8Array): this {
    return this.bytes(message.subarray(0, MESSAGE_BYTES_MAX));
  }

  /** Someone's message, with its length. */
  blobOf(message: Uint8Array): this {
    const value = message.subarray(0, MESSAGE_BYTES_MAX);
    return this.u32(value.length).bytes(value);
  }

  messages(messages: FrostMessages): this {
    this.u8(messages.size);
    for (const [from, message] of messages) this.u16(from).blobOf(message);
    return this;
  }

  /** Asks `operation` of the instance that the request's keys are in, or of `otherwise` where it has none. */
  ask(operation: OperationName, doing: string, otherwise?: Instance): Answer {
    const instance = this.#instance ?? otherwise;
    if (instance === undefined) throw new CryptoError("argument", `Cannot ${doing} without a key`);
    const length = this.#length;
    let used = length;
    try {
      instance.arena(Math.max(length, REFUSAL_BYTES_MAX)).set(this.#bytes.subarray(0, length));
      const status = instance.call(instance.operations[operation], length);
      if (status === STATUS.refused) throw parseRefusal(doing, instance.answer(REFUSAL_BYTES_MAX));
      if (status === STATUS.malformed) throw new CryptoError("argument", `Cannot ${doing}: malformed`);
      if (status === STATUS.tooManyHandles) {
        throw new CryptoError(
          "backend",
          `Cannot ${doing}: the WASM module keeps as much of FROST as it may; dispose packages, shares or nonces`,
        );
      }
      used = Math.max(used, expectDone(status));
      return new Answer(instance, instance.answer(status));
    } finally {
      this.#bytes.fill(0);
      instance.clear(Math.max(used, REFUSAL_BYTES_MAX));
    }
  }

  #room(bytes: number): Uint8Array {
    if (this.#length + bytes > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#length + bytes));
      larger.set(this.#bytes);
      this.#bytes.fill(0);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

/** Reads an answer from its front. */
export class Answer {
  readonly instance: Instance;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  constructor(instance: Instance, bytes: Uint8Array<ArrayBuffer>) {
    this.instance = instance;
    this.#bytes = bytes;
  }

  u8(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  u32(): number {
    this.#at += 4;
    return readU32(this.#bytes, this.#at - 4);
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  blob(): Uint8Array<ArrayBuffer> {
    return this.bytes(this.u32());
  }

  messages(): Map<number, Uint8Array> {
    const messages = new Map<number, Uint8Array>();
    for (let left = this.u8(); left > 0; left--) messages.set(this.u16(), this.blob());
    return messages;
  }

  rest(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(this.#at);
  }

  /** Zeroes the answer, once what is secret in it has been handed out. */
  wipe(): void {
    this.#bytes.fill(0);
  }
}
