import { expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { Link } from "../link/mod.ts";
import { LIMITS, clock, crypto } from "./_kit.ts";
import { Connection } from "./connection.ts";
import { Driver } from "./driver.ts";
import { noiseIdentity } from "./own.ts";

/** A connection that was secured long ago, on a socket that takes everything. */
class Stub extends Connection {
  readonly inbound = true;
  readonly kind = "tcp";
  readonly remotePort = 1;
  override establishedMs = 1;
  paused = false;
  override put(): boolean {
    return true;
  }
  override putRest(): boolean {
    return true;
  }
  override pause(): void {
    this.paused = true;
  }
  override resume(): void {
    this.paused = false;
  }
  override endSocket(): boolean {
    return true;
  }
  override terminateSocket(): void {}
}

/** One of a driver's connections. */
function connect(driver: Driver): Stub {
  using identity = crypto.ed25519.generate();
  const noise = noiseIdentity(crypto, identity);
  const profile = driver.profile({ role: "dialler", noise, protocols: () => null, expectedPeer: null });
  return new Stub(driver, driver.admission.count("127.0.0.1"), (owner) => new Link(profile, owner, 0));
}

test("received() holds input in many pieces while the link takes none, and passes it on in order", () => {
  // Its turns have no end.
  const still = { ...clock, monotonic: () => 1000 };
  const driver = new Driver({ clock: still, limits: LIMITS, events: null });
  const connection = connect(driver);
  const taken: Buffer[] = [];
  // It takes some of what it is given, as a link does that is full soon.
  connection.link.receive = (bytes) => {
    const length = Math.min(bytes.length, 300_001);
    taken.push(Buffer.from(bytes.subarray(0, length)));
    return length;
  };
  driver.add(connection);
  driver.rest(true);
  const sent = crypto.random.bytes(limit.HELD_INPUT_BYTES_MAX);
  const beganMs = performance.now();
  for (let at = 0; at < sent.length; at += 64) driver.received(connection, sent.slice(at, at + 64));
  // Copying all that is held for each piece would take seconds.
  expect(performance.now() - beganMs).toBeLessThan(1000);
  expect([connection.paused, taken.length]).toEqual([true, 0]);
  driver.rest(false);
  expect(Buffer.concat(taken).equals(sent)).toBe(true);
  expect([connection.paused, connection.heldInput]).toEqual([false, null]);
  driver.drop(connection, "over");
});

test("received() keeps nobody waiting for all that another brought, and passes that on in order in later turns", async () => {
  const own = { nowMs: 1000, now: () => 0, monotonic: () => own.nowMs };
  const driver = new Driver({ clock: own, limits: LIMITS, events: null });
  const [flooding, honest] = [connect(driver), connect(driver)];
  const taken: Buffer[] = [];
  let honestBytes = 0;
  // Each portion costs half of what a turn has.
  flooding.link.receive = (bytes, _now, most) => {
    own.nowMs += limit.INPUT_TURN_MS / 2;
    const length = Math.min(bytes.length, most?.bytes ?? Infinity);
    taken.push(Buffer.from(bytes.subarray(0, length)));
    return length;
  };
  honest.link.receive = (bytes) => {
    honestBytes += bytes.length;
    return bytes.length;
  };
  for (const each of [flooding, honest]) driver.add(each);
  const sent = crypto.random.bytes(10 * limit.INPUT_PORTION_BYTES);
  driver.received(flooding, sent);
  expect([flooding.paused, taken.length]).toEqual([true, 2]);
  driver.received(honest, new Uint8Array(100));
  expect([honest.paused, honestBytes]).toEqual([false, 100]);
  const turns: number[] = [];
  while (flooding.heldInput !== null && turns.length < 20) {
    const before = taken.length;
    await new Promise((resolve) => setImmediate(resolve));
    turns.push(taken.length - before);
  }
  expect(Math.max(...turns)).toBe(2);
  expect(Buffer.concat(taken).equals(sent)).toBe(true);
  expect(flooding.paused).toBe(false);
  for (const each of [flooding, honest]) driver.drop(each, "over");
});
