/** Connections that an edge process holds keep what port.ts says of those that the relay holds itself. */
import { expect, test } from "bun:test";
import { limit } from "../../ground/mod.ts";
import { peerIdFromPublicKey } from "../../link/mod.ts";
import { clock, crypto, handler, LIMITS, until } from "../_kit.ts";
import { ping } from "../ask.ts";
import { openDialler } from "../dialler.ts";
import type { EdgeStream } from "../port.ts";
import { dialInto, listenShared } from "./_kit.ts";

test("frames of every size come whole, though none is dealt with before it is", async () => {
  // 65,000 bytes aren't told of; the next two are, and are less than half of a window together, which then stays as it is.
  const sizes = [65_000, 65_836, 65_500, 65_836, 72 * 1024, 72 * 1024];
  const came: number[] = [];
  let part = 0;
  const framed = handler({
    onData(stream, bytes) {
      part += bytes.length;
      for (let size = sizes[came.length]; size !== undefined && part >= size; size = sizes[came.length]) {
        part -= size;
        came.push(size);
        stream.consume(size);
      }
    },
  });
  await using shared = await listenShared({ protocols: () => framed });
  await using dialler = openDialler({ crypto, limits: LIMITS, clock });
  const connection = await dialInto(shared, dialler);
  const all = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  const push = (stream: EdgeStream): void => void (at += stream.write(all.subarray(at)));
  connection.open("/hold", handler({ onOpen: push, onDrain: push }), null);
  await until("all came whole", () => came.length === sizes.length);
  expect(came).toEqual(sizes);
});

test("who is refused by PeerId reaches no handler, whichever process holds the connection", async () => {
  using identity = crypto.ed25519.generate();
  const denied = peerIdFromPublicKey(identity.publicKey).text;
  const reached: string[] = [];
  const watching = handler({ onOpen: (stream) => void reached.push(stream.connection.peer.text) });
  await using shared = await listenShared({
    access: { allow: [], deny: [denied] },
    protocols: () => watching,
  });
  for (let dials = 1; dials <= 16; dials++) {
    await using dialler = openDialler({ crypto, limits: LIMITS, clock, identity });
    const connection = await dialler.dial({ address: shared.address });
    const over = Promise.withResolvers<void>();
    const stream = connection.open("/echo", handler({ onClose: () => over.resolve() }), null);
    stream.write(new Uint8Array(5));
    await over.promise;
    await until("it is refused", () => shared.log.reasons.length === dials);
  }
  expect(shared.log.limits).toEqual(Array.from({ length: 16 }, () => "ACCESS_DENIED"));
  expect(reached).toEqual([]);
  await until("all have gone", () => shared.listener.connections === 0);
});

test("who has too many connections with one PeerId is served on as many as may be", async () => {
  using identity = crypto.ed25519.generate();
  const served = new Set<number>();
  const watching = handler({ onOpen: (stream) => void served.add(stream.connection.id) });
  await using shared = await listenShared({
    limits: { connectionsPerPeerMax: 3 },
    protocols: () => watching,
  });
  await using dialler = openDialler({ crypto, limits: LIMITS, clock, identity });
  for (let dials = 0; dials < 16; dials++) {
    const connection = await dialler.dial({ address: shared.address });
    connection.open("/echo", handler({}), null).write(new Uint8Array(5));
  }
  await until("the others were refused", () => shared.log.reasons.length === 13);
  expect(served.size).toBe(3);
});

test("what write() took goes out before a connection that is closed softly ends, and it ends for who takes nothing", async () => {
  const bytes = new Uint8Array(100 * 1024);
  let written = 0;
  const pour = (stream: EdgeStream): void => {
    for (let taken = 1; taken > 0; written += taken) taken = stream.write(bytes);
  };
  const pouring = handler({ onOpen: pour, onDrain: pour });
  await using shared = await listenShared({ protocols: () => pouring });
  await using dialler = openDialler({ crypto, limits: LIMITS, clock });
  for (const isTaken of [true, false]) {
    written = 0;
    let came = 0;
    let isTaking = false;
    const connection = await dialInto(shared, dialler);
    const over = Promise.withResolvers<void>();
    const taking = handler({
      onData(stream, more) {
        came += more.length;
        if (isTaking) stream.consume(more.length);
      },
      onClose: () => over.resolve(),
    });
    const stream = connection.open("/gush", taking, null);
    await until("the process holds its share", () => written > limit.YAMUX_WINDOW_BYTES);
    await ping(connection);
    for (const ours of shared.listener) ours.close("it was said");
    isTaking = isTaken;
    if (isTaken) stream.consume(came);
    await over.promise;
    expect(came === written).toBe(isTaken);
    await until("it is gone", () => shared.listener.connections === 0);
  }
}, 15_000);
