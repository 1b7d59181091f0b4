import { expect, test } from "bun:test";
import { canCertify, certificate } from "../../test/harness/certificate.ts";
import { requireOrSkip } from "../../test/harness/require.ts";
import { LIMITS, clock, crypto, failure, listen, until } from "./_kit.ts";
import { decodeMultiaddr } from "../link/mod.ts";
import { identify, ping } from "./ask.ts";
import { openDialler } from "./dialler.ts";
import type { Dialler, TlsFiles } from "./port.ts";

const present = requireOrSkip("openssl", canCertify);
const ADDRESS = "/ip4/127.0.0.1/tcp/0/tls/ws";

function dialler(tls: TlsFiles): Dialler {
  return openDialler({ crypto, limits: LIMITS, clock, authorities: tls.cert });
}

test.if(present)(
  "openListener() serves /tls/ws by TLS 1.3 alone, to diallers who trust its certificate",
  async () => {
    const tls = await certificate("one");
    await using ours = await listen({}, [ADDRESS], tls);
    expect(ours.listener.addresses[0]).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/tls\/ws$/);
    await using trusting = dialler(tls);
    const connection = await trusting.dial({ address: ours.address });
    await ping(connection);
    const { observedAddress } = await identify(connection);
    expect(decodeMultiaddr(observedAddress ?? new Uint8Array(0))).toMatch(
      /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/tls\/ws$/,
    );
    await using strict = openDialler({ crypto, limits: LIMITS, clock });
    expect(await failure(strict.dial({ address: ours.address }))).toMatchObject({ code: "edge/dial" });
    const old = Bun.spawn(["openssl", "s_client", "-connect", `127.0.0.1:${ours.port}`, "-tls1_2"], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    expect(await old.exited).not.toBe(0);
  },
);

test.if(present)(
  "setTls() shows the new certificate to those who come, and keeps those who are there",
  async () => {
    const [one, two] = [await certificate("one"), await certificate("two")];
    await using ours = await listen({}, [ADDRESS], one);
    await using first = dialler(one);
    await using second = dialler(two);
    const before = await first.dial({ address: ours.address });
    expect(await failure(second.dial({ address: ours.address }))).toMatchObject({ code: "edge/dial" });
    ours.listener.setTls(two);
    await ping(await second.dial({ address: ours.address }));
    await ping(before);
    expect(() => ours.listener.setTls({ cert: two.cert, key: one.key })).toThrow(
      "Cannot listen with TLS on 127.0.0.1",
    );
    expect(() => ours.listener.setTls({ cert: "nothing", key: "nothing" })).toThrow(
      "Cannot listen with TLS on 127.0.0.1",
    );
    await ping(await second.dial({ address: ours.address }));
    expect(ours.listener.connections).toBe(3);
  },
);

test.if(present)(
  "setTls() many times loses nobody, neither who is there nor who comes meanwhile",
  async () => {
    const [one, two] = [await certificate("one"), await certificate("two")];
    await using ours = await listen({}, [ADDRESS], one);
    await using trusting = dialler({ cert: one.cert + two.cert, key: "" });
    const held = await Promise.all(
      Array.from({ length: 10 }, () => trusting.dial({ address: ours.address })),
    );
    let renewals = 0;
    const renewing = setInterval(() => ours.listener.setTls(renewals++ % 2 === 0 ? two : one), 3);
    const coming = async (): Promise<void> => {
      for (let each = 0; each < 25; each++) {
        const connection = await trusting.dial({ address: ours.address });
        await Promise.all([connection, ...held].map((each) => ping(each)));
        connection.close("enough");
      }
    };
    await Promise.all([coming(), coming(), coming(), coming()]);
    clearInterval(renewing);
    expect(renewals).toBeGreaterThan(10);
    await until("those who came have gone", () => ours.listener.connections === held.length);
    expect(ours.log.errors).toEqual([]);
    ours.listener.stopAccepting();
    ours.listener.setTls(two);
    expect(await failure(trusting.dial({ address: ours.address }))).toMatchObject({ code: "edge/dial" });
    await Promise.all(held.map((each) => ping(each)));
  },
);

test("openListener() wants a certificate for /tls/ws", async () => {
  const fault = await failure(listen({}, [ADDRESS]));
  expect(fault).toMatchObject({ code: "edge/tls" });
  expect(fault.message).toContain("a certificate and its key are missing");
});

/** A process that begins TLS with `port` so many times at once. */
function crowd(port: number, count: number): Bun.Subprocess {
  const script = `const socket = { data() {}, error() {} };
    const options = { hostname: "127.0.0.1", port: ${port}, tls: { rejectUnauthorized: false }, socket };
    for (let each = 0; each < ${count}; each++) await Bun.connect(options);
    await new Promise(() => {});`;
  return Bun.spawn([process.execPath, "-e", script], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
}

// Turns of ours (handshake_turns.ts) begin after TLS; what they rest on is that it can't take a turn for itself.
test.if(present)(
  "the runtime ends at most five handshakes of TLS in a turn of the loop, however many wait",
  async () => {
    const inTurn: number[] = [0];
    const { cert, key } = await certificate("one");
    const handshake = (): void => void (inTurn[inTurn.length - 1] = (inTurn.at(-1) ?? 0) + 1);
    using listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      socket: { open() {}, handshake, data() {} },
    });
    const peers = crowd(listener.port, 100);
    const done = (): number => inTurn.reduce((sum, each) => sum + each, 0);
    const endMs = performance.now() + 10_000;
    while (done() < 100 && performance.now() < endMs) {
      // Meanwhile what all of them sent comes to wait.
      if (inTurn.length % 50 === 0) Bun.sleepSync(50);
      await new Promise((resolve) => void setImmediate(resolve));
      inTurn.push(0);
    }
    peers.kill();
    expect(done()).toBe(100);
    expect(Math.max(...inTurn)).toBeWithin(2, 6);
  },
);
