import { describe, expect, test } from "bun:test";
import type { NetworkInterfaceInfo } from "node:os";
import { type Address, formatAddress, parseListenAddress } from "../link/mod.ts";
import { reachableAddresses, reachOf } from "./reachable.ts";

function nic(address: string): NetworkInterfaceInfo {
  const common = { address, internal: false, mac: "00:00:00:00:00:00", netmask: "", cidr: null };
  return address.includes(":") ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" };
}

const machine = {
  lo: [nic("127.0.0.1"), nic("::1")],
  eth0: [nic("192.0.2.2"), nic("2001:db8::2"), nic("fe80::1")],
  eth1: [nic("10.1.2.3"), nic("169.254.7.7")],
};

const reach = (...listen: string[]) =>
  reachableAddresses(listen.map(parseListenAddress), machine).map((each: Address) => formatAddress(each));

describe("reachableAddresses()", () => {
  test("leaves what is bound to one address", () => {
    expect(reach("192.0.2.2:7070", "/ip6/::1/tcp/7070", "relay.example:1")).toEqual([
      "/ip4/192.0.2.2/tcp/7070",
      "/dns/relay.example/tcp/1",
      "/ip6/::1/tcp/7070",
    ]);
  });

  test("names each address of the machine for 0.0.0.0, its own last", () => {
    expect(reach("0.0.0.0:7070", "/ip4/0.0.0.0/tcp/7071/ws")).toEqual([
      "/ip4/192.0.2.2/tcp/7070",
      "/ip4/10.1.2.3/tcp/7070",
      "/ip4/192.0.2.2/tcp/7071/ws",
      "/ip4/10.1.2.3/tcp/7071/ws",
      "/ip4/127.0.0.1/tcp/7070",
      "/ip4/127.0.0.1/tcp/7071/ws",
    ]);
  });

  test("names those of both families for ::", () => {
    expect(reach("[::]:7070")).toEqual([
      "/ip4/192.0.2.2/tcp/7070",
      "/ip6/2001:db8::2/tcp/7070",
      "/ip4/10.1.2.3/tcp/7070",
      "/ip4/127.0.0.1/tcp/7070",
      "/ip6/::1/tcp/7070",
    ]);
  });

  test("leaves 0.0.0.0 where the machine has no address at all", () => {
    expect(reachableAddresses([parseListenAddress("0.0.0.0:1")], {}).map(formatAddress)).toEqual([
      "/ip4/0.0.0.0/tcp/1",
    ]);
  });
});

describe("reachOf()", () => {
  test.each([
    [["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"], "machine"],
    [["/dns/localhost/tcp/1"], "machine"],
    [["/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"], "network"],
    [["/ip4/172.31.0.1/tcp/1"], "network"],
    [["/ip4/100.64.0.1/tcp/1"], "network"],
    [["/ip6/fd00::2/tcp/1"], "network"],
    [["/ip4/172.32.0.1/tcp/1"], "anywhere"],
    [["/ip4/10.0.0.1/tcp/1", "/ip4/198.51.100.7/tcp/1"], "anywhere"],
    [["/dns4/relay.example/tcp/1"], "anywhere"],
    [["/ip6/2001:db8::2/tcp/1"], "anywhere"],
  ] as const)("of %j is %s", (addresses, reach) => {
    expect(reachOf(addresses)).toBe(reach);
  });
});
