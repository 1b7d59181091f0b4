/**
 * A browser, which runs the portable build: the same test files, bundled, in a page of Chromium's. What asks for a column
 * of the table asks for the portable one there, and what asks each backend asks all but the engine's own.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { closeSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { requireOrSkip } from "../../test/harness/require.ts";
import { everything } from "../_everything.ts";
import { openCrypto } from "../mod.ts";
import type { PageReport } from "./_bun_test_in_browser.ts";
import { allTestFiles, bundleTests, FILES, HERE, OF_BUN, VECTORS } from "./_test_files.ts";

/** What stays out of browsers, and why. */
const NOT_IN_BROWSERS: Readonly<Record<string, string>> = {
  ...OF_BUN,
  "../libp2p_noise_test.ts": "its nodes talk over TCP",
  "../native/peer_test.ts": "node:crypto makes its keys and verifies with them",
  "../pool/frost_test.ts": "no threads",
  "../pool/pool_test.ts": "no threads",
  "../pool/wipe_test.ts": "no threads",
};

const CHROMIUM = ["chromium-headless-shell", "chromium", "google-chrome"]
  .map((name) => Bun.which(name))
  .find((path) => path !== null);

/** What the tests read of a process: what they are told by the environment. */
const PROCESS = `
  globalThis.process = { env: ${JSON.stringify(Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("DCHAT_TEST_"))))} };
  process.env.DCHAT_TEST_VECTORS = new URL("/vectors/", location.href).href;
`;

const folder = mkdtempSync(join(tmpdir(), "dchat-browser-"));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** A vector, a build of the module, or a bundle; a folder of vectors is answered by the names in it. */
function fileAnswer(path: string): Response {
  const from = path.endsWith(".wasm") ? HERE : folder;
  const vectors = path.startsWith("/vectors/");
  const at = vectors
    ? new URL(`.${path.slice("/vectors".length)}`, VECTORS).pathname
    : join(from, basename(path));
  if (!existsSync(at)) return new Response(null, { status: 404 });
  return at.endsWith("/") ? Response.json(readdirSync(at)) : new Response(Bun.file(at));
}

/** Opens a page of one script in a browser of its own, and returns what it posts to /report. */
async function posted(script: string): Promise<unknown> {
  const report = Promise.withResolvers<unknown>();
  const page = `<!doctype html>
    <script>
      const failed = (what) => fetch("/report", { method: "POST", body: JSON.stringify({ failed: [String(what)] }) });
      addEventListener("error", ({ message }) => failed(message), true);
      addEventListener("unhandledrejection", ({ reason }) => failed(reason?.stack ?? reason));
    </script>
    <script type="module" src="/${script}"></script>`;
  await using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/") return new Response(page, { headers: { "content-type": "text/html" } });
      if (pathname !== "/report") return fileAnswer(pathname);
      report.resolve(await request.json());
      return new Response();
    },
  });
  // It goes when its pipe for debuggers is closed, and so with this process too; a signal would reach the shell script that
  // some distributions start it by.
  const browser = Bun.spawn(
    [
      CHROMIUM ?? "",
      "--headless",
      // Its sandbox wants rights that containers, and root, haven't; it opens pages of this process alone.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--js-flags=--expose-gc",
      "--remote-debugging-pipe",
      `--user-data-dir=${mkdtempSync(join(folder, "profile-"))}`,
      server.url.href,
    ],
    { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] },
  );
  const ended = browser.exited.then(async (code) => {
    throw new Error(`the browser ended with ${code}: ${await new Response(browser.stderr).text()}`);
  });
  try {
    return await Promise.race([report.promise, ended]);
  } finally {
    ended.catch(() => undefined);
    for (const pipe of browser.stdio.slice(3)) if (typeof pipe === "number") closeSync(pipe);
    await browser.exited;
  }
}

describe.skipIf(!requireOrSkip("Chromium", CHROMIUM !== undefined))("in a browser", () => {
  test("every test file is among those that run there, or stays out for a reason", () => {
    const known = new Set([...FILES, ...Object.keys(NOT_IN_BROWSERS)]);
    expect([...known].toSorted()).toEqual(allTestFiles());
  });

  test("passes the tests of the portable build", async () => {
    await bundleTests({
      files: FILES.filter((file) => !Object.hasOwn(NOT_IN_BROWSERS, file)),
      folder,
      target: "browser",
      shim: "_bun_test_in_browser.ts",
      instead: Object.fromEntries(
        ["node:crypto", "node:fs", "node:timers/promises"].map((name) => [name, "_node_in_browser.ts"]),
      ),
      banner: PROCESS,
      end: `import { runAll } from ${JSON.stringify(join(HERE, "_bun_test_in_browser.ts"))}; await runAll("/report");`,
    });
    const { passed, failed, skipped } = (await posted("all.mjs")) as PageReport;
    if (failed.length > 0) throw new Error(failed.join("\n").slice(0, 8_000));
    console.log(`${passed} tests in ${CHROMIUM}`);
    expect(passed).toBeGreaterThan(existsSync(VECTORS) ? 440 : 400);
    // Without the vectors, the tests that follow them; and what asks for the engine's own Argon2id.
    if (skipped.length > 0) console.warn(`skipped in the browser: ${skipped.join("; ")}`);
    if (existsSync(VECTORS)) expect(skipped.filter((name) => !name.includes("RFC 9106"))).toEqual([]);
  }, 300_000);

  test("gives a page that is bundled as it is the same bytes as Bun, and says what it can't do", async () => {
    const { success, logs, outputs } = await Bun.build({
      entrypoints: [join(HERE, "_page.ts")],
      outdir: folder,
      target: "browser",
      splitting: true,
    });
    if (!success) throw new AggregateError(logs, "the page doesn't bundle");
    // What bundlers put in the place of node:crypto is ten times as large.
    expect(outputs.find(({ kind }) => kind === "entry-point")?.size).toBeLessThan(100_000);
    await using crypto = await openCrypto();
    const report = await posted("_page.js");
    expect(report).toMatchObject({
      everything: everything(crypto),
      backends: ["portable", "sodium", "hashwasm"],
      fast: 'CryptoError: native can\'t do x25519 here: pass backends: "portable" to openCrypto',
      rsa: "unsupported",
    });
    const { x25519Us } = report as { readonly x25519Us: readonly number[] };
    console.log(`X25519 there, ours and libsodium's: ${x25519Us.join(" and ")} us`);
  });
});
