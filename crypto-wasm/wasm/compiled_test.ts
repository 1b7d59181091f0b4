import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

test("bun build --compile takes both builds along: an executable alone in an empty folder verifies by each", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dchat-compiled-"));
  try {
    const source = `
      import { openWasm } from ${JSON.stringify(join(import.meta.dirname, "mod.ts"))};
      for (const wasm of [openWasm(), openWasm({ build: "portable" })]) {
        const key = wasm.ed25519.fromSeed(new Uint8Array(32));
        const message = new Uint8Array(3);
        const signature = wasm.ed25519.sign(key, message);
        console.log(wasm.build, wasm.ed25519.verifyBatch([{ key: key.publicKey, message, signature }]).length);
      }`;
    await Bun.write(join(folder, "main.ts"), source);
    const built = Bun.spawnSync([process.execPath, "build", "--compile", "main.ts", "--outfile", "alone"], {
      cwd: folder,
    });
    if (built.exitCode !== 0) throw new Error(built.stderr.toString());
    const run = Bun.spawnSync([join(folder, "alone")], { cwd: "/" });
    expect(run.stderr.toString()).toBe("");
    expect(run.stdout.toString()).toBe("wide 0\nportable 0\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
