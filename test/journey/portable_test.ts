/** A relay that is told to take what runs anywhere, and devices that take the fastest, agree about all of it. */
import { expect, test } from "bun:test";
import { relayCommand, spawnRelay } from "../harness/relay.ts";
import { create, newMailbox, openDevices, plain } from "../harness/device.ts";

test("a relay with DCHAT_CRYPTO=portable takes what devices with the fast backends sign, and nothing else", async () => {
  await using relay = await spawnRelay({ env: { DCHAT_CRYPTO: "portable" } });
  // What the process itself says that it opened: nothing of the engine's own, and not the wide build.
  expect(relay.output()).toContain('"backends":["portable","sodium"],"msg":"cryptography"');
  await using devices = await openDevices();
  expect(devices.crypto.backends).toEqual(["native", "wide"]);
  const writer = await devices.connect(relay.address);
  const box = newMailbox(devices.crypto, { relay: writer.session.relay, readers: 1 });
  await create(writer, box);
  // Beyond a batch, so that both ways of verifying are taken.
  const sent = Array.from({ length: 40 }, () =>
    writer.session.command(plain(devices.crypto, { bytes: 1024 }), { ...box, key: box.writer }),
  );
  for (const result of await Promise.all(sent)) expect(result.is).toBe("appended");
  using stranger = devices.crypto.ed25519.generate();
  const refused = await writer.session.command(plain(devices.crypto, { bytes: 1024 }), {
    ...box,
    key: stranger,
  });
  expect(refused.is).not.toBe("appended");
});

test("a relay names DCHAT_CRYPTO where it is neither of the two", async () => {
  const run = Bun.spawn([...relayCommand, "--data-dir", "/nonexistent"], {
    env: { ...process.env, DCHAT_CRYPTO: "fastest" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = (await new Response(run.stdout).text()) + (await new Response(run.stderr).text());
  expect(await run.exited).not.toBe(0);
  expect(said).toMatch(/crypto\.backends|DCHAT_CRYPTO/);
});
