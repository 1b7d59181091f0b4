/**
 * Frames against RFC 6455's own examples and against a reader that knows nothing of cuts. DCHAT_TEST_LONG=1 tries many
 * more; DCHAT_TEST_SEED=n tries another sequence, and a failure names the seed and the case.
 */
import { describe, expect, test } from "bun:test";
import { limit } from "../../ground/mod.ts";
import { ALL } from "../../link/mod.ts";
import { pattern, randomFrom } from "../../link/_pair.ts";
import { HEADROOM_BYTES } from "../connection.ts";
import { clientFrame, type FrameOptions, ServerFrames } from "./_kit.ts";
import { encodeClose, encodePong, FrameReader, isTooLong, writeHead } from "./frame.ts";

const CASES = process.env["DCHAT_TEST_LONG"] === "1" ? 200_000 : 3_000;
const SEED = Number(process.env["DCHAT_TEST_SEED"] ?? 1);
const MAX = limit.WEBSOCKET_MESSAGE_BYTES_MAX;
const HELLO = new TextEncoder().encode("Hello");
const NOTHING = new Uint8Array(0);

interface Reading {
  /** Where the pieces end that it is given. */
  readonly cuts?: readonly number[];
  readonly most?: typeof ALL;
  /** How much of `length` the link takes. */
  readonly takes?: (length: number) => number;
}

/** Everything a reader made of `bytes`. */
function readAll(bytes: Uint8Array, { cuts = [], most = ALL, takes = (all) => all }: Reading = {}) {
  const reader = new FrameReader();
  const parts: Uint8Array[] = [];
  const link = {
    receive(payload: Uint8Array) {
      const taken = takes(payload.length);
      parts.push(payload.slice(0, taken));
      return taken;
    },
  };
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    // A copy each: it writes on what it is given. At some offset, as a socket's buffers may be.
    const piece = new Uint8Array(3 + to - from).subarray(to % 4 === 3 ? 3 : to % 4);
    piece.set(bytes.subarray(from, to));
    for (let at = 0; at < to - from && reader.ending === null;) {
      at += reader.read(piece.subarray(at, to - from), link, 0, most);
    }
    from = to;
  }
  return { payload: Buffer.concat(parts).toString("hex"), ping: hexOf(reader.ping), ending: reader.ending };
}

function hexOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString("hex");
}

function close(code: number, reason: Uint8Array = NOTHING): Uint8Array {
  return clientFrame(Buffer.concat([Uint8Array.of(code >> 8, code), reason]), { opcode: 8 });
}

/** A message in three fragments with a ping and a pong between them, an empty message, and one more. */
const STREAM = Buffer.concat([
  clientFrame(pattern(300, 1), { final: false }),
  clientFrame(HELLO, { opcode: 9, mask: [1, 2, 3, 4] }),
  clientFrame(NOTHING, { opcode: 0, final: false }),
  clientFrame(HELLO, { opcode: 10 }),
  clientFrame(pattern(130, 2), { opcode: 0, mask: [0, 255, 0, 255] }),
  clientFrame(NOTHING),
  clientFrame(pattern(5, 3)),
]);
const STREAM_PAYLOAD = Buffer.concat([pattern(300, 1), pattern(130, 2), pattern(5, 3)]).toString("hex");

