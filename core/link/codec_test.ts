import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeBase58, encodeBase58 } from "./base58.ts";
import { concat } from "./bytes.ts";
import { type Side, frame, inject, openPair, pullAll } from "./_pair.ts";
import {
  IDENTIFY_PROTOCOL,
  type Identified,
  IdentifyAsk,
  decodeIdentify,
  encodeIdentify,
} from "./identify.ts";
import { formatIp6, parseIp4, parseIp6 } from "./ip.ts";
import {
  decodeMultiaddr,
  encodeMultiaddr,
  formatAddress,
  parseAddress,
  parseListenAddress,
} from "./multiaddr.ts";
import { ByteQueue } from "./byte_queue.ts";
import { parsePeerId, peerIdFromPublicKey, publicKeyOfPeerId } from "./peer_id.ts";
import { BufferPool } from "./pool.ts";
import { ProtobufReader, ProtobufWriter } from "./protobuf.ts";
import { FLAG, TYPE } from "./yamux.ts";

const PEER = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

describe("base58", () => {
  test("reads what it writes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(decodeBase58(encodeBase58(bytes))).toEqual(bytes);
      }),
    );
  });

  test("agrees with published examples", () => {
    // draft-msporny-base58, test vectors.
    expect(encodeBase58(new TextEncoder().encode("Hello World!"))).toBe("2NEpo7TZRRrLZSi2U");
    expect(encodeBase58(Uint8Array.of(0, 0, 0x28, 0x7f, 0xb4, 0xcd))).toBe("11233QC4");
    expect(decodeBase58("0OIl")).toBeNull();
    expect(decodeBase58("1".repeat(129))).toBeNull();
  });
});

describe("PeerId", () => {
  test("of an Ed25519 key is the one of the libp2p specification", () => {
    // libp2p peer-ids spec, Ed25519 test vector: the public key's protobuf.
    const encoded = Buffer.from(
      "080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e",
      "hex",
    );
    const peer = peerIdFromPublicKey(encoded.subarray(4));
    expect(parsePeerId(peer.text).bytes).toEqual(peer.bytes);
    expect(Buffer.from(peer.bytes).toString("hex")).toBe(`0024${encoded.toString("hex")}`);
    expect(publicKeyOfPeerId(peer.bytes)).toEqual(new Uint8Array(encoded.subarray(4)));
  });

  test("parsePeerId() takes both kinds of hash and nothing else", () => {
    expect(parsePeerId(PEER).text).toBe(PEER);
    expect(parsePeerId("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N").bytes.length).toBe(34);
    for (const text of ["", "Qm", PEER.slice(0, -1), `${PEER}1`, "not base58!"]) {
      expect(() => parsePeerId(text)).toThrow("A PeerId is base58btc");
    }
    expect(() => peerIdFromPublicKey(new Uint8Array(64))).toThrow("32 bytes");
  });
});

