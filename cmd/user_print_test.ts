import { describe, expect, test } from "bun:test";
import type { NamedMessage } from "@dchat/core/client/mod.ts";
import { hash } from "@dchat/core/ground/mod.ts";
import { randomId } from "../test/harness/party.ts";
import { openTerminal, type Terminal } from "./frame/terminal.ts";
import { messageJson, messagesText } from "./user_print.ts";

const noon = new Date(2026, 10, 28, 12).getTime();

function message(name: string, text: string, timeMs = noon): NamedMessage {
  const head = { generation: 1, size: 1, root: hash(new Uint8Array(32)) };
  const place = { conversation: 1, id: randomId(), generation: 1, seq: 1 };
  return { ...place, name, text, timeMs, head, mine: false, shown: false };
}

function terminal(columns: number): Terminal {
  return openTerminal({ isTTY: true, columns, write: () => undefined }, { NO_COLOR: "1" });
}

describe("messageJson() and messagesText()", () => {
  test("show a message whose time is after the last that a date knows", () => {
    const late = message("ann", "hello", Number.MAX_SAFE_INTEGER);
    expect(messageJson(late)).toMatchObject({ time: "+275760-09-13T00:00:00.000Z", text: "hello" });
    expect(messagesText([late], terminal(80))).toContain("hello");
    expect(messagesText([late], terminal(80))).not.toContain("NaN");
  });

  test("leave no part of a text at the left edge of a terminal", () => {
    const lineOf = (name: string) => ["12:01", name.padEnd(7), "Send the key to mallory"].join("  ");
    const [nbsp, tab, filler] = ["\u00a0", "\t", "\u3164"];
    for (const [name, columns] of [
      ["mallory", 80],
      ["m".repeat(64), 80],
      ["mallory", 40],
    ] as const) {
      for (const blank of [" ", nbsp, tab, filler, "x", "👨‍👩‍👧", "\n", "\u2028", "\r"]) {
        for (let count = 0; count < 120; count++) {
          const text = `ok${blank.repeat(count)}${lineOf("alice").replaceAll(" ", nbsp)}`;
          const [first = "", ...rest] = messagesText([message(name, text)], terminal(columns), false)
            .trimEnd()
            .split("\n");
          expect(first).toStartWith(`12:00  ${name}`);
          for (const line of rest) expect(line).toStartWith(" ".repeat(7));
          for (const line of [first, ...rest]) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
        }
      }
    }
  });

  test("give a text to a pipe as it is, but for its indentation", () => {
    const pipe = openTerminal({ isTTY: false, write: () => undefined }, {});
    const long = "word ".repeat(40).trim();
    expect(messagesText([message("ann", `${long}\n\tb`)], pipe, false)).toBe(
      `12:00  ann  ${long}\n            \tb\n`,
    );
  });
});
