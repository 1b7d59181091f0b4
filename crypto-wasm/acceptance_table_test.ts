/**
 * What the strict backends answer on input where ZIP-215 and they part: it stands in vector/acceptance.json, and
 * DCHAT_TEST_RENEW=1 writes it anew.
 */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { ALL, never } from "./_acceptance.ts";
import { each } from "./_each_backend.ts";
import known from "./vector/acceptance.json";

test("the strict backends answer as vector/acceptance.json says", () => {
  const strict = each("ed25519.verifyPeer").filter(
    ({ backend }) => backend === "native" || backend === "sodium",
  );
  const answers = Object.fromEntries(
    strict.map(({ backend, it }) => [
      backend,
      Object.fromEntries(
        ALL.map(([name, items]) => [
          name,
          items.map((item) => (it(item.key, item.message, item.signature) ? "1" : "0")).join(""),
        ]),
      ),
    ]),
  );
  if (process.env["DCHAT_TEST_RENEW"] === "1") {
    writeFileSync(
      new URL("./vector/acceptance.json", import.meta.url),
      `${JSON.stringify(answers, null, 1)}\n`,
    );
  } else {
    expect(answers).toEqual(known);
  }
  for (const { never: refused } of Object.values(answers)) expect(refused).toBe("0".repeat(never.length));
});