describe("multiaddr", () => {
  const WHOLE = [
    "/ip4/127.0.0.1/tcp/7070",
    `/ip4/1.2.3.4/tcp/0/p2p/${PEER}`,
    "/ip6/::1/tcp/65535/ws",
    `/ip6/2001:db8::2:1/tcp/1/tls/ws/p2p/${PEER}`,
    "/dns4/relay.example.org/tcp/7070",
    `/dns/x/tcp/1/ws/p2p/${PEER}`,
    "/dns6/relay.example.org/tcp/7070",
  ];

  test("is the same in text and in bytes", () => {
    for (const text of WHOLE) {
      expect(formatAddress(parseAddress(text))).toBe(text);
      expect(decodeMultiaddr(encodeMultiaddr(parseAddress(text)))).toBe(text);
    }
    // Bytes of the multiaddr specification's own example.
    const bytes = encodeMultiaddr(parseAddress("/ip4/127.0.0.1/tcp/4321"));
    expect(Buffer.from(bytes).toString("hex")).toBe("047f0000010610e1");
  });

  test("decodeMultiaddr() answers null where something is cut off or follows", () => {
    for (const text of WHOLE) {
      const bytes = encodeMultiaddr(parseAddress(text));
      for (let length = 0; length < bytes.length; length++) {
        const cut = decodeMultiaddr(bytes.subarray(0, length));
        // A part less is a multiaddr of its own; anything else isn't one.
        if (cut !== null) expect(encodeMultiaddr(parseAddress(cut)).length).toBe(length);
      }
      expect(decodeMultiaddr(concat(bytes, Uint8Array.of(1)))).toBeNull();
    }
  });

  test("parseAddress() says which part is wrong", () => {
    const wrong: readonly [string, string][] = [
      ["127.0.0.1:7070", 'starts with "/"'],
      ["/ip4/127.0.0.256/tcp/1", "/ip4 takes an IPv4 address"],
      ["/ip4/01.2.3.4/tcp/1", "/ip4 takes an IPv4 address"],
      ["/ip6/1:2/tcp/1", "/ip6 takes an IPv6 address"],
      ["/dns4/-x/tcp/1", "/dns4 takes a host name"],
      ["/udp/1", "the host is /ip4"],
      ["/ip4/1.2.3.4/udp/1", 'comes /tcp/PORT, got "udp"'],
      ["/ip4/1.2.3.4/tcp/65536", "a port is 0 to 65535"],
      ["/ip4/1.2.3.4/tcp/", "a port is 0 to 65535, got nothing"],
      ["/ip4/1.2.3.4/tcp/1/quic", 'nothing may follow, got "quic"'],
      ["/ip4/1.2.3.4/tcp/1/p2p/x", "A PeerId is base58btc"],
    ];
    for (const [text, why] of wrong) expect(() => parseAddress(text)).toThrow(why);
  });

  test("parseListenAddress() takes HOST:PORT too", () => {
    const read = (text: string): string => formatAddress(parseListenAddress(text));
    expect(read("0.0.0.0:7070")).toBe("/ip4/0.0.0.0/tcp/7070");
    expect(read("[::]:0")).toBe("/ip6/::/tcp/0");
    expect(read("localhost:80")).toBe("/dns/localhost/tcp/80");
    expect(read("/ip4/0.0.0.0/tcp/7071/ws")).toBe("/ip4/0.0.0.0/tcp/7071/ws");
    for (const text of ["7070", "a:b:c", "::1:7070", ":7070", "host:", "host:x"]) {
      expect(() => parseListenAddress(text)).toThrow("Cannot read the address");
    }
  });
});

describe("IP", () => {
  test("formatIp6() and parseIp6() agree, in the form of RFC 5952", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect(parseIp6(formatIp6(bytes))).toEqual(bytes);
      }),
    );
    const canonical: readonly [string, string][] = [
      ["2001:0db8::0001", "2001:db8::1"],
      ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
      ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
      ["::ffff:1.2.3.4", "::ffff:102:304"],
      ["::", "::"],
    ];
    for (const [text, form] of canonical) expect(formatIp6(parseIp6(text) ?? new Uint8Array(16))).toBe(form);
    for (const text of [
      "",
      ":",
      ":::",
      "1::2::3",
      "12345::",
      "1.2.3.4::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "::1%eth0",
    ]) {
      expect(parseIp6(text)).toBeNull();
    }
    expect(parseIp4("1.2.3")).toBeNull();
  });
});

describe("protobuf", () => {
  test("ProtobufReader reads what ProtobufWriter writes", () => {
    const field = fc.record({
      field: fc.integer({ min: 1, max: 1000 }),
      value: fc.oneof(fc.maxSafeNat(), fc.uint8Array()),
    });
    fc.assert(
      fc.property(fc.array(field), (fields) => {
        const writer = new ProtobufWriter();
        for (const { field, value } of fields) {
          if (typeof value === "number") writer.varint(field, value);
          else writer.bytes(field, value);
        }
        const reader = new ProtobufReader(writer.finish());
        for (const { field, value } of fields) {
          expect(reader.next()).toBe(true);
          expect(reader.field).toBe(field);
          expect(typeof value === "number" ? reader.value : reader.bytes).toEqual(value);
        }
        expect([reader.next(), reader.failed]).toEqual([false, false]);
      }),
    );
  });

  test("ProtobufReader fails on truncation, field 0, groups and endless varints", () => {
    for (const bytes of [
      [0x0a, 5, 1],
      [0x08],
      [0x00, 1],
      [0x0b],
      [0x0a, ...Array.from({ length: 12 }, () => 0xff)],
      [0x09, 1],
    ]) {
      const reader = new ProtobufReader(Uint8Array.from(bytes));
      while (reader.next()) continue;
      expect(reader.failed).toBe(true);
    }
  });
});

