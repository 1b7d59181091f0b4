/** Requests to the FROST operations of the module, and their answers. Numbers are little-endian. */
import { CryptoError } from "../error.ts";
import type { Instance, OperationName } from "../wasm/instance.ts";
import { expectDone, type Handle, readU32 } from "../wasm/runtime.ts";
import { STATUS } from "../wasm/status.ts";
import { parseRefusal } from "./refusal.ts";

/** What the members of a ceremony send, by the member that the caller's channel authenticated. */
export type FrostMessages = ReadonlyMap<number, Uint8Array>;

/** The most members that a group may have. */
export const FROST_MEMBERS_MAX = 16;
const MEMBER_MAX = 0xffff;
const SESSION_BYTES = 32;
/** A refusal's longest answer: reason, count, a member in 16 bits for each. */
const REFUSAL_BYTES_MAX = 2 + 2 * 255;

/** Collects a request. What it wrote is wiped by `ask`. */
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

  blob(value: Uint8Array): this {
    return this.u32(value.length).bytes(value);
  }

  /** A key of the module; all of a request must be of one instance. */
  handle(name: string, handle: Handle): this {
    if (this.#instance !== undefined && this.#instance !== handle.instance) {
      throw new CryptoError("argument", `${name} is of another WASM instance than what it is used with`);
    }
    this.#instance = handle.instance;
    return this.u32(handle.number);
  }

  session(session: Uint8Array): this {
    if (!(session instanceof Uint8Array) || session.length !== SESSION_BYTES) {
      throw new CryptoError("argument", `session must be ${SESSION_BYTES} bytes`);
    }
    return this.bytes(session);
  }

  member(name: string, member: number): this {
    if (!Number.isSafeInteger(member) || member < 1 || member > MEMBER_MAX) {
      throw new CryptoError("argument", `${name} must be a whole number from 1 to ${MEMBER_MAX}`);
    }
    return this.u16(member);
  }

  members(name: string, members: Iterable<number>): this {
    const all = [...members];
    if (all.length > FROST_MEMBERS_MAX) {
      throw new CryptoError("argument", `${name} must be at most ${FROST_MEMBERS_MAX}, got ${all.length}`);
    }
    this.u8(all.length);
    for (const member of all) this.member(name, member);
    return this;
  }

  threshold(threshold: number): this {
    if (!Number.isSafeInteger(threshold) || threshold < 2 || threshold > FROST_MEMBERS_MAX) {
      throw new CryptoError("argument", `threshold must be a whole number from 2 to ${FROST_MEMBERS_MAX}`);
    }
    return this.u16(threshold);
  }

  messages(name: string, messages: FrostMessages): this {
    if (messages.size > FROST_MEMBERS_MAX) {
      throw new CryptoError("argument", `${name} must be at most ${FROST_MEMBERS_MAX}, got ${messages.size}`);
    }
    this.u8(messages.size);
    for (const [from, message] of messages) this.member(name, from).blob(expectMessage(name, message));
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

/** Throws CryptoError naming `name` unless `message` is bytes. */
export function expectMessage(name: string, message: Uint8Array): Uint8Array {
  if (message instanceof Uint8Array) return message;
  throw new CryptoError("argument", `${name} must be bytes`);
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
