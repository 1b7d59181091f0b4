import { expect, test } from "bun:test";
import { limit } from "../../ground/mod.ts";
import { Link } from "../../link/mod.ts";
import { LIMITS, crypto } from "../_kit.ts";
import { Driver } from "../driver.ts";
import { noiseIdentity } from "../own.ts";
import type { TcpSocket } from "../tcp.ts";
import { WebSocketConnection } from "../websocket.ts";
import { ClientEnd, clientFrame, requestOf } from "./_kit.ts";

const PINGS = 20_000;

/** A socket that takes everything. */
function fakeSocket() {
  const client = new ClientEnd();
  const pongs: string[] = [];
  const socket = {
    paused: false,
    remotePort: 1,
    write(bytes: Uint8Array, at = 0, length = bytes.length) {
      const frames = client.framesOf(bytes.slice(at, at + length));
      pongs.push(...frames.map(({ payload }) => Buffer.from(payload).toString()));
      return length;
    },
    pause: () => (socket.paused = true),
    resume: () => (socket.paused = false),
    terminate() {},
    shutdown() {},
  };
  return { socket, pongs };
}

test("a flood of pings has its part of a turn, and the rest waits in order", async () => {
  // Each look at the clock costs a fifth of what a turn has.
  const own = { nowMs: 1000, now: () => 0, monotonic: () => (own.nowMs += limit.INPUT_TURN_MS / 5) };
  const driver = new Driver({ clock: own, limits: LIMITS, events: null });
  using identity = crypto.ed25519.generate();
  const noise = noiseIdentity(crypto, identity);
  const profile = driver.profile({ role: "listener", noise, protocols: () => null, expectedPeer: null });
  const { socket, pongs } = fakeSocket();
  const connection = new WebSocketConnection(driver, socket as unknown as TcpSocket, {
    inbound: true,
    origin: driver.admission.count("127.0.0.1"),
    link: (owner) => new Link(profile, owner, 1000),
  });
  driver.add(connection);
  driver.received(connection, Buffer.from(requestOf()));

  const ping = (n: number) => clientFrame(Buffer.from(String(n)), { opcode: 9 });
  driver.received(connection, Buffer.concat(Array.from({ length: PINGS }, (_, n) => ping(n))));
  expect(socket.paused).toBe(true);
  let turns = 0;
  for (; connection.heldInput !== null && turns < PINGS; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThan(PINGS / limit.INPUT_PORTION_FRAMES / 10);
  expect(pongs.map(Number)).toEqual(pongs.map(Number).sort((a, b) => a - b));
  expect([pongs.at(-1), socket.paused]).toEqual([String(PINGS - 1), false]);
  driver.drop(connection, "over");
});
