/** Streams of a real relay, byte by byte: what is refused alike, what is refused alone, what ends a stream. */
import { describe, expect, test } from "bun:test";
import type { SigningKey } from "@dchat/crypto-wasm";
import { limit } from "../../core/ground/mod.ts";
import { PROTOCOL_ID, signCommand } from "../../core/wire/mod.ts";
import { create, newMailbox, plain, type TestMailbox } from "../harness/device.ts";
import { openRaw } from "../harness/raw_stream.ts";
import { openRig } from "../harness/rig.ts";

const { relay, devices } = await openRig();
const device = await devices.connect(relay.address);

async function freshBox(options: { readers?: number } = {}): Promise<TestMailbox> {
  const box = newMailbox(devices.crypto, { relay: device.session.relay, ...options });
  await create(device, box);
  return box;
}

function readerOf(box: TestMailbox, at = 0): SigningKey {
  const reader = box.readers[at];
  if (reader === undefined) throw new Error(`the mailbox has no reader ${at}`);
  return reader;
}

describe("a stream of a relay", () => {
  test("a mailbox that never was, a key that may not and a signature that doesn't hold get the same bytes", async () => {
    const box = await freshBox();
    const { crypto } = devices;
    const stranger = crypto.ed25519.generate();
    const raw = openRaw(device.connection, PROTOCOL_ID);
    const hello = await raw.next();
    if (hello.reply.is !== "hello") throw new Error("no hello");
    const common = {
      generation: 1,
      notAfterMs: Date.now() + 60_000,
      relay: device.session.relay,
      nonce: hello.reply.nonce,
      request: 7,
    };
    const body = plain(crypto);
    const missing = newMailbox(crypto, { relay: device.session.relay });
    const frames = [
      signCommand({ ...common, body, mailbox: missing.mailbox, key: missing.writer }, crypto),
      signCommand({ ...common, body, mailbox: box.mailbox, key: stranger }, crypto),
      signCommand({ ...common, body, mailbox: box.mailbox, key: box.writer }, crypto),
    ];
    // The last byte of the third one's entry: its signature no longer holds.
    const bad = frames[2];
    if (bad !== undefined) bad[bad.length - 1] = (bad[bad.length - 1] ?? 0) ^ 1;
    const answers: string[] = [];
    for (const frame of frames) {
      await raw.write(frame);
      const { kind, payload, reply } = await raw.next();
      expect(reply).toEqual({ is: "refused", refusal: { code: "denied" } });
      answers.push(`${kind}:${payload.toHex()}`);
    }
    expect(new Set(answers).size).toBe(1);
    raw.end();
  });

  test("a command for another stream's nonce, past its time, or too far ahead is refused", async () => {
    const box = await freshBox();
    const { crypto } = devices;
    const one = openRaw(device.connection, PROTOCOL_ID);
    const other = openRaw(device.connection, PROTOCOL_ID);
    const hellos = [await one.next(), await other.next()].map(({ reply }) => reply);
    const [mine, theirs] = hellos;
    if (mine?.is !== "hello" || theirs?.is !== "hello") throw new Error("no hello");
    expect(mine.nonce).not.toEqual(theirs.nonce);
    const make = (nonce: typeof mine.nonce, notAfterMs: number): Uint8Array =>
      signCommand(
        {
          body: { op: "describe" },
          ...box,
          notAfterMs,
          relay: device.session.relay,
          nonce,
          key: readerOf(box),
          request: 1,
        },
        crypto,
      );
    const soon = Date.now() + 60_000;
    for (const [frame, code] of [
      [make(theirs.nonce, soon), "denied"],
      [make(mine.nonce, Date.now() - 60_000), "expired"],
      [make(mine.nonce, Date.now() + limit.COMMAND_LIFETIME_MS_MAX + 3_600_000), "expired"],
    ] as const) {
      await one.write(frame);
      expect((await one.next()).reply).toMatchObject({ is: "refused", refusal: { code } });
    }
    await one.write(make(mine.nonce, soon));
    expect((await one.next()).reply.is).toBe("described");
    one.end();
    other.end();
  });

  test("a version that it doesn't speak is answered with those that it does", async () => {
    const raw = openRaw(device.connection, "/dchat/mailbox/99");
    expect((await raw.next()).reply).toMatchObject({ is: "hello", versions: [1] });
    expect((await raw.next()).reply).toEqual({
      is: "refused",
      refusal: { code: "unsupported", versions: [1] },
    });
  });

  test("frames that aren't commands are refused one by one; one too large ends the stream, not the connection", async () => {
    const raw = openRaw(device.connection, PROTOCOL_ID);
    await raw.next();
    await raw.write(new Uint8Array([0, 0, 3, 0x03, 0, 0, 0, 5, 1, 2, 3]));
    expect(await raw.next()).toMatchObject({ request: 5, reply: { refusal: { code: "malformed" } } });
    await raw.write(new Uint8Array([0, 0, 0, 0x7f, 0, 0, 0, 6]));
    expect(await raw.next()).toMatchObject({ request: 6, reply: { refusal: { code: "malformed" } } });
    await raw.write(new Uint8Array([0xff, 0xff, 0xff, 0x03, 0, 0, 0, 7]));
    await expect(raw.next()).rejects.toThrow("closed");
    const box = await freshBox();
    const next = await device.session.command({ op: "describe" }, { ...box, key: readerOf(box) });
    expect(next.is).toBe("described");
  });

  test("credit past its bound resets the stream", async () => {
    const raw = openRaw(device.connection, PROTOCOL_ID);
    await raw.next();
    const credit = new Uint8Array([0, 0, 4, 0x40, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    await raw.write(credit);
    await expect(raw.next()).rejects.toThrow("closed");
  });

  test("a stream that its client half-closes gets its answers and then its end", async () => {
    const box = await freshBox();
    const raw = openRaw(device.connection, PROTOCOL_ID);
    const hello = await raw.next();
    if (hello.reply.is !== "hello") throw new Error("no hello");
    const { nonce } = hello.reply;
    for (let request = 1; request <= 20; request += 1) {
      const frame = signCommand(
        {
          ...box,
          body: plain(devices.crypto),
          notAfterMs: Date.now() + 60_000,
          relay: device.session.relay,
          nonce,
          key: box.writer,
          request,
        },
        devices.crypto,
      );
      await raw.write(frame);
    }
    raw.end();
    const requests: number[] = [];
    for (let i = 0; i < 20; i += 1) requests.push((await raw.next()).request);
    expect(requests).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
    await expect(raw.next()).rejects.toThrow("closed");
  });
});
