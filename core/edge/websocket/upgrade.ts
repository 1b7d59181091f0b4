/**
 * The request that asks for a WebSocket and what it is answered, RFC 6455 section 4.2 and RFC 9112. Whoever it comes
 * from may stay: an Origin, a path or a cookie proves nobody, the handshake of libp2p inside does.
 */

/** What makes an answer out of a key; RFC 6455 section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const VERSION = "13";
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) [\x21-\x7e\x80-\xff]+ HTTP\/1\.([01])$/;
/** A name, and a value without control characters; neither a space before the colon nor a folded line is a field. */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;

const STATUS = {
  400: "Bad Request",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
} as const;

/** Somebody who doesn't get a WebSocket. */
export interface Refusal {
  readonly status: keyof typeof STATUS;
  readonly why: string;
}

export const HEAD_TOO_LONG: Refusal = { status: 431, why: "The request's head is too long" };
export const NO_REQUEST: Refusal = { status: 400, why: "This is no request of HTTP/1.1" };

/** Reads a request's head, without the empty line at its end, each character a byte: its key, or why it is refused. */
export function parseUpgrade(head: string): string | Refusal {
  const lines = head.split("\r\n");
  const request = REQUEST_LINE.exec(lines[0] ?? "");
  if (request === null) return NO_REQUEST;
  const fields = parseFields(lines.slice(1));
  if (fields === null) return bad("A header field can't be read");
  const hosts = fields.get("host") ?? [];
  if (hosts.length > 1 || (hosts.length === 0 && request[2] === "1")) return bad("It takes one Host");
  if (!tokens(fields, "upgrade").includes("websocket")) {
    return { status: 426, why: "A libp2p WebSocket listener" };
  }
  if (request[1] !== "GET" || request[2] !== "1") return bad("A WebSocket is asked for by GET and HTTP/1.1");
  if (!tokens(fields, "connection").includes("upgrade")) return bad("Connection doesn't say upgrade");
  if (hasBody(fields)) return bad("A request for a WebSocket has no body");
  const [version, ...versions] = fields.get("sec-websocket-version") ?? [];
  if (version !== VERSION || versions.length > 0) {
    return { status: 426, why: `The version of WebSocket is ${VERSION}` };
  }
  const [key, ...keys] = fields.get("sec-websocket-key") ?? [];
  if (key === undefined || keys.length > 0 || !KEY.test(key)) {
    return bad("Sec-WebSocket-Key is not 16 bytes in base64");
  }
  return key;
}

/** Says yes to whoever sent `key`. */
export function encodeUpgrade(key: string): Uint8Array {
  const accept = new Bun.CryptoHasher("sha1").update(key + GUID).digest("base64");
  return Buffer.from(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    "latin1",
  );
}

/** Says no, and that the connection ends. */
export function encodeRefusal({ status, why }: Refusal): Uint8Array {
  const isUpgrade = status === 426;
  const text = `${why}\n`;
  return Buffer.from(
    [
      `HTTP/1.1 ${status} ${STATUS[status]}`,
      ...(isUpgrade ? ["Upgrade: websocket", `Sec-WebSocket-Version: ${VERSION}`] : []),
      `Connection: ${isUpgrade ? "Upgrade, close" : "close"}`,
      "Content-Type: text/plain",
      `Content-Length: ${text.length}`,
      "",
      text,
    ].join("\r\n"),
    "latin1",
  );
}

function bad(why: string): Refusal {
  return { status: 400, why };
}

/** Fields by their names in small letters; null where a line is none. */
function parseFields(lines: readonly string[]): Map<string, string[]> | null {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const field = FIELD.exec(line);
    if (field === null) return null;
    const [, name = "", value = ""] = field;
    const key = name.toLowerCase();
    const values = fields.get(key);
    if (values === undefined) fields.set(key, [value]);
    else values.push(value);
  }
  return fields;
}

/** A list that several fields of one name may hold together, in small letters; RFC 9110 section 5.6.1. */
function tokens(fields: Map<string, string[]>, name: string): string[] {
  const values = fields.get(name) ?? [];
  return values.flatMap((value) => value.split(",").map((token) => token.trim().toLowerCase()));
}

function hasBody(fields: Map<string, string[]>): boolean {
  const lengths = fields.get("content-length") ?? [];
  return fields.has("transfer-encoding") || lengths.some((length) => length !== "0");
}
