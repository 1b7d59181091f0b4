/** Hostile peers on real sockets: each is cut off for what it does, and honest ones beside it notice nothing. */
import { describe, expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { requireOrSkip } from "../../test/harness/require.ts";
import { randomFrom } from "../link/_pair.ts";
import {
  ANY_PORT,
  type Bare,
  type Hostile,
  LIMITS,
  type Opened,
  type Transport,
  clock,
  connectBare,
  connectHostile,
  crypto,
  handler,
  listen,
  until,
} from "./_kit.ts";
import { openDialler } from "./dialler.ts";
import type { EdgeConnection } from "./port.ts";

/** Short, so that the tests are; not so short that a busy machine makes an honest device look dead. */
const QUICK = {
  handshakeTimeoutMs: 1000,
  slowReaderTimeoutMs: 1000,
  keepaliveIntervalMs: 1500,
  keepaliveTimeoutMs: 1500,
};

/** Of 60 KB each: far more than the kernel holds for a connection. */
const FLOODS = 700;

/** A device that asks for an echo, and the time that it took. */
async function roundTripMs(connection: EdgeConnection): Promise<number> {
  const started = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const stream = connection.open(
    "/echo",
    handler({
      onData: (own) => {
        resolve(performance.now() - started);
        own.end();
      },
      onClose: (_stream, reason) => reject(new Error(reason)),
    }),
    null,
  );
  stream.write(new Uint8Array(256));
  return promise;
}

/** Runs `attack` while an honest device goes on; everything hostile has to be gone at the end. */
async function beside(ours: Opened, attack: () => Promise<void>): Promise<void> {
  await using dialler = openDialler({ crypto, limits: LIMITS, clock });
  const honest = await dialler.dial({ address: ours.address });
  const over = new AbortController();
  const working = (async () => {
    while (!over.signal.aborted) {
      await roundTripMs(honest);
      await Bun.sleep(20);
    }
  })();
  try {
    await attack();
    await until("only the honest one is left", () => ours.listener.connections === 1);
  } finally {
    over.abort();
    await working;
  }
  expect(ours.log.errors).toEqual([]);
}

/** What a dialler sends first: header, proposal, and a length and key of Noise. */
const FIRST_FLIGHT = new TextEncoder().encode("\u0013/multistream/1.0.0\n\u0007/noise\n\u0000\u0020");

function frame(type: number, flags: number, id: number, length: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  bytes[1] = type;
  view.setUint16(2, flags);
  view.setUint32(4, id);
  view.setUint32(8, length);
  return bytes;
}

describe("openListener() under attack", () => {
  test("slowloris: a byte at a time, stopping in every phase of the handshake", async () => {
    await using ours = await listen(QUICK);
    await beside(ours, async () => {
      const attackers = await Promise.all(
        Array.from({ length: FIRST_FLIGHT.length }, () => connectBare(ours.port)),
      );
      for (let at = 0; at < FIRST_FLIGHT.length; at++) {
        for (const [stop, attacker] of attackers.entries()) {
          if (at <= stop && !attacker.closed) attacker.socket.write(FIRST_FLIGHT.subarray(at, at + 1));
        }
        await Bun.sleep(5);
      }
      await until("all are cut off", () => attackers.every((attacker) => attacker.closed));
    });
    expect(ours.log.limits.filter((name) => name === "HANDSHAKE_TIMEOUT_MS")).toHaveLength(
      FIRST_FLIGHT.length,
    );
  });
});

describe.each<Transport>(["tcp", "ws"])("openListener() under attack on %s", (transport) => {
  test("garbage from the first byte, and after the handshake", async () => {
    await using ours = await listen(QUICK, [ANY_PORT[transport]]);
    const random = randomFrom(5);
    await beside(ours, async () => {
      for (let round = 0; round < 60; round++) {
        const garbage = Uint8Array.from({ length: 1 + random() * 4000 }, () => random() * 256);
        if (round % 3 === 0) (await connectBare(ours.port)).socket.write(garbage);
        else if (round % 3 === 1) (await connectHostile(ours.port, transport)).socket.write(garbage);
        else (await connectHostile(ours.port, transport)).send(garbage);
      }
    });
  });

  test("many handshakes at once wait for those who talk, and none is forgotten", async () => {
    await using ours = await listen({}, [ANY_PORT[transport]]);
    await using dialler = openDialler({ crypto, limits: LIMITS, clock });
    const honest = await dialler.dial({ address: ours.address });
    // Only who has been here for a while counts as one who talks.
    await Bun.sleep(limit.HANDSHAKE_NEW_MS + 50);
    const talk = { over: false };
    const talking = (async () => {
      while (!talk.over) await roundTripMs(honest);
    })();
    const came = await Promise.all(Array.from({ length: 300 }, () => connectHostile(ours.port, transport)));
    talk.over = true;
    await talking;
    expect(came).toHaveLength(300);
    await until("all are open", () => ours.log.connections.length === 301);
    for (const one of came) one.socket.terminate();
  });

  test("a few addresses that take all handshakes and stall turn nobody else away", async () => {
    if (!requireOrSkip("addresses of 127.0.0.0/8", process.platform === "linux")) return;
    await using ours = await listen({ handshakesMax: 60 }, [ANY_PORT[transport]]);
    const attack = { over: false };
    const attackers = ["127.1.0.1", "127.2.0.1", "127.3.0.1"].map(async (from) => {
      const held: Bare[] = [];
      while (!attack.over) {
        const bare = await connectBare(ours.port, { from });
        held.push(bare);
        if (held.length > 100) await Bun.sleep(2);
      }
      for (const bare of held) bare.socket.terminate();
    });
    await until("all are taken", () => ours.log.limits.includes("HANDSHAKES_MAX"));
    const honest: Hostile[] = [];
    for (let device = 0; device < 40; device++)
      honest.push(await connectHostile(ours.port, transport, { from: `127.9.${device}.1` }));
    attack.over = true;
    await Promise.all(attackers);
    await until("all are open", () => ours.log.connections.length === 40);
    expect(ours.log.failures).toContain("handshakes of others came first");
    for (const one of honest) one.socket.terminate();
    await until("all have gone", () => ours.listener.connections === 0);
    expect(ours.log.errors).toEqual([]);
  });

  test("floods of connects, of streams, of resets and of pings", async () => {
    await using ours = await listen({ ...QUICK, handshakesMax: 50 }, [ANY_PORT[transport]]);
    await beside(ours, async () => {
      const bare = await Promise.all(Array.from({ length: 400 }, () => connectBare(ours.port)));
      await until("all are cut off", () => bare.every((attacker) => attacker.closed));
      expect(ours.log.limits).toContain("HANDSHAKES_MAX");
      const streams = await connectHostile(ours.port, transport);
      for (let id = 1; id < 2000; id += 2) streams.send(frame(1, 1, id, 0));
      const resets = await connectHostile(ours.port, transport);
      for (let id = 1; id < 4000; id += 2)
        resets.send(Buffer.concat([frame(1, 1, id, 0), frame(1, 8, id, 0)]));
      const pings = await connectHostile(ours.port, transport);
      for (let value = 0; value < 2000; value++) pings.send(frame(2, 1, 0, value));
      await until("streams were refused", () => ours.log.limits.includes("STREAMS_MAX"));
      await until("resets were", () => ours.log.limits.includes("STREAM_OPENS_PER_SECOND"));
      for (const attacker of [streams, resets, pings]) attacker.socket.terminate();
    });
  });

  test("peers that ask for much and read nothing: bounded, then dropped", async () => {
    await using ours = await listen(QUICK, [ANY_PORT[transport]]);
    await beside(ours, async () => {
      const flood = Buffer.concat(Array.from({ length: 5000 }, () => frame(2, 1, 0, 7)));
      const deaf = await connectHostile(ours.port, transport);
      deaf.socket.pause();
      for (let count = 0; count < FLOODS; count++) deaf.send(flood);
      await until("it is dropped", () => ours.log.reasons.includes("slow reader"));
      // Once the mark is reached and the kernel's buffers are full, nothing more is taken in.
      expect(ours.log.received).toBeLessThan((FLOODS * flood.length) / 2);
    });
    expect(ours.log.limits).toContain("SLOW_READER_TIMEOUT_MS");
  });

  test("windows overrun, frames too long, ids of the wrong side: each ends its own connection", async () => {
    await using ours = await listen(QUICK, [ANY_PORT[transport]]);
    await beside(ours, async () => {
      const wrong = [
        frame(0, 0, 0, 1),
        frame(0, 0, 1, 300_000),
        frame(0, 1, 2, 0),
        frame(9, 0, 0, 0),
        frame(3, 0, 0, 2),
      ];
      const attackers = await Promise.all(wrong.map(() => connectHostile(ours.port, transport)));
      for (const [index, attacker] of attackers.entries()) attacker.send(wrong[index] ?? new Uint8Array(0));
      await until("all are cut off", () => attackers.every((attacker) => attacker.closed));
    });
    expect(
      ours.log.reasons.filter((reason) => reason.startsWith("yamux: ") || reason.includes("with an error")),
    ).toHaveLength(5);
  });

  test("connections that come and go by the thousand leave nothing behind", async () => {
    await using ours = await listen({}, [ANY_PORT[transport]]);
    await using dialler = openDialler({ crypto, limits: LIMITS, clock });
    const rounds = process.env["DCHAT_TEST_LONG"] === "1" ? 10_000 : 1500;
    let left = rounds;
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        const connection = await dialler.dial({ address: ours.address });
        if (left % 3 === 0) await roundTripMs(connection);
        connection.close("churn", { hard: left % 2 === 0 });
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    await until("all have gone", () => ours.listener.connections + dialler.connections === 0);
    expect(ours.log.reasons.length).toBe(ours.log.connections.length);
    expect(ours.log.errors).toEqual([]);
  });
});
