/** The module at work: one instance at a time, replaced when it traps, and the keys that it holds. */
import { expectFields, expectFunction, oneOf, optional } from "../argument.ts";
import { CryptoError } from "../error.ts";
import { fittingBuild, type WasmBuild } from "./fitting.ts";
import { Instance, type InstanceOptions } from "./instance.ts";
import { wasmModule } from "./module.ts";
import { STATUS } from "./status.ts";

export interface RuntimeOptions extends InstanceOptions {
  /** "auto" takes what the engine runs fastest. */
  readonly build?: "auto" | WasmBuild;
}

const OPTIONS = {
  build: optional(oneOf("auto", "wide", "portable")),
  random: optional(expectFunction),
};

/** Gives out a live instance; keys of one that trapped are lost, and say so when they are used. */
export class Runtime {
  readonly build: WasmBuild;
  readonly #module: WebAssembly.Module;
  readonly #options: InstanceOptions;
  #instance: Instance;

  constructor(options: RuntimeOptions = {}) {
    expectFields("options", options, OPTIONS);
    const build = options.build ?? "auto";
    this.build = build === "auto" ? fittingBuild() : build;
    this.#options = { random: options.random };
    this.#module = wasmModule(this.build);
    this.#instance = new Instance(this.#module, this.#options);
  }

  /** The instance for what comes next. */
  get instance(): Instance {
    if (this.#instance.poisoned) this.#instance = new Instance(this.#module, this.#options);
    return this.#instance;
  }
}

/** Something secret that an instance holds under a number. Dispose wipes it there; nothing else knows the number. */
export class Handle implements Disposable {
  readonly instance: Instance;
  #number: number;

  constructor(instance: Instance, number: number) {
    this.instance = instance;
    this.#number = number;
  }

  /** The number for a call; throws CryptoError("disposed") after dispose. */
  get number(): number {
    if (this.#number < 0) throw new CryptoError("disposed", "This key has been disposed");
    return this.#number;
  }

  /** Forgets the number without a wipe, for an operation that consumes what it names. */
  forget(): void {
    this.#number = -1;
  }

  [Symbol.dispose](): void {
    if (this.#number < 0) return;
    const number = this.#number;
    this.#number = -1;
    this.instance.drop(number);
  }
}

/** Throws for a status that only a mistake here or an exhausted table can bring. */
export function expectDone(status: number): number {
  if (status >= 0) return status;
  if (status === STATUS.tooManyHandles) {
    throw new CryptoError(
      "backend",
      "The WASM module has no room for another key; dispose keys, or packages of FROST",
    );
  }
  throw new CryptoError("backend", `The WASM module refused a request: status ${status}`);
}

/** The little-endian 32-bit number at `at`. */
export function readU32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** Writes a little-endian 32-bit number at `at`. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
