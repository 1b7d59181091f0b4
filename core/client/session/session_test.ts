import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create, newMailbox, plain, type TestMailbox } from "../../../test/harness/device.ts";
import { type Kit, openKit, PEER } from "../../node/pipeline/_kit.ts";
import { systemClock } from "../../node/clock.ts";
import { isFault, limit, publicKey } from "../../ground/mod.ts";
import { REPLY_KIND } from "../../wire/mod.ts";
import { openSession, type OpenedSession } from "./session.ts";

let kit: Kit;
let box: TestMailbox;

beforeAll(async () => {
  kit = await openKit();
  box = newMailbox(kit.crypto, { relay: kit.relay });
  const session = await kit.connect();
  await create({ session }, box);
  await session[Symbol.asyncDispose]();
});

afterAll(() => kit[Symbol.asyncDispose]());

/** Changes one byte of the payload of replies of `kind`; frames of a test's replies come whole. */
function flip(kind: keyof typeof REPLY_KIND, at: number): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => {
    if (bytes[3] !== REPLY_KIND[kind]) return bytes;
    const place = limit.FRAME_HEADER_BYTES + (at % (bytes.length - limit.FRAME_HEADER_BYTES));
    bytes[place] = (bytes[place] ?? 0) ^ 0x01;
    return bytes;
  };
}

async function faultOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return isFault(error) ? error.code : String(error);
  }
}

function append(session: OpenedSession, signal?: AbortSignal) {
  const options = signal === undefined ? {} : { signal };
  return session.command(plain(kit.crypto), { ...box, key: box.writer }, options);
}

function readerKey() {
  const [key] = box.readers;
  if (key === undefined) throw new Error("no reader");
  return key;
}

describe("openSession()", () => {
  test("believes a relay whose identity certified this PeerId, and says whose it is", async () => {
    await using session = await kit.connect();
    expect(session.relay).toEqual(kit.relay);
    expect(session.skewMs).toBeLessThan(5000);
  });

  test("refuses another identity, another PeerId, and a hello changed in any byte that is signed", async () => {
    const stranger = publicKey(kit.crypto.ed25519.generate().publicKey);
    const common = { crypto: kit.crypto, clock: systemClock };
    const other = openSession(kit.pair().connection, { ...common, relay: stranger });
    expect(await faultOf(other)).toBe("session/other");
    const peer = PEER.slice().fill(4);
    const elsewhere = openSession(kit.pair({ peer }).connection, { ...common, relay: null });
    expect(await faultOf(elsewhere)).toBe("session/untrue");
    // The certificate is the hello's end: relay, head key, time, PeerId, signature.
    for (let back = 1; back <= 64 + 38 + 1 + 8 + 64; back += 7) {
      const changed = (bytes: Uint8Array): Uint8Array => {
        if (bytes[3] === REPLY_KIND.hello) bytes[bytes.length - back] = (bytes.at(-back) ?? 0) ^ 1;
        return bytes;
      };
      expect(await faultOf(kit.connect({ tamper: changed }))).toBe("session/untrue");
    }
  });

  test("refuses a certificate whose time is over, and names both clocks where they disagree on it", async () => {
    const overMs = kit.certificate.notAfterMs + 1;
    const later = { now: () => overMs, monotonic: () => performance.now() };
    const open = (pair = kit.pair()) =>
      openSession(pair.connection, { crypto: kit.crypto, clock: later, relay: null });
    expect(await faultOf(open())).toBe("session/clock");
    const iso = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 16).replace("T", " ");
    await expect(open()).rejects.toThrow(`this machine's clock says ${iso(overMs)} UTC`);
    const alsoLater = (bytes: Uint8Array): Uint8Array => {
      // The relay's time in its hello, behind header, versions and nonce.
      if (bytes[3] === REPLY_KIND.hello) new DataView(bytes.buffer).setBigUint64(43, BigInt(overMs));
      return bytes;
    };
    expect(await faultOf(open(kit.pair({ tamper: alsoLater })))).toBe("session/untrue");
  });

  test("says which versions the relay speaks where it doesn't speak ours", async () => {
    const newer = (bytes: Uint8Array): Uint8Array => {
      // The hello's list, behind the frame's header: one version of two bytes.
      if (bytes[3] === REPLY_KIND.hello) bytes[10] = 99;
      return bytes;
    };
    const protocols = () => kit.pipeline.protocols("/dchat/mailbox/99");
    const { connection } = kit.pair({ protocols, tamper: newer });
    const refused = openSession(connection, { crypto: kit.crypto, clock: systemClock, relay: null });
    await expect(refused).rejects.toThrow(
      "The relay speaks versions 1 of the mailbox protocol, this client 1",
    );
    expect(await faultOf(refused)).toBe("session/unsupported");
  });

  test("says closed where the connection ends before the hello or the protocol is refused", async () => {
    const pair = kit.pair({ protocols: () => null });
    const refused = openSession(pair.connection, { crypto: kit.crypto, clock: systemClock, relay: null });
    expect(await faultOf(refused)).toBe("session/closed");
    const signal = AbortSignal.abort(new Error("not now"));
    const never = openSession(kit.pair().connection, {
      crypto: kit.crypto,
      clock: systemClock,
      relay: null,
      signal,
    });
    expect(await faultOf(never)).toContain("not now");
  });
});