describe("FrameReader", () => {
  test("reads the examples of RFC 6455, section 5.7, as they are", () => {
    const masked = "37fa213d7f9f4d5158";
    expect(readAll(Buffer.from(`8285${masked}`, "hex")).payload).toBe(hexOf(HELLO) ?? "");
    expect(readAll(Buffer.from(`8985${masked}`, "hex")).ping).toBe(hexOf(HELLO));
    expect(readAll(Buffer.from(`8a85${masked}`, "hex"))).toEqual({ payload: "", ping: null, ending: null });
    expect(readAll(Buffer.from(`8185${masked}`, "hex")).ending?.code).toBe(1003);
    // Those of a server, which have no mask.
    for (const frame of ["810548656c6c6f", "890548656c6c6f", "820548656c6c6f"]) {
      expect(readAll(Buffer.from(frame, "hex")).ending?.reason).toBe("websocket: a frame is not masked");
    }
  });

  test("reads every form of a length at its bounds, whatever the cuts and the alignment", () => {
    for (const length of [0, 1, 3, 4, 63, 64, 65, 66, 67, 125, 126, 127, 128, 65_535, 65_536, MAX]) {
      const payload = pattern(length);
      const frame = clientFrame(payload);
      const head = frame.length - length;
      for (const cuts of [[], [1], [head - 1], [head], [head + 1], [head + 2, head + 3], [head + 66]]) {
        const read = readAll(frame, { cuts: cuts.filter((cut) => cut <= frame.length) });
        expect(read.payload === payload.toHex()).toBe(true);
        expect(read.ending).toBeNull();
      }
    }
  });

  test("reads a stream the same wherever it is cut, and of each truncation what is there", () => {
    const whole = readAll(STREAM);
    expect(whole).toEqual({ payload: STREAM_PAYLOAD, ping: hexOf(HELLO), ending: null });
    for (let cut = 0; cut <= STREAM.length; cut++) {
      expect(readAll(STREAM, { cuts: [cut] })).toEqual(whole);
      const part = readAll(STREAM.subarray(0, cut));
      expect(part.ending).toBeNull();
      expect(STREAM_PAYLOAD.startsWith(part.payload)).toBe(true);
    }
    const everyByte = Array.from({ length: STREAM.length - 1 }, (_, at) => at + 1);
    expect(readAll(STREAM, { cuts: everyByte })).toEqual(whole);
  });

  test("takes a portion at a time: so many frames, or as many bytes as they could have", () => {
    const took = (bytes: Uint8Array): number => {
      const link = { receive: (payload: Uint8Array) => payload.length };
      return new FrameReader().read(bytes, link, 0, { frames: 64, bytes: 65_536 });
    };
    const ping = clientFrame(NOTHING, { opcode: 9 });
    expect(took(Buffer.concat(Array.from({ length: 1000 }, () => ping)))).toBe(64 * ping.length);
    const byte = clientFrame(Uint8Array.of(1));
    expect(took(Buffer.concat(Array.from({ length: 1000 }, () => byte)))).toBe(32 * byte.length);
    const large = clientFrame(pattern(MAX));
    expect(took(Buffer.concat([large, large]))).toBe(large.length - MAX + 65_536);
  });

  test("says which rule is broken, as soon as it is, and gives what came before", () => {
    const broken: readonly [string, Uint8Array, number][] = [
      ["text", clientFrame(HELLO, { opcode: 1 }), 1003],
      ["no mask", clientFrame(HELLO, { mask: [] }), 1002],
      ...[1, 2, 4, 7].map((reserved) => bad(`reserved ${reserved}`, { reserved })),
      ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => bad(`opcode ${opcode}`, { opcode })),
      bad("a continuation of nothing", { opcode: 0 }),
      ...[8, 9, 10].map((opcode) => bad(`control ${opcode} in fragments`, { opcode, final: false })),
      ["a ping of 126 bytes", clientFrame(pattern(126), { opcode: 9 }), 1002],
      ["5 in 16 bits", clientFrame(HELLO, { lengthBits: 16 }), 1002],
      ["5 in 64 bits", clientFrame(HELLO, { lengthBits: 64 }), 1002],
      ["125 in 16 bits", clientFrame(pattern(125), { lengthBits: 16 }), 1002],
      ["65,535 in 64 bits", clientFrame(pattern(65_535), { lengthBits: 64 }), 1002],
      ["the highest bit", Uint8Array.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4), 1002],
      ["2^62 bytes", Uint8Array.of(0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4), 1009],
      ["a byte too many", clientFrame(pattern(MAX + 1)).subarray(0, 14), 1009],
    ];
    for (const [what, bytes, code] of broken) {
      const before = clientFrame(pattern(9));
      const all = Buffer.concat([before, bytes, clientFrame(HELLO)]);
      for (const cuts of [[], [before.length], [before.length + 1], [before.length + 2]]) {
        const read = readAll(all, { cuts });
        expect([what, read.ending?.code, read.payload]).toEqual([what, code, pattern(9).toHex()]);
      }
    }
  });

  test("bounds a message by all its fragments, and starts again with the next", () => {
    const half = clientFrame(pattern(MAX / 2), { final: false });
    const rest = clientFrame(pattern(MAX / 2), { opcode: 0 });
    expect(readAll(Buffer.concat([half, rest, half, rest])).ending).toBeNull();
    const over = readAll(Buffer.concat([half, clientFrame(pattern(MAX / 2 + 1), { opcode: 0 })]));
    expect(over.ending).toMatchObject({ code: 1009 });
    expect(over.ending === null || isTooLong(over.ending)).toBe(true);
  });

  test("takes no new message and no more of none between fragments", () => {
    const open = clientFrame(HELLO, { final: false });
    expect(readAll(Buffer.concat([open, clientFrame(HELLO)])).ending?.code).toBe(1002);
    const done = Buffer.concat([open, clientFrame(HELLO, { opcode: 0 })]);
    expect(readAll(Buffer.concat([done, clientFrame(HELLO, { opcode: 0 })])).ending?.code).toBe(1002);
  });

  test("says back what a Close says, where it may say that, and reads nothing behind it", () => {
    for (const code of [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999]) {
      const read = readAll(Buffer.concat([close(code, HELLO), clientFrame(HELLO)]));
      expect(read).toEqual({ payload: "", ping: null, ending: { code, reason: "connection closed" } });
    }
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535]) {
      expect(readAll(close(code)).ending?.code).toBe(1002);
    }
    expect(readAll(clientFrame(NOTHING, { opcode: 8 })).ending?.code).toBe(1005);
    expect(readAll(clientFrame(Uint8Array.of(3), { opcode: 8 })).ending?.code).toBe(1002);
    expect(readAll(close(1000, Uint8Array.of(0xff, 0xfe))).ending?.code).toBe(1007);
  });

  test("keeps the last ping alone, since a pong answers all before it", () => {
    const pings = Buffer.concat([1, 2, 3].map((n) => clientFrame(Uint8Array.of(n), { opcode: 9 })));
    expect(readAll(pings).ping).toBe("03");
    const largest = clientFrame(pattern(125), { opcode: 9 });
    expect(readAll(largest, { cuts: [1, 7, 130] }).ping).toBe(pattern(125).toHex());
  });

  test(`reads what a slow reader reads, of damaged and of random bytes, in any pieces, for a link that takes any part (seed ${SEED})`, () => {
    const random = randomFrom(SEED);
    const below = (end: number): number => Math.floor(random() * end);
    for (let round = 0; round < CASES; round++) {
      const bytes = round % 5 === 0 ? randomBytes(below) : damaged(below);
      const cuts = Array.from({ length: below(6) }, () => below(bytes.length + 1)).sort((a, b) => a - b);
      const expected = slowRead(bytes);
      const most = { frames: 1 + below(3), bytes: 1 + below(200) };
      const read = readAll(bytes, { cuts, most, takes: (length) => below(length + 1) });
      const got = { payload: read.payload, ping: read.ping, code: read.ending?.code ?? null };
      expect([SEED, round, got]).toEqual([SEED, round, expected]);
    }
  });
});

