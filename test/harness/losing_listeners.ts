/** Preloaded, a relay loses the listeners of its API and its metrics when it gets SIGUSR2; DCHAT_TEST_RELAY_FILE is its relay.json. */
import { readFileSync } from "node:fs";
import { loseListener } from "./listening.ts";

process.on("SIGUSR2", () => {
  const file: { api: string; metrics: string } = JSON.parse(
    readFileSync(process.env["DCHAT_TEST_RELAY_FILE"] ?? "", "utf8"),
  );
  for (const url of [file.api, file.metrics]) loseListener(Number(new URL(url).port));
});