describe("a session", () => {
  test("takes no promise that is changed in any byte", async () => {
    for (let at = 0; at < 250; at += 3) {
      const session = await kit.connect({ tamper: flip("appended", at) });
      expect(await faultOf(append(session))).toBe("session/untrue");
      expect(await session.closed).toContain("doesn't hold");
    }
  });

  test("takes no entry whose body isn't what its leaf names, and no head that isn't signed", async () => {
    await using honest = await kit.connect();
    await append(honest);
    const read = (session: OpenedSession) =>
      session.read({ from: 0, bytesMax: 1024 }, { ...box, key: readerKey() });
    expect((await read(honest)).is).toBe("read");
    for (const at of [150, 300, 1000]) {
      expect(await faultOf(read(await kit.connect({ tamper: flip("entry", at) })))).toBe("session/untrue");
    }
    for (let at = 8; at < 150; at += 11) {
      expect(await faultOf(read(await kit.connect({ tamper: flip("done", at) })))).toBe("session/untrue");
    }
  });

  test.each([0, 65_536])("takes no read that has no end, of bodies of %i bytes", async (bytes) => {
    const many = newMailbox(kit.crypto, { relay: kit.relay });
    const first = await kit.connect();
    await create({ session: first }, many);
    await first.command(plain(kit.crypto, { bytes: 65_536 }), { ...many, key: many.writer });
    const [key] = many.readers;
    if (key === undefined) throw new Error("no reader");
    const repeat = (frame: Uint8Array): Uint8Array => {
      if (frame[3] !== REPLY_KIND.entry) return frame;
      const length = frame.length - 65_536 + bytes;
      const out = new Uint8Array(length * 1100);
      const view = new DataView(out.buffer);
      for (let at = 0; at < 1100; at++) {
        out.set(frame.subarray(0, length), at * length);
        view.setUint8(at * length, (length - limit.FRAME_HEADER_BYTES) >> 16);
        view.setUint16(at * length + 1, (length - limit.FRAME_HEADER_BYTES) & 0xffff);
        view.setBigUint64(at * length + limit.FRAME_HEADER_BYTES + 4, BigInt(at));
      }
      return out;
    };
    const session = await kit.connect({ tamper: repeat });
    const result = session.read({ from: 0, bytesMax: 1 }, { ...many, key });
    const fault: unknown = await result.catch((error: unknown) => error);
    expect(isFault(fault, "session/untrue")).toBe(true);
    expect(String(fault)).toContain(bytes === 0 ? "more than 1024 entries" : "a read of 1 bytes went on");
  });

  test("ends a subscription whose sequence number is wrong", async () => {
    const session = await kit.connect({ tamper: flip("entry", 11) });
    const ended = Promise.withResolvers<unknown>();
    const sink = {
      entry: () => undefined,
      live: () => undefined,
      ended: (why: unknown) => ended.resolve(why),
    };
    session.subscribe(0, { ...box, key: readerKey() }, sink);
    expect(await ended.promise).toBeNull();
    expect(await session.closed).toContain("in place of 0");
  });

  test("gives up an answer that takes too long, and goes on with the next", async () => {
    const pair = kit.pair();
    const options = { crypto: kit.crypto, clock: systemClock, relay: null, timeoutMs: 60 };
    const session = await openSession(pair.connection, options);
    kit.moody.hold();
    expect(await faultOf(append(session))).toBe("session/timeout");
    kit.moody.release();
    expect((await append(session)).is).toBe("appended");
  });

  test("lets go of a request that is aborted, and ignores its answer", async () => {
    await using session = await kit.connect();
    kit.moody.hold();
    const stop = new AbortController();
    const asked = append(session, stop.signal);
    await Bun.sleep(20);
    stop.abort(new Error("enough"));
    expect(await faultOf(asked)).toContain("enough");
    kit.moody.release();
    expect((await append(session)).is).toBe("appended");
  });

  test("fails all that waits when its connection is cut, and everything after", async () => {
    const pair = kit.pair();
    const session = await openSession(pair.connection, {
      crypto: kit.crypto,
      clock: systemClock,
      relay: null,
    });
    kit.moody.hold();
    const asked = [append(session), append(session)].map(faultOf);
    const ended = Promise.withResolvers<unknown>();
    session.subscribe(
      0,
      { ...box, key: readerKey() },
      { entry: () => undefined, live: () => undefined, ended: (why) => ended.resolve(why) },
    );
    await Bun.sleep(20);
    pair.cut();
    expect(await Promise.all(asked)).toEqual(["session/closed", "session/closed"]);
    expect(await ended.promise).toBeNull();
    expect(await faultOf(append(session))).toBe("session/closed");
    kit.moody.release();
  });

  test("hands entries to a slow sink one after another, and gives credit back as it takes them", async () => {
    await using session = await kit.connect();
    const own = newMailbox(kit.crypto, { relay: kit.relay });
    await create({ session }, own);
    const count = 40;
    const bodies = Array.from({ length: count }, () => plain(kit.crypto, { bytes: 65_536 }));
    await Promise.all(bodies.map((body) => session.command(body, { ...own, key: own.writer })));
    const [key] = own.readers;
    if (key === undefined) throw new Error("no reader");
    let handing = 0;
    const seqs: number[] = [];
    const done = Promise.withResolvers<void>();
    session.subscribe(
      0,
      { ...own, key },
      {
        async entry({ leaf }) {
          handing += 1;
          expect(handing).toBe(1);
          await Bun.sleep(1);
          handing -= 1;
          seqs.push(leaf.seq);
          if (seqs.length === count) done.resolve();
        },
        live: () => undefined,
        ended: (why) => done.reject(new Error(why?.code ?? "cut")),
      },
    );
    await done.promise;
    expect(seqs).toEqual(Array.from({ length: count }, (_, at) => at));
  });

  test("a sink that throws ends the session: what it was handed is not taken for read", async () => {
    const session = await kit.connect();
    const ended = Promise.withResolvers<unknown>();
    session.subscribe(
      0,
      { ...box, key: readerKey() },
      {
        entry: () => {
          throw new Error("my disk is full");
        },
        live: () => undefined,
        ended: (why) => ended.resolve(why),
      },
    );
    expect(await ended.promise).toBeNull();
    expect(await session.closed).toContain("could not be taken: my disk is full");
    // The relay did nothing wrong.
    expect(await faultOf(append(session))).toBe("session/closed");
  });
});