function bad(what: string, options: FrameOptions): [string, Uint8Array, number] {
  return [what, clientFrame(HELLO, options), 1002];
}

type Below = (end: number) => number;

function randomBytes(below: Below): Uint8Array {
  return Uint8Array.from({ length: below(80) }, () => below(256));
}

/** Frames that hold, or the same with a few bits turned. */
function damaged(below: Below): Uint8Array {
  const frames = Array.from({ length: 1 + below(6) }, () => {
    const opcode = [2, 2, 0, 9, 10, 8][below(6)] ?? 2;
    const payload = pattern(below(3) === 0 ? below(400) : below(20), below(99));
    const mask = [below(256), below(256), below(256), below(256)];
    return clientFrame(opcode === 8 ? Uint8Array.of(3, 232 + below(8)) : payload, {
      opcode,
      final: below(4) > 0,
      mask,
    });
  });
  const bytes = Buffer.concat(frames);
  for (let flips = below(4); flips > 1; flips--) {
    const at = below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
  }
  return bytes;
}

/** What RFC 6455 makes of `bytes`, said as plainly as can be, whole and byte for byte. */
function slowRead(bytes: Uint8Array) {
  const payload: number[] = [];
  const said = { payload: "", ping: null as string | null, code: null as number | null };
  let open = false;
  let message = 0n;
  for (let at = 0; at + 2 <= bytes.length && said.code === null;) {
    const [first = 0, second = 0] = bytes.subarray(at);
    const opcode = first & 15;
    const final = first >> 7 === 1;
    const short = second & 127;
    const control = opcode >= 8;
    if (((first >> 4) & 7) !== 0 || second >> 7 === 0) said.code = 1002;
    else if (opcode === 1) said.code = 1003;
    else if (![0, 2, 8, 9, 10].includes(opcode)) said.code = 1002;
    else if (control ? !final || short > 125 : (opcode === 0) !== open) said.code = 1002;
    if (said.code !== null) break;
    const size = short < 126 ? 0 : short === 126 ? 2 : 8;
    const start = at + 2 + size + 4;
    if (bytes.length < start) break;
    let length = BigInt(size === 0 ? short : 0);
    for (const byte of bytes.subarray(at + 2, at + 2 + size)) length = length * 256n + BigInt(byte);
    const least = size === 0 ? 0n : size === 2 ? 126n : 65_536n;
    if (length < least || length >> 63n === 1n) said.code = 1002;
    else if (!control) {
      message = (opcode === 2 ? 0n : message) + length;
      if (message > BigInt(MAX)) said.code = 1009;
      else open = !final;
    }
    if (said.code !== null) break;
    const mask = bytes.subarray(start - 4, start);
    const body = bytes.subarray(start, start + Number(length)).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
    if (!control) payload.push(...body);
    else if (body.length < Number(length)) break;
    else if (opcode === 9) said.ping = hexOf(body);
    else if (opcode === 8) said.code = closeCode(body);
    at = start + Number(length);
  }
  said.payload = Uint8Array.from(payload).toHex();
  return said;
}

