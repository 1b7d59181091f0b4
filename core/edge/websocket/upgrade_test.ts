import { describe, expect, test } from "bun:test";
import { REQUEST_FIELDS, requestOf } from "./_kit.ts";
import { encodeRefusal, encodeUpgrade, HEAD_TOO_LONG, parseUpgrade } from "./upgrade.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** What becomes of a request of these lines: its key, or the status of the refusal. */
function asked(fields: readonly string[], line?: string): string | number {
  const head = requestOf(fields, line).slice(0, -4);
  const parsed = parseUpgrade(head);
  return typeof parsed === "string" ? parsed : parsed.status;
}

/** The request with one field in another's place, or without it. */
function but(name: string, ...fields: string[]): string[] {
  return [...REQUEST_FIELDS.filter((field) => !field.startsWith(`${name}:`)), ...fields];
}

describe("parseUpgrade()", () => {
  test("takes the request of RFC 6455, section 1.3, and of browsers, proxies and libraries", () => {
    expect(asked(REQUEST_FIELDS)).toBe(KEY);
    expect(asked([...REQUEST_FIELDS, "Origin: http://example.com", "Cookie: a=b; c=d"])).toBe(KEY);
    expect(asked([...REQUEST_FIELDS, "Sec-WebSocket-Extensions: permessage-deflate"])).toBe(KEY);
    expect(asked(REQUEST_FIELDS.map((field) => field.replace(/^[^:]+/, (name) => name.toUpperCase())))).toBe(
      KEY,
    );
    expect(asked(REQUEST_FIELDS, "GET /a/path?with=query HTTP/1.1")).toBe(KEY);
    expect(asked(but("Connection", "Connection: keep-alive, Upgrade"))).toBe(KEY);
    expect(asked(but("Connection", "Connection: keep-alive", "Connection:\tUPGRADE "))).toBe(KEY);
    expect(asked(but("Upgrade", "Upgrade: h2c, WebSocket"))).toBe(KEY);
    expect(asked([...REQUEST_FIELDS, "X-Empty:", "X-Latin: \xe9", "Content-Length: 0"])).toBe(KEY);
  });

  test("answers 426 to whoever asks for no WebSocket, or for another version", () => {
    expect(asked(["Host: x"])).toBe(426);
    expect(asked([], "GET / HTTP/1.0")).toBe(426);
    expect(asked(["Host: x"], "POST /submit HTTP/1.1")).toBe(426);
    expect(asked(but("Upgrade", "Upgrade: h2c"))).toBe(426);
    for (const version of ["8", "12", "14", "013", "13, 8", ""]) {
      expect(asked(but("Sec-WebSocket-Version", `Sec-WebSocket-Version: ${version}`))).toBe(426);
    }
    expect(asked(but("Sec-WebSocket-Version"))).toBe(426);
    expect(asked([...REQUEST_FIELDS, "Sec-WebSocket-Version: 13"])).toBe(426);
  });

  test("answers 400 to what is malformed", () => {
    const lines = [
      "POST / HTTP/1.1",
      "GET / HTTP/1.0",
      "GET / HTTP/2.0",
      "GET / HTTP/1.12",
      "GET / http/1.1",
      "GET  / HTTP/1.1",
      "GET /a b HTTP/1.1",
      "GET /",
      "GET",
      "",
      " GET / HTTP/1.1",
      "G(T / HTTP/1.1",
      "GET / HTTP/1.1 ",
      "GET /\x00 HTTP/1.1",
      "GET / HTTP/1.1\nX: y",
    ];
    for (const line of lines) expect([line, asked(REQUEST_FIELDS, line)]).toEqual([line, 400]);
    const fields = [
      "no colon",
      ": no name",
      "Sp ace: x",
      "Space : x",
      " folded",
      "A: b\nC: d",
      "A: \x00",
      "A: \r",
    ];
    for (const field of fields) expect([field, asked([...REQUEST_FIELDS, field])]).toEqual([field, 400]);
    expect(asked(but("Host"))).toBe(400);
    expect(asked([...REQUEST_FIELDS, "Host: another"])).toBe(400);
    expect(asked(but("Connection"))).toBe(400);
    expect(asked(but("Connection", "Connection: close"))).toBe(400);
    expect(asked([...REQUEST_FIELDS, "Content-Length: 5"])).toBe(400);
    expect(asked([...REQUEST_FIELDS, "Transfer-Encoding: chunked"])).toBe(400);
  });

  test("takes one key, of 16 bytes in base64", () => {
    const keys = [
      "",
      "dGhlIHNhbXBsZSBub25jZQ",
      "dGhlIHNhbXBsZSBub25jZQ=",
      "dGhlIHNhbXBsZSBub25jZR==",
      "dGhlIHNhbXBsZSBub25jZWE=",
      "dGhlIHNhbXBsZSBub25jZQ==, x",
      "dGhlIHNhbXBsZSBub2-jZQ==",
    ];
    for (const key of keys) {
      const fields = but("Sec-WebSocket-Key", `Sec-WebSocket-Key: ${key}`);
      expect([key, asked(fields)]).toEqual([key, 400]);
    }
    expect(asked(but("Sec-WebSocket-Key"))).toBe(400);
    expect(asked([...REQUEST_FIELDS, `Sec-WebSocket-Key: ${KEY}`])).toBe(400);
  });

  test("reads no truncation of a request as one that is whole", () => {
    const head = requestOf().slice(0, -4);
    for (let length = 0; length < head.length; length++) {
      expect(typeof parseUpgrade(head.slice(0, length))).toBe("object");
    }
  });
});

describe("encodeUpgrade() and encodeRefusal()", () => {
  test("answer the key of RFC 6455, section 1.3, as that says", () => {
    const lines = Buffer.from(encodeUpgrade(KEY)).toString("latin1").split("\r\n");
    expect(lines[0]).toBe("HTTP/1.1 101 Switching Protocols");
    expect(lines).toContain("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    expect(lines.slice(-2)).toEqual(["", ""]);
  });

  test("say what would be taken, how long the text is, and that the connection ends", () => {
    const upgrade = Buffer.from(encodeRefusal({ status: 426, why: "What it is" })).toString("latin1");
    expect(upgrade).toStartWith("HTTP/1.1 426 Upgrade Required\r\n");
    expect(upgrade).toContain("\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    expect(upgrade).toContain("\r\nConnection: Upgrade, close\r\n");
    expect(upgrade).toEndWith("\r\nContent-Length: 11\r\n\r\nWhat it is\n");
    const long = Buffer.from(encodeRefusal(HEAD_TOO_LONG)).toString("latin1");
    expect(long).toStartWith("HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n");
  });
});
