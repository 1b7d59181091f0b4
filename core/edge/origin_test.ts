import { expect, test } from "bun:test";
import { LIMITS } from "./_kit.ts";
import { type Origin, Origins, plainAddress } from "./origin.ts";

const limits = { ...LIMITS, connectionsPerAddressMax: 2, connectionsPerSubnetMax: 3 };

function admitted(origins: Origins, address: string): Origin {
  const origin = origins.admit(address, limits);
  if (typeof origin === "string") throw new Error(origin);
  return origin;
}

test("Origins.admit() refuses the connection after the last of an address, and of its /24 or /48", () => {
  for (const [one, two, three, elsewhere] of [
    ["198.51.100.1", "198.51.100.2", "198.51.100.77", "198.51.101.1"],
    ["2001:db8:1::1", "2001:db8:1:9::2", "2001:db8:1:ffff::3", "2001:db8:2::1"],
  ] as const) {
    const origins = new Origins();
    const first = admitted(origins, one);
    admitted(origins, one);
    expect(origins.admit(one, limits)).toBe("CONNECTIONS_PER_ADDRESS_MAX");
    admitted(origins, two);
    expect(origins.admit(three, limits)).toBe("CONNECTIONS_PER_SUBNET_MAX");
    admitted(origins, elsewhere);
    origins.release(first);
    expect(admitted(origins, three).address).toBe(three);
  }
});

test("Origins holds nothing of an address when its last connection has gone", () => {
  const origins = new Origins();
  const all = Array.from({ length: 100 }, (_, index) => admitted(origins, `10.0.${index}.1`));
  expect(origins.size).toBe(200);
  for (const origin of all) origins.release(origin);
  expect(origins.size).toBe(0);
});

test("plainAddress() shows an IPv4 address of a dual-stack socket as itself", () => {
  expect(plainAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(plainAddress("2001:db8::1")).toBe("2001:db8::1");
});
