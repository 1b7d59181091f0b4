/** What a real relay's metrics, API and log say of work that was done on it, and what they keep to themselves. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { limit } from "../core/ground/mod.ts";
import {
  create,
  type Device,
  type Devices,
  newMailbox,
  openDevices,
  plain,
  type TestMailbox,
} from "../test/harness/device.ts";
import { type SpawnedRelay, spawnRelay } from "../test/harness/relay.ts";

const APPENDS = 12;
let relay: SpawnedRelay;
let devices: Devices;
let device: Device;
let box: TestMailbox;
let metrics: string;

beforeAll(async () => {
  [relay, devices] = await Promise.all([spawnRelay({ args: ["--log-level", "debug"] }), openDevices()]);
  device = await devices.connect(relay.address);
  box = newMailbox(devices.crypto, { relay: device.session.relay });
  await create(device, box);
  const { crypto } = devices;
  for (let at = 0; at < APPENDS; at++)
    await device.session.command(plain(crypto, { turn: 0 }), { ...box, key: box.writer });
  const [reader] = box.readers;
  if (reader === undefined) throw new Error("the mailbox has no reader");
  await device.session.read({ from: 0, bytesMax: limit.READ_BYTES_MAX }, { ...box, key: reader });
  // A stranger's key: refused like a mailbox that isn't there.
  await device.session.command(plain(crypto, { turn: 0 }), { ...box, key: crypto.ed25519.generate() });
  metrics = await (await relay.get("/metrics")).text();
});

afterAll(async () => {
  await devices[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
});

function sample(name: string): number {
  const line = metrics.split("\n").find((each) => each.startsWith(`${name} `));
  if (line === undefined) throw new Error(`no ${name} in\n${metrics}`);
  return Number(line.slice(name.length + 1));
}

describe("a relay's metrics", () => {
  test("count what came, what was kept, what was sent and what was refused", () => {
    expect(sample("dchat_messages_received_total")).toBe(APPENDS + 1);
    expect(sample("dchat_messages_kept_total")).toBe(APPENDS);
    expect(sample("dchat_messages_sent_total")).toBe(APPENDS);
    expect(sample('dchat_refusals_total{code="denied"}')).toBe(1);
    expect(sample('dchat_commands_total{op="create"}')).toBe(1);
    expect(sample('dchat_latency_seconds_count{op="append"}')).toBe(APPENDS + 1);
    expect(sample("dchat_commit_seconds_count")).toBeGreaterThan(0);
  });

  test("show what is held and who is there", () => {
    expect(sample("dchat_connections_open")).toBe(1);
    expect(sample("dchat_connections_total")).toBe(1);
    expect(sample("dchat_mailboxes")).toBe(1);
    expect(sample("dchat_entries")).toBe(APPENDS);
    expect(sample("dchat_entry_bytes")).toBe(APPENDS * 1024);
    expect(sample("dchat_ready")).toBe(1);
  });

  test("count bytes of the wire in both directions, entries included", () => {
    expect(sample('dchat_relay_bandwidth_bytes{direction="in"}')).toBeGreaterThan(APPENDS * 1024);
    expect(sample('dchat_relay_bandwidth_bytes{direction="out"}')).toBeGreaterThan(APPENDS * 1024);
  });
});

test("/v1/status agrees with the metrics", async () => {
  const status: unknown = JSON.parse(await (await relay.get("/v1/status")).text());
  expect(status).toMatchObject({
    store: "sqlite",
    connections: 1,
    held: { mailboxes: 1, entries: APPENDS, bytes: APPENDS * 1024 },
  });
});

test("neither metrics nor API nor log at level debug name a mailbox, a key or a device", async () => {
  await device[Symbol.asyncDispose]();
  await relay.stop("SIGTERM");
  const secrets = [
    box.mailbox,
    box.writer.publicKey,
    box.owner.publicKey,
    ...box.readers.map((key) => key.publicKey),
  ];
  const forms = secrets.flatMap((bytes) => [
    bytes.toHex(),
    bytes.toBase64(),
    bytes.toBase64({ alphabet: "base64url" }),
  ]);
  const shown = metrics + relay.output();
  expect(shown).toContain("relay stopping");
  for (const form of forms) expect(shown).not.toContain(form.replace(/=+$/, ""));
  const ours = new Set([relay.file.peerId]);
  const peers = [...shown.matchAll(/12D3Koo\w+/g)].map(([peer]) => peer).filter((peer) => !ours.has(peer));
  expect(peers).toEqual([]);
});
