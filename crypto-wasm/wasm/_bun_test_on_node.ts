/** For tests: bun:test over node:test, and what Bun has and Node hasn't. */
import * as node from "node:test";
import { Worker as Thread } from "node:worker_threads";
import { bunTest } from "./_bun_testing.ts";

export { expect } from "./_bun_testing.ts";

// Not in Node before 25.
if (!("fromHex" in Uint8Array)) {
  const fromHex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
  const toHex = function (this: Uint8Array) {
    return Buffer.from(this).toString("hex");
  };
  const toBase64 = function (this: Uint8Array) {
    return Buffer.from(this).toString("base64");
  };
  Object.defineProperty(Uint8Array, "fromHex", { value: fromHex });
  Object.defineProperties(Object.getPrototypeOf(fromHex("")), {
    toHex: { value: toHex },
    toBase64: { value: toBase64 },
  });
}

// Not in Node before 22.
if (!("withResolvers" in Promise)) {
  const value = () => {
    const made: Record<string, unknown> = {};
    made["promise"] = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
    return made;
  };
  Object.defineProperty(Promise, "withResolvers", { value });
}

// Each Buffer on memory of its own: what is found in it then is what was put there by its maker.
Buffer.poolSize = 0;

/** A Worker as the web has it, over a thread of Node's; its script lies beside this bundle, bundled as well. */
class WebWorker {
  readonly #thread: Thread;

  constructor(script: string | URL) {
    this.#thread = new Thread(new URL(String(script).replace(/\.ts$/, ".mjs"), import.meta.url));
  }

  addEventListener(name: string, listener: (event: object) => void): void {
    if (name === "message") this.#thread.on("message", (data: unknown) => listener({ data }));
    if (name === "error") this.#thread.on("error", ({ message }: Error) => listener({ message }));
    if (name === "close") this.#thread.on("exit", () => listener({}));
  }

  postMessage(value: unknown, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread.postMessage(value, transfer);
  }

  terminate(): void {
    void this.#thread.terminate();
  }

  unref(): void {
    this.#thread.unref();
  }
}
const events = new EventTarget();
Object.assign(globalThis, {
  Worker: WebWorker,
  self: globalThis,
  addEventListener: events.addEventListener.bind(events),
  dispatchEvent: events.dispatchEvent.bind(events),
});

export const { test, describe, beforeAll, afterAll } = bunTest({
  test: (name, work) => void node.test(name, work),
  skip: (name) => void node.test(name, { skip: true }),
  describe: (name, work) => void node.describe(name, work),
  before: (work) => node.before(work),
  after: (work) => node.after(work),
});
