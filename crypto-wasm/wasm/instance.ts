/**
 * One running instance of the module: its memory, its arena, and the rule that a trap ends it.
 *
 * A request is written to the front of the arena, an operation is called with its length, and the answer is read
 * from the front. Both sides check the bounds. `clear` zeroes what a request and its answer left, and the module's
 * stack below the depth that operations reach, so that no copy of a secret outlasts its use.
 */
import { expectBytes, expectFunction } from "../argument.ts";
import { CryptoError } from "../error.ts";

/** An operation: the request's length and at most four numbers more; answers a length or a status. */
type Operation = (length: number, a?: number, b?: number, c?: number, d?: number) => number;

/** The operations of rust/src, by name. */
const OPERATIONS = [
  "aead_once",
  "aes_gcm_once",
  "cipher_key",
  "cipher_open",
  "cipher_seal",
  "ed25519_agreement",
  "ed25519_key",
  "ed25519_seed",
  "ed25519_sign",
  "ed25519_to_x25519",
  "ed25519_verify",
  "ed25519_verify_batch",
  "frost_accept",
  "frost_aggregate",
  "frost_commit",
  "frost_deal",
  "frost_dkg_begin",
  "frost_dkg_finish",
  "frost_dkg_judge",
  "frost_dkg_share",
  "frost_group_export",
  "frost_group_import",
  "frost_package",
  "frost_repair_deltas",
  "frost_repair_finish",
  "frost_repair_sigma",
  "frost_reshare_deal",
  "frost_reshare_finish",
  "frost_share_about",
  "frost_share_export",
  "frost_share_holds",
  "frost_share_import",
  "frost_sign",
  "x25519_agree",
  "x25519_key",
  "x25519_secret",
] as const;
export type OperationName = (typeof OPERATIONS)[number];

/** The operations that draw randomness and then keep something: their answers begin with its handle. */
const DRAWING_KEEPERS: readonly OperationName[] = ["frost_commit", "frost_dkg_begin"];

/** The longest request: what rust/src/memory.rs lets the arena grow to. */
export const REQUEST_BYTES_MAX = 1 << 26;
/**
 * How much of the stack is wiped after a secret operation. The deepest (FROST's) reach 11 KiB, keys and signatures 2;
 * memory_test.ts paints the stack and holds that none goes below this.
 */
const STACK_WIPED_BYTES = 16 * 1024;
/** No secret is shorter. */
const SECRET_BYTES_MIN = 32;
/** What Web Crypto gives in one call. */
const RANDOM_BYTES_MAX = 65_536;

export interface InstanceOptions {
  /** Replaces the system's randomness, for simulation and vectors only. */
  readonly random?: ((length: number) => Uint8Array) | undefined;
}

