/**
 * A person's device as a process that a test drives by lines: `{"send":"text"}` waits for the relay's
 * acknowledgement and answers `{"seq":12,"generation":1,"text":"…"}`; `{"sync":true}` takes what waits and answers
 * every new message, then `{"synced":true}`. It runs on the same client as `dchat user`, without its start for each
 * message. Arguments: key file, data directory, name of the other side.
 */
import { loadConfig, openUser } from "../../core/node/mod.ts";
import { createInterface } from "node:readline";

const [identity = "", dataDir = "", to = ""] = process.argv.slice(2);
const env = { DCHAT_USER_IDENTITY: identity, DCHAT_USER_DATA_DIR: dataDir };
const { config } = await loadConfig({ env, flags: {} });
const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

await using user = await openUser({
  config,
  env,
  events: {
    alarm: (_, what) => say({ alarm: what }),
    offline: () => undefined,
    joined: () => undefined,
    skewed: (what) => say({ alarm: what }),
    failed: (name, error) => say({ alarm: `${name}: ${String(error)}` }),
  },
});
say({ open: true });
for await (const line of createInterface({ input: process.stdin })) {
  const asked: { send?: string; sync?: boolean } = JSON.parse(line);
  if (asked.send !== undefined) {
    const { seq, text } = await user.client.send({ to, text: asked.send, wait: true });
    say({ seq, text });
  }
  if (asked.sync === true) {
    await user.client.sync();
    await user.client.showNew((messages) => {
      for (const { seq, text, generation } of messages) say({ new: text, seq, generation });
    });
    say({ synced: true });
  }
}
