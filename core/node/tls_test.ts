import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCrypto } from "@dchat/crypto-wasm";
import { canCertify, certificate } from "../../test/harness/certificate.ts";
import { clock } from "../../test/harness/device.ts";
import { spawnRelay } from "../../test/harness/relay.ts";
import { requireOrSkip } from "../../test/harness/require.ts";
import { type EdgeLimits, openDialler, ping } from "../edge/mod.ts";
import { limit } from "../ground/mod.ts";
import { loadConfig } from "./config.ts";
import { readTls, watchTls } from "./tls.ts";

const limits: EdgeLimits = {
  connectionsMax: 100,
  connectionsPerAddressMax: 100,
  handshakesMax: 100,
  streamsMax: limit.STREAMS_MAX_DEFAULT,
  handshakeTimeoutMs: limit.HANDSHAKE_TIMEOUT_MS,
  keepaliveIntervalMs: limit.KEEPALIVE_INTERVAL_MS,
  keepaliveTimeoutMs: limit.KEEPALIVE_TIMEOUT_MS,
  slowReaderTimeoutMs: limit.SLOW_READER_TIMEOUT_MS,
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dchat-tls-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(files: { readonly cert: string; readonly key: string }): void {
  writeFileSync(join(folder, "cert.pem"), files.cert);
  writeFileSync(join(folder, "key.pem"), files.key);
  chmodSync(join(folder, "key.pem"), 0o600);
}

const both = (): Record<string, string> => ({
  DCHAT_CONFIG: "/dev/null",
  DCHAT_RELAY_TLS_CERTIFICATE: join(folder, "cert.pem"),
  DCHAT_RELAY_TLS_KEY: join(folder, "key.pem"),
});

test("readTls() reads both files or none, and says which setting is missing or can't be read", () => {
  write({ cert: "a certificate", key: "a key" });
  expect(readTls(loadConfig({ env: both() }).config)).toEqual({ cert: "a certificate", key: "a key" });
  expect(readTls(loadConfig({ env: { DCHAT_CONFIG: "/dev/null" } }).config)).toBeNull();
  const { DCHAT_RELAY_TLS_KEY: _, ...half } = both();
  expect(() => readTls(loadConfig({ env: half }).config)).toThrow("relay.tls_key is not");
  const wrong = { ...both(), DCHAT_RELAY_TLS_KEY: join(folder, "nothing.pem") };
  expect(() => readTls(loadConfig({ env: wrong }).config)).toThrow("relay.tls_key names");
});

test("watchTls() tells of a change once, and of one that can't be taken", async () => {
  write({ cert: "one", key: "one" });
  const seen: string[] = [];
  const refused: unknown[] = [];
  using _watching = watchTls(loadConfig({ env: both() }).config, {
    onChange(tls) {
      seen.push(tls.cert);
      if (tls.cert === "bad") throw new Error("no certificate");
    },
    onRefused: (error) => refused.push(error),
    onRestored: () => seen.push("restored"),
  });
  write({ cert: "bad", key: "two" });
  while (refused.length === 0) await Bun.sleep(20);
  write({ cert: "three", key: "three" });
  while (seen.at(-1) !== "three") await Bun.sleep(20);
  rmSync(join(folder, "cert.pem"));
  while (refused.length < 2) await Bun.sleep(20);
  write({ cert: "three", key: "three" });
  while (seen.at(-1) !== "restored") await Bun.sleep(20);
  expect(seen).toEqual(["bad", "three", "restored"]);
  expect(refused).toHaveLength(2);
});

test("watchTls() tells of a file that is missing once, and again where it is missing again", async () => {
  write({ cert: "one", key: "one" });
  const seen: string[] = [];
  const refused: unknown[] = [];
  using _watching = watchTls(loadConfig({ env: both() }).config, {
    onChange: (tls) => void seen.push(tls.key),
    onRefused: (error) => refused.push(error),
    onRestored: () => undefined,
  });
  for (let times = 1; times <= 2; times++) {
    rmSync(join(folder, "cert.pem"));
    while (refused.length < times) await Bun.sleep(20);
    // Another look each, with the same problem.
    for (const key of ["two", "three"]) {
      writeFileSync(join(folder, "key.pem"), key);
      await Bun.sleep(700);
    }
    expect(refused).toHaveLength(times);
    expect(String(refused.at(-1))).toContain("relay.tls_certificate names");
    write({ cert: "one", key: `renewed ${times}` });
    while (seen.length < times) await Bun.sleep(20);
  }
  expect(seen).toEqual(["renewed 1", "renewed 2"]);
}, 30_000);

test.if(requireOrSkip("openssl", canCertify))(
  "a relay shows a renewed certificate without a restart",
  async () => {
    const [one, two] = [await certificate("one"), await certificate("two")];
    write(one);
    await using relay = await spawnRelay({ args: ["--listen", "/ip4/127.0.0.1/tcp/0/tls/ws"], env: both() });
    const address = relay.file.addresses.find((each) => each.includes("/tls/ws/")) ?? "";
    await using crypto = await openCrypto({ needs: [] });
    await using before = openDialler({ crypto, clock, limits, authorities: one.cert });
    const held = await before.dial({ address });
    await ping(held);
    await using after = openDialler({ crypto, clock, limits, authorities: two.cert });
    const renewed = (): Promise<boolean> =>
      after.dial({ address }).then(
        () => true,
        () => false,
      );
    expect(await renewed()).toBe(false);
    write(two);
    while (!(await renewed())) await Bun.sleep(50);
    await ping(held);
    writeFileSync(join(folder, "cert.pem"), "broken");
    while (!relay.output().includes("doesn't load")) await Bun.sleep(50);
    expect(await renewed()).toBe(true);
  },
  30_000,
);
