import { expect, test } from "bun:test";
import { limit } from "../ground/mod.ts";
import { Link } from "../link/mod.ts";
import { LIMITS, clock, crypto } from "./_kit.ts";
import { Connection } from "./connection.ts";
import { Driver } from "./driver.ts";
import { noiseIdentity } from "./own.ts";

/** A connection that was secured long ago, on a socket that takes everything. */
class Stub extends Connection {
  readonly inbound = false;
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

test("received() holds input in many pieces while the link takes none, and passes it on in order", () => {
  const driver = new Driver({ clock, limits: LIMITS, events: null });
  using identity = crypto.ed25519.generate();
  const noise = noiseIdentity(crypto, identity);
  const profile = driver.profile({ role: "dialler", noise, protocols: () => null, expectedPeer: null });
  const connection = new Stub(
    driver,
    driver.admission.count("127.0.0.1"),
    (owner) => new Link(profile, owner, 0),
  );
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