describe("identify", () => {
  test("decodeIdentify() reads encodeIdentify(), and null on every truncation inside a field", () => {
    const message = encodeIdentify({
      publicKey: new Uint8Array(32).fill(7),
      agent: "dchat/1",
      protocols: ["/a", "/b/1"],
      listenAddresses: [Uint8Array.of(4, 127, 0, 0, 1, 6, 1, 2)],
    });
    const read = decodeIdentify(message);
    expect(read?.agent).toBe("dchat/1");
    expect(read?.protocols).toEqual(["/a", "/b/1"]);
    expect(read?.listenAddresses).toEqual([Uint8Array.of(4, 127, 0, 0, 1, 6, 1, 2)]);
    expect(read?.observedAddress).toBeNull();
    expect(read?.publicKey?.length).toBe(36);
    let whole = 0;
    for (let length = 0; length < message.length; length++)
      if (decodeIdentify(message.subarray(0, length)) !== null) whole++;
    // Only between two fields is a prefix a message of its own: nothing, and after each field but the last.
    expect(whole).toBe(6);
  });
});

describe("IdentifyAsk", () => {
  /** What is understood of these messages, each with its length, and then the end. */
  function understood(messages: readonly Uint8Array[], cut = 0): Identified | null | undefined {
    const pair = openPair();
    let heard: Identified | null | undefined;
    const question = { held: new Uint8Array(0), answered: (said: Identified | null) => void (heard = said) };
    pair.dialler.link.open(IDENTIFY_PROTOCOL, new IdentifyAsk<Side>(), question);
    pullAll(pair.dialler.link);
    const said = Buffer.concat([
      Buffer.from(`\u0013/multistream/1.0.0\n\u000f${IDENTIFY_PROTOCOL}\n`),
      ...messages.flatMap((message) => [
        Uint8Array.of((message.length & 0x7f) | 0x80, message.length >> 7),
        message,
      ]),
    ]);
    const body = said.subarray(0, said.length - cut);
    inject(pair, pair.listener, frame(TYPE.data, FLAG.fin, 1, body.length, body));
    return heard;
  }
  const agent = new ProtobufWriter().text(6, "somebody").text(3, "/a").finish();
  const record = new ProtobufWriter().bytes(8, new Uint8Array(3000)).text(3, "/b").finish();

  test("reads one message, and several as one: go-libp2p sends what is long in parts", () => {
    expect(understood([agent])?.agent).toBe("somebody");
    const both = understood([agent, record]);
    expect([both?.agent, ...(both?.protocols ?? [])]).toEqual(["somebody", "/a", "/b"]);
  });

  test("answers null where nothing came, or the last message isn't whole", () => {
    expect(understood([])).toBeNull();
    expect(understood([agent], 1)).toBeNull();
    expect(understood([agent, record], 1)).toBeNull();
  });
});

describe("ByteQueue", () => {
  test("gives back what was appended, however it is taken, and holds no buffer when empty", () => {
    const step = fc.oneof(fc.record({ append: fc.nat(5000) }), fc.record({ take: fc.nat(9000) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const queue = new ByteQueue(new BufferPool());
        let written = 0;
        let read = 0;
        for (const one of steps) {
          if ("append" in one) queue.append(Uint8Array.from({ length: one.append }, () => written++));
          else {
            const length = Math.min(one.take, queue.length);
            for (const byte of queue.peek(length)) expect(byte).toBe(read++ & 0xff);
            queue.skip(length);
          }
          expect(queue.length).toBe(written - read);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("copies what waits a few times at most, however much waits and however small the pieces are", () => {
    let taken = 0;
    class CountingPool extends BufferPool {
      override take(bytes: number): Uint8Array {
        const buffer = super.take(bytes);
        taken += buffer.length;
        return buffer;
      }
    }
    const piece = new Uint8Array(256);
    for (const kib of [255, 511, 767, 1023, 4095]) {
      taken = 0;
      const queue = new ByteQueue(new CountingPool());
      while (queue.length < kib * 1024) queue.append(piece);
      expect(taken).toBeLessThan(5 * kib * 1024);
      taken = 0;
      // It stays as long as it is, while as much as it holds passes through it.
      for (let passed = 0; passed < kib * 1024; passed += piece.length) {
        queue.skip(piece.length);
        queue.append(piece);
      }
      expect(taken).toBeLessThan(17 * kib * 1024);
    }
  });
});