function closeCode(body: Uint8Array): number {
  if (body.length === 0) return 1005;
  const code = body.length < 2 ? 0 : ((body[0] ?? 0) << 8) | (body[1] ?? 0);
  const assigned = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  if (!assigned.includes(code) && !(code >= 3000 && code <= 4999)) return 1002;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(body.subarray(2));
    return code;
  } catch {
    return 1007;
  }
}

describe("writeHead()", () => {
  test("writes the heads of RFC 6455, section 5.7, right before the payload", () => {
    const heads: readonly [number, string][] = [
      [5, "8205"],
      [125, "827d"],
      [126, "827e007e"],
      [256, "827e0100"],
      [65_535, "827effff"],
      [65_536, "827f0000000000010000"],
      [0x1234_5678, "827f0000000012345678"],
    ];
    for (const [length, head] of heads) {
      const bytes = new Uint8Array(HEADROOM_BYTES).fill(0xaa);
      const at = writeHead(bytes, HEADROOM_BYTES, length);
      expect(bytes.subarray(at).toHex()).toBe(head);
      expect(bytes.subarray(0, at).every((byte) => byte === 0xaa)).toBe(true);
    }
  });
});

describe("encodePong() and encodeClose()", () => {
  test("write the example of RFC 6455, section 5.7, and frames that a client reads", () => {
    expect(encodePong(HELLO).toHex()).toBe("8a0548656c6c6f");
    expect(encodeClose({ code: 1000 }).toHex()).toBe("880203e8");
    expect(encodeClose({ code: 1005 }).toHex()).toBe("8800");
    const frames = new ServerFrames().push(encodePong(pattern(125)));
    expect(frames).toEqual([{ opcode: 10, payload: Buffer.from(pattern(125)) }]);
  });
});
