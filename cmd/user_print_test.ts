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
});
