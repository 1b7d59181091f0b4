import { openCrypto } from "@dchat/crypto-wasm";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFault } from "../ground/mod.ts";
import { sealKeystore } from "../identity/mod.ts";
import { openKeyFile, readKeyFile, readPassphrase, writeKeyFile } from "./secret.ts";

const crypto = await openCrypto({ needs: [] });
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const folder = mkdtempSync(join(tmpdir(), "dchat-secret-"));
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  const key = crypto.ed25519.fromSeed(new Uint8Array(32).fill(4));
  const options = { type: "identity" as const, key, createdMs: 0 };
  writeKeyFile(at("burner.json"), sealKeystore(crypto, { ...options, passphrase: null }), { force: false });
  writeKeyFile(at("sealed.json"), sealKeystore(crypto, { ...options, passphrase: utf8("pass word") }), {
    force: false,
  });
  writeFileSync(at("pass"), "pass word\r\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

async function refusal(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    return isFault(error) ? `${error.code}: ${error.message}` : String(error);
  }
  return "nothing";
}

describe("openKeyFile()", () => {
  test("opens a sealed file by a passphrase file, and wipes key and passphrase on dispose", async () => {
    const opened = await openKeyFile(crypto, {
      path: at("sealed.json"),
      passphrase: { file: at("pass"), env: {} },
    });
    const { key, passphrase } = opened;
    expect(key.exportSeed()).toEqual(new Uint8Array(32).fill(4));
    expect(passphrase).toEqual(utf8("pass word"));
    opened[Symbol.dispose]();
    expect(passphrase).toEqual(new Uint8Array(9));
    expect(() => key.exportSeed()).toThrow(/disposed/);
  });

  test("asks for no passphrase where a burner needs none", async () => {
    using opened = await openKeyFile(crypto, {
      path: at("burner.json"),
      passphrase: { file: at("nowhere"), env: {} },
    });
    expect(opened.passphrase).toBeNull();
  });

  test("refuses a key for another purpose before it asks for a passphrase", async () => {
    const open = () =>
      openKeyFile(crypto, {
        path: at("sealed.json"),
        type: "relay",
        passphrase: { file: at("nowhere"), env: {} },
      });
    expect(await refusal(open)).toBe(
      `identity/type: Cannot open ${at("sealed.json")}: A key of the type relay is needed, and this one is of the type identity`,
    );
  });
});

describe("readKeyFile()", () => {
  test("says of each thing that is no key file what it is", async () => {
    mkdirSync(at("folder"), { mode: 0o755 });
    writeFileSync(at("large"), "x".repeat(70_000), { mode: 0o600 });
    writeFileSync(at("group"), "{}", { mode: 0o600 });
    chmodSync(at("group"), 0o640);
    expect(await refusal(() => readKeyFile(at("nowhere")))).toEndWith("there is no such file");
    expect(await refusal(() => readKeyFile(at("folder")))).toEndWith("it is a folder");
    expect(await refusal(() => readKeyFile(at("large")))).toEndWith("it has 70000 bytes");
    expect(await refusal(() => readKeyFile(at("group")))).toStartWith("secret/exposed: Others may read");
  });
});

describe("writeKeyFile()", () => {
  test("tells a key that is there from a folder that can't be", async () => {
    const write = (path: string) => refusal(() => writeKeyFile(path, "{}", { force: false }));
    expect(await write(at("burner.json"))).toStartWith("secret/exists");
    for (const path of [at("burner.json/key.json"), at("burner.json/deep/key.json")]) {
      expect(await write(path)).toBe(
        `secret/unwritable: Cannot write the key file ${path}: what should be its folder is a file`,
      );
    }
  });
});

describe("readPassphrase()", () => {
  const read = async (text: string): Promise<string> => {
    writeFileSync(at("typed"), text);
    return new TextDecoder().decode(await readPassphrase({ file: at("typed"), env: {}, prompt: "" }));
  };

  test("takes one line end off and nothing else", async () => {
    const texts = ["a", "a\n", "a\r\n", "a\n\n", " a "];
    expect(await Array.fromAsync(texts, read)).toEqual(["a", "a", "a", "a\n", " a "]);
  });

  test("reads a pipe, as shells make one of a command", async () => {
    const fifo = at("fifo");
    Bun.spawnSync(["mkfifo", fifo]);
    const writer = Bun.spawn(["sh", "-c", `printf 'from a pipe' > ${fifo}`]);
    expect(new TextDecoder().decode(await readPassphrase({ file: fifo, env: {}, prompt: "" }))).toBe(
      "from a pipe",
    );
    await writer.exited;
  });

  test("names the flag or the variable whose file is wrong", async () => {
    const variable = () => readPassphrase({ env: { DCHAT_PASSPHRASE_FILE: at("nowhere") }, prompt: "" });
    expect(await refusal(variable)).toContain(
      `${at("nowhere")} (DCHAT_PASSPHRASE_FILE): there is no such file`,
    );
    writeFileSync(at("empty"), "\n");
    expect(await refusal(() => readPassphrase({ file: at("empty"), env: {}, prompt: "" }))).toContain(
      "(--passphrase-file) is empty",
    );
    expect(await refusal(() => read("x".repeat(5000)))).toContain("more than 4096 bytes");
  });
});
