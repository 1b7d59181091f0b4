import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { runDchat } from "./dchat.ts";

test("runDchat() keeps what isn't told where to be out of the developer's home", async () => {
  const { out } = await runDchat(["config", "show", "relay", "--json"]);
  const [value] = out.split("\n").flatMap((line) => {
    const row = line === "" ? {} : JSON.parse(line);
    return row.key === "relay.data_dir" ? [row.value] : [];
  });
  expect(value).toStartWith(tmpdir());
});
