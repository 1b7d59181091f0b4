/** For tests: which of this package's test files other engines run, and how they are bundled for those. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export const HERE = import.meta.dirname;
/** The published vectors lie beside the checkout, and not beside a bundle. */
export const VECTORS = pathToFileURL(`${join(HERE, "..", "..", "..", "shared", "vectors")}/`);

/** What runs on other engines than Bun, as this folder imports it. */
export const FILES: readonly string[] = [
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
  "../native/absent_test.ts",
  "../native/peer_test.ts",
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
export const OF_BUN: Readonly<Record<string, string>> = {
  "../acceptance_table_test.ts": "its table says what Bun's BoringSSL answers, where Node has OpenSSL",
  "../engine_test.ts": "processes and threads of Bun, and one of Node",
  "../table_test.ts": "a table of what Bun measured",
  "../frost/crash_test.ts": "kills a process of Bun",
  "../pool/compiled_test.ts": "bun build --compile",
  "compiled_test.ts": "bun build --compile",
  "lock_test.ts": "the sources of the module, and its build by Bun",
  "browser_test.ts": "opens the browser that runs the others",
  "node_test.ts": "starts the Node that runs the others",
};

/** Every test file of this package, as this folder imports it. */
export function allTestFiles(): string[] {
  const all = [...new Bun.Glob("**/*_test.ts").scanSync(join(HERE, ".."))];
  return all.map((file) => (file.startsWith("wasm/") ? file.slice("wasm/".length) : `../${file}`)).toSorted();
}

interface Bundled {
  readonly files: readonly string[];
  readonly folder: string;
  readonly target: "node" | "browser";
  /** What stands for bun:test there. */
  readonly shim: string;
  /** What stands for other modules, by their names. */
  readonly instead?: Readonly<Record<string, string>>;
  /** What comes before all, and after the files. */
  readonly banner?: string;
  readonly end?: string;
}

/** Bundles test files into one, with bun:test replaced; returns its path. */
export async function bundleTests(bundled: Bundled): Promise<string> {
  const { files, folder, target, shim, instead = {}, banner = "", end = "" } = bundled;
  const replaced = new Map(Object.entries({ ...instead, "bun:test": shim }));
  const entry = join(folder, "all.ts");
  const imports = [shim, ...files].map((file) => `import ${JSON.stringify(join(HERE, file))};`);
  await Bun.write(entry, [...imports, end].join("\n"));
  const { success, logs } = await Bun.build({
    entrypoints: [entry],
    outdir: folder,
    naming: "all.mjs",
    target,
    banner,
    plugins: [
      {
        name: "other modules in the place of some",
        setup(build) {
          build.onResolve({ filter: /^(bun|node):/ }, ({ path }) => {
            const file = replaced.get(path);
            return file === undefined ? undefined : { path: join(HERE, file) };
          });
        },
      },
    ],
  });
  if (!success) throw new AggregateError(logs, "the tests don't bundle");
  return join(folder, "all.mjs");
}