/** What a module exports, checked by name and kind. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly stackTop: number;
  readonly reserve: (bytes: number) => number;
  readonly reserved: () => number;
  readonly drop: (handle: number) => void;
  readonly count: () => number;
  readonly operations: Readonly<Record<OperationName, Operation>>;
}

export class Instance {
  readonly operations: Readonly<Record<OperationName, Operation>>;
  readonly #exports: Exports;
  #bytes: Uint8Array;
  #arena = 0;
  #arenaBytes = 0;
  /** How far requests have reached since all was cleared. */
  #touched = 0;
  /** The arena, kept so that a frame makes no view of it. */
  #view: Uint8Array = new Uint8Array(0);
  #poisoned = false;
  /** What went wrong with a source of randomness during the call that runs now. */
  #undrawn: { readonly error: unknown } | null = null;

  constructor(module: WebAssembly.Module, options: InstanceOptions = {}) {
    const random = options.random;
    if (random !== undefined) expectFunction("random", random);
    const fill = (at: number, length: number): void => {
      if (random !== undefined && this.#drew(random, at, length)) return;
      const place = this.#memory().subarray(at, at + length);
      for (let from = 0; from < length; from += RANDOM_BYTES_MAX) {
        crypto.getRandomValues(place.subarray(from, Math.min(from + RANDOM_BYTES_MAX, length)));
      }
    };
    this.#exports = checkedExports(new WebAssembly.Instance(module, { host: { random: fill } }).exports);
    this.operations = this.#exports.operations;
    this.#bytes = new Uint8Array(this.#exports.memory.buffer);
  }

  /** Whether a trap ended it; every call from then on throws CryptoError("poisoned"). */
  get poisoned(): boolean {
    return this.#poisoned;
  }

  /** How many handles are open. */
  get handles(): number {
    return this.#exports.count();
  }

  /** The arena with room for `bytes`, as a view that holds until the next call. */
  arena(bytes: number): Uint8Array {
    if (this.#poisoned) throw poisonedError();
    if (bytes > this.#touched) this.#touched = bytes;
    if (bytes > this.#arenaBytes) this.#grow(bytes);
    // Growing the memory detaches the view, wherever the arena lies.
    if (this.#view.length === 0) {
      this.#view = this.#memory().subarray(this.#arena, this.#arena + this.#arenaBytes);
    }
    return this.#view;
  }

  /** Calls an operation with a request of `length` bytes in the arena. Answers a length, or a status below zero. */
  call(operation: Operation, length: number, a = 0, b = 0, c = 0, d = 0): number {
    if (this.#poisoned) throw poisonedError();
    if (length > this.#arenaBytes) this.#grow(length);
    let answered: number;
    try {
      answered = operation(length, a, b, c, d);
    } catch (cause) {
      throw this.#poison(cause);
    }
    if (this.#undrawn !== null) this.#discard(operation, answered);
    return answered;
  }

  /** The answer: a copy of the first `length` bytes of the arena. */
  answer(length: number): Uint8Array<ArrayBuffer> {
    // An answer may be longer than any request was, and then the arena has moved.
    if (length > this.#arenaBytes) this.#grow(length);
    return new Uint8Array(this.arena(length).subarray(0, length));
  }

  /** Zeroes the first `bytes` of the arena, and what operations left on the stack. */
  clear(bytes: number): void {
    if (this.#poisoned) return;
    const memory = this.#memory();
    memory.fill(0, this.#arena, this.#arena + Math.min(bytes, this.#arenaBytes));
    const top = this.#exports.stackTop;
    memory.fill(0, Math.max(0, top - STACK_WIPED_BYTES), top);
  }

  /** Wipes what a handle names, and what requests left in the arena and on the stack. */
  drop(handle: number): void {
    if (this.#poisoned) return;
    try {
      this.#exports.drop(handle);
    } catch (cause) {
      throw this.#poison(cause);
    }
    this.clear(this.#touched);
    this.#touched = 0;
  }

  /** The whole linear memory, and where the stack begins that grows down from there, for tests that look into it. */
  inspect(): { readonly memory: Uint8Array; readonly stackTop: number } {
    return { memory: this.#memory(), stackTop: this.#exports.stackTop };
  }

  /**
   * Writes what `random` gives to `at`; false where that is wrong. To throw here would leave the operation half done
   * and take every key of the instance with it: it goes on with the system's randomness, and `call` throws after it.
   */
  #drew(random: (length: number) => Uint8Array, at: number, length: number): boolean {
    if (this.#undrawn !== null) return false;
    try {
      const drawn = drawnFrom(random, length);
      this.#memory().set(drawn, at);
      drawn.fill(0);
      return true;
    } catch (error) {
      this.#undrawn = { error };
      return false;
    }
  }

  /** Wipes what an operation made of other randomness than its source's, and throws what was wrong with that. */
  #discard(operation: Operation, answered: number): void {
    const undrawn = this.#undrawn;
    this.#undrawn = null;
    if (answered > 0) {
      const answer = this.answer(answered);
      if (DRAWING_KEEPERS.some((name) => operation === this.operations[name]))
        this.drop(new DataView(answer.buffer).getUint32(0, true));
      answer.fill(0);
      this.clear(answered);
    }
    throw undrawn?.error;
  }

  #memory(): Uint8Array {
    // Growing detaches the old buffer.
    if (this.#bytes.byteLength === 0) this.#bytes = new Uint8Array(this.#exports.memory.buffer);
    return this.#bytes;
  }

  #grow(bytes: number): void {
    if (bytes > REQUEST_BYTES_MAX) {
      throw new CryptoError("argument", `A request takes at most ${REQUEST_BYTES_MAX} bytes, got ${bytes}`);
    }
    let at: number;
    try {
      at = this.#exports.reserve(bytes);
      this.#arenaBytes = this.#exports.reserved();
    } catch (cause) {
      throw this.#poison(cause);
    }
    if (at === 0 || at + this.#arenaBytes > this.#memory().length)
      throw new CryptoError("backend", `The WASM module has no memory for ${bytes} bytes`);
    this.#arena = at;
    this.#view = this.#memory().subarray(at, at + this.#arenaBytes);
  }

  #poison(cause: unknown): CryptoError {
    this.#poisoned = true;
    this.#memory().fill(0);
    return poisonedError(cause);
  }
}

/**
 * A copy of what `random` gives. Fewer bytes than were asked for would leave the rest as they were, and so make the
 * same nonces twice; a secret can't be drawn from zeros alone.
 */
function drawnFrom(random: (length: number) => Uint8Array, length: number): Uint8Array {
  const bytes: unknown = random(length);
  expectBytes("random", bytes, length);
  if (length >= SECRET_BYTES_MIN && bytes.every((byte) => byte === 0)) {
    throw new CryptoError("argument", `random gave ${length} zeros`);
  }
  return bytes.slice();
}

function poisonedError(cause?: unknown): CryptoError {
  return new CryptoError(
    "poisoned",
    "The WASM instance that held this key or ran this call has trapped; open the key anew",
    { cause },
  );
}

function checkedExports(exports: Readonly<Record<string, unknown>>): Exports {
  const memory = exports["memory"];
  const stack = exports["__stack_pointer"];
  if (!(memory instanceof WebAssembly.Memory) || !(stack instanceof WebAssembly.Global)) {
    throw new CryptoError("backend", "The WASM module lacks its memory or its stack pointer");
  }
  const operations = Object.fromEntries(OPERATIONS.map((name) => [name, functionOf(exports, name)]));
  return {
    memory,
    stackTop: Number(stack.value),
    reserve: functionOf(exports, "arena_reserve"),
    reserved: functionOf(exports, "arena_bytes") as () => number,
    drop: functionOf(exports, "handle_drop"),
    count: functionOf(exports, "handle_count") as () => number,
    operations: operations as Record<OperationName, Operation>,
  };
}

function functionOf(exports: Readonly<Record<string, unknown>>, name: string): Operation {
  const found = exports[name];
  if (typeof found !== "function") throw new CryptoError("backend", `The WASM module lacks ${name}`);
  return found as Operation;
}
