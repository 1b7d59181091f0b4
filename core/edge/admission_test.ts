import { expect, test } from "bun:test";
import { LIMITS, clock, crypto, failure, listen, until } from "./_kit.ts";
import { AccessList } from "./access.ts";
import { Admission } from "./admission.ts";
import { Buckets } from "./bucket.ts";
import { Counts } from "./counts.ts";
import { openDialler } from "./dialler.ts";
import type { EdgeLimits } from "./port.ts";

const PEER = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

test("Buckets gives a burst, then the rate, to each key for itself", () => {
  const buckets = new Buckets();
  const rate = { perSecond: 10, burst: 20 };
  const taken = (key: string, now: number): number => {
    let count = 0;
    while (buckets.take(key, now, rate)) count++;
    return count;
  };
  expect(taken("a", 1000)).toBe(20);
  expect(taken("a", 1500)).toBe(5);
  expect(taken("a", 100_000)).toBe(20);
  expect(taken("b", 100_000)).toBe(20);
});

test("Buckets hold nobody up for others, but for as many as fall together twice", () => {
  const buckets = new Buckets();
  const rate = { perSecond: 50, burst: 200 };
  const attackers = Array.from({ length: 400 }, (_, at) => `198.51.${at >> 8}.${at & 255}`);
  for (let now = 1000; now < 5000; now += 10) for (const each of attackers) buckets.take(each, now, rate);
  const honest = Array.from({ length: 20_000 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);
  const heldUp = honest.filter((each) => !buckets.take(each, 5000, rate));
  // With one place each it would be one in twenty, with two it is one in four hundred, give or take.
  expect(heldUp.length).toBeLessThan(200);
});

test("Counts are exact, and hold nothing of who has left", () => {
  const counts = new Counts();
  const key = new Uint8Array(38).fill(3);
  for (let others = 0; others < 20_000; others++) counts.add(Uint8Array.of(others, others >> 8), 1);
  for (let count = 1; count < 50; count++) expect(counts.add(key, 1)).toBe(count);
  for (let count = 48; count >= 0; count--) expect(counts.add(key, -1)).toBe(count);
  for (let others = 0; others < 20_000; others++) counts.add(Uint8Array.of(others, others >> 8), -1);
  expect(counts.size).toBe(0);
});

test("AccessList denies networks and PeerIds, and allows alone what it is told to", () => {
  const list = new AccessList({ allow: [], deny: ["192.0.2.0/25", "2001:db8::/33", "10.1.2.3", PEER] });
  for (const address of ["192.0.2.127", "2001:db8:7fff::1", "10.1.2.3"])
    expect(list.admitsAddress(address)).toBe(false);
  for (const address of ["192.0.2.128", "2001:db8:8000::1", "10.1.2.4", "::1"])
    expect(list.admitsAddress(address)).toBe(true);
  const only = new AccessList({ allow: ["10.0.0.0/8"], deny: ["10.9.0.0/16"] });
  expect(["10.1.1.1", "10.9.1.1", "11.1.1.1", "::1"].map((address) => only.admitsAddress(address))).toEqual([
    true,
    false,
    false,
    false,
  ]);
  const mapped = new AccessList({ allow: [], deny: ["::ffff:192.0.2.1", "::ffff:10.0.0.0/104", "::/8"] });
  expect(["192.0.2.1", "10.9.9.9", "::1"].map((address) => mapped.admitsAddress(address))).toEqual([
    false,
    false,
    false,
  ]);
  expect(["192.0.2.2", "11.0.0.1", "2001:db8::1"].every((each) => mapped.admitsAddress(each))).toBe(true);
  expect(only.admitsPeer(new Uint8Array(38))).toBe(true);
  for (const entry of ["", "10.0.0.0/33", "10.0.0.0/8/8", "example.org", "12D3"]) {
    expect(() => new AccessList({ allow: [entry], deny: [] })).toThrow("An access list takes");
  }
});

test("Admission.admit() holds an address to its rate, a /48 to one, and loopback only where told", () => {
  const admission = new Admission();
  const fullness = { handshakes: null, now: 5000 };
  const slow: EdgeLimits = { ...LIMITS, acceptsPerSecondMax: 2 };
  const outcomes = (addresses: readonly string[], limits = slow) =>
    addresses.map((address) => typeof admission.admit(address, { ...fullness, limits }));
  expect(
    outcomes(Array.from({ length: 9 }, () => "192.0.2.1")).filter((kind) => kind === "object"),
  ).toHaveLength(8);
  const sixes = Array.from({ length: 9 }, (_, index) => `2001:db8:5:${index}::1`);
  expect(outcomes(sixes).filter((kind) => kind === "object")).toHaveLength(8);
  const local = Array.from({ length: 2000 }, () => "127.0.0.1");
  expect(outcomes(local, LIMITS)).not.toContain("string");
});

test("Admission.admit() lets nobody in above the memory budget", () => {
  const admission = new Admission();
  const fullness = { handshakes: null, now: 0 };
  const within = { ...fullness, limits: { ...LIMITS, memoryBytesMax: 2 ** 40 } };
  expect(typeof admission.admit("192.0.2.1", within)).toBe("object");
  expect(
    admission.admit("192.0.2.1", { ...fullness, now: 2000, limits: { ...LIMITS, memoryBytesMax: 1 } }),
  ).toBe("MEMORY_BYTES_MAX");
});

test("Admission.admit() lets others in where those who filled the memory have left, though it isn't given back", () => {
  const admission = new Admission();
  const at = (now: number, memoryBytesMax: number) =>
    admission.admit("192.0.2.1", { handshakes: null, now, limits: { ...LIMITS, memoryBytesMax } });
  const held = Array.from({ length: 100 }, () => at(0, 2 ** 40)).filter((each) => typeof each !== "string");
  expect(held).toHaveLength(100);
  expect(at(2000, 1)).toBe("MEMORY_BYTES_MAX");
  for (const origin of held.splice(0, 20)) admission.release(origin);
  const again = Array.from({ length: 20 }, () => at(4000, 1));
  expect(again.filter((each) => typeof each !== "string")).toHaveLength(10);
  expect(again.at(-1)).toBe("MEMORY_BYTES_MAX");
});

test("openListener() takes so many connections of one PeerId and no more", async () => {
  await using ours = await listen({ connectionsPerPeerMax: 3 });
  using identity = crypto.ed25519.generate();
  await using known = openDialler({ crypto, limits: LIMITS, clock, identity });
  for (let count = 0; count < 4; count++) await known.dial({ address: ours.address });
  await until(
    "the fourth is refused",
    () => ours.log.reasons.length === 1 && ours.listener.connections === 3,
  );
  expect(ours.log.limits).toEqual(["CONNECTIONS_PER_PEER_MAX"]);
  await using others = openDialler({ crypto, limits: LIMITS, clock });
  for (let count = 0; count < 6; count++) await others.dial({ address: ours.address });
  await until("they stay", () => ours.listener.connections === 9);
  await known[Symbol.asyncDispose]();
  await until("they have gone", () => ours.listener.connections === 6);
  await using again = openDialler({ crypto, limits: LIMITS, clock, identity });
  await again.dial({ address: ours.address });
  await until("it is let in again", () => ours.listener.connections === 7);
});

test("Listener.setAccess() holds for those who are there and for those who come, and a bad list changes nothing", async () => {
  await using ours = await listen();
  using identity = crypto.ed25519.generate();
  await using banned = openDialler({ crypto, limits: LIMITS, clock, identity });
  await using others = openDialler({ crypto, limits: LIMITS, clock });
  const connection = await banned.dial({ address: ours.address });
  await others.dial({ address: ours.address });
  await until("both are there", () => ours.log.connections.length === 2);
  const peer = ours.log.connections[0]?.peer.text ?? "";
  ours.listener.setAccess({ allow: [], deny: [peer] });
  await until("it is dropped", () => banned.connections === 0);
  expect(ours.listener.connections).toBe(1);
  expect(connection.streams).toBe(0);
  await banned.dial({ address: ours.address });
  await until(
    "it is refused",
    () => ours.log.limits.includes("ACCESS_DENIED") && ours.listener.connections === 1,
  );
  expect(() => ours.listener.setAccess({ allow: ["nonsense"], deny: [] })).toThrow("An access list takes");
  ours.listener.setAccess({ allow: ["192.0.2.0/24"], deny: [] });
  expect(ours.listener.connections).toBe(0);
  expect((await failure(others.dial({ address: ours.address }))).message).toContain("Cannot");
});
