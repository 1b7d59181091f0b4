import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { limit } from "../ground/mod.ts";
import { loadConfig, type LoadOptions } from "./config.ts";
import { configReport } from "./config/report.ts";
import { settings } from "./config/schema.ts";
import { parseDuration } from "./duration.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "dchat-config-"))));
afterEach(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, "dchat.toml");
  writeFileSync(path, text);
  return path;
}

function refusal(options: LoadOptions): string {
  try {
    loadConfig(options);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "taken";
}

const flag = (values: string[]) => ({ "relay.max_connections": { flag: "--max-connections", values } });

describe("loadConfig()", () => {
  test("takes flags over variables over the file over defaults, and says whence", () => {
    const path = file("[relay]\nmax_connections = 3\nmax_streams = 3\nmax_handshakes = 3\n");
    const env = { DCHAT_RELAY_MAX_CONNECTIONS: "2", DCHAT_RELAY_MAX_STREAMS: "2" };
    const { config, origins } = loadConfig({ env, file: path, flags: flag(["1"]) });
    const { max_connections, max_streams, max_handshakes, max_connections_per_address } = config.relay;
    expect([max_connections, max_streams, max_handshakes, max_connections_per_address]).toEqual([
      1, 2, 3, 1000,
    ]);
    const whence = ["max_connections", "max_streams", "max_handshakes", "max_connections_per_address"].map(
      (name) => origins.get(`relay.${name}`),
    );
    expect(whence).toEqual([
      { is: "flag", flag: "--max-connections" },
      { is: "variable", variable: "DCHAT_RELAY_MAX_STREAMS" },
      { is: "file", path, line: 4 },
      { is: "default" },
    ]);
  });

  test("every default is a value that its own schema takes", () => {
    const { config } = loadConfig({ env: {}, file: file("") });
    expect(config.relay.listen).toEqual(["/ip4/0.0.0.0/tcp/7070"]);
    expect(config.relay.grace).toBe(30_000);
    expect(config.crypto.backends).toBe("fast");
  });

  test("finds the file by --config, then DCHAT_CONFIG; one that is named must be there", () => {
    const path = file("[relay]\nmax_connections = 3\n");
    expect(loadConfig({ env: { DCHAT_CONFIG: path } }).config.relay.max_connections).toBe(3);
    expect(loadConfig({ env: { DCHAT_CONFIG: "/nowhere" }, file: path }).file).toBe(path);
    expect(refusal({ env: { DCHAT_CONFIG: "/nowhere/x.toml" } })).toContain("there is no such file");
  });

  test("names file, line, key, what was expected and what came", () => {
    const path = file("[relay]\n\nmax_connections = 0\n");
    expect(refusal({ env: {}, file: path })).toBe(
      `Cannot read ${path}: relay.max_connections must be a whole number from 1 to 1000000, got 0 (line 3)`,
    );
  });

  test("names the line of the element that is wrong", () => {
    const path = file('[relay]\nlisten = [\n  "0.0.0.0:1",\n  "nonsense",\n]\n');
    expect(refusal({ env: {}, file: path })).toMatch(/got "nonsense" \(line 4\)$/);
  });

  test("names the flag or the variable that is wrong", () => {
    const path = file("");
    expect(refusal({ env: {}, file: path, flags: flag(["many"]) })).toBe(
      '--max-connections must be a whole number from 1 to 1000000, got "many"',
    );
    expect(refusal({ env: { DCHAT_LOG_LEVEL: "loud" }, file: path })).toStartWith(
      "DCHAT_LOG_LEVEL must be one of trace",
    );
  });

  test("refuses a bootstrap address that doesn't say who must answer, wherever it comes from", () => {
    const peer = "12D3KooWEzo8AaY3JMzzDuA1VXqEWEAbcMNvuyqvwFxwe1x7LDeS";
    const [bare, whole] = ["/ip4/192.0.2.7/tcp/7070", `/ip4/192.0.2.7/tcp/7070/p2p/${peer}`];
    const flags = (values: string[]) => ({ "user.bootstrap": { flag: "--bootstrap", values } });
    const says = `must be a list of multiaddrs with their /p2p/ part, like "/dns4/relay.example/tcp/7070/p2p/12D3KooW…", got "${bare}"`;
    const path = file(`[user]\nbootstrap = [\n  "${whole}",\n  "${bare}",\n]\n`);
    expect(refusal({ env: {}, file: path })).toBe(`Cannot read ${path}: user.bootstrap ${says} (line 4)`);
    expect(refusal({ env: {}, file: file(""), flags: flags([whole, bare]) })).toBe(`--bootstrap ${says}`);
    const env = { DCHAT_USER_BOOTSTRAP: `${whole},${bare}` };
    expect(refusal({ env, file: file("") })).toBe(`DCHAT_USER_BOOTSTRAP ${says}`);
    expect(refusal({ env: {}, file: file(""), flags: flags([`${bare}/p2p/nobody`]) })).toContain(
      "--bootstrap must",
    );
    expect(loadConfig({ env: {}, file: file(""), flags: flags([whole]) }).config.user.bootstrap).toEqual([
      whole,
    ]);
  });

  test("refuses unknown keys and sections with their line, and tables that are none", () => {
    expect(refusal({ env: {}, file: file("[relay]\nmax_conections = 3\n") })).toContain(
      "there is no key relay.max_conections (line 2)",
    );
    expect(refusal({ env: {}, file: file("[relay]\nmax_conections = 3\n") })).toEndWith(
      ". Did you mean relay.max_connections?",
    );
    expect(refusal({ env: {}, file: file("\n[relais]\n") })).toContain("there is no key relais (line 2)");
    expect(refusal({ env: {}, file: file("relay = 3\n") })).toContain(
      "relay must be a table, [relay], got a number (line 1)",
    );
  });

  test("reads lists from variables with commas and from flags that repeat", () => {
    const two = loadConfig({
      env: { DCHAT_RELAY_LISTEN: "0.0.0.0:1, /ip4/0.0.0.0/tcp/2/ws" },
      file: file(""),
    });
    expect(two.config.relay.listen).toEqual(["/ip4/0.0.0.0/tcp/1", "/ip4/0.0.0.0/tcp/2/ws"]);
    const flags = { "relay.listen": { flag: "--listen", values: ["a.example:1", "[::]:2"] } };
    expect(loadConfig({ env: {}, file: file(""), flags }).config.relay.listen).toEqual([
      "/dns/a.example/tcp/1",
      "/ip6/::/tcp/2",
    ]);
  });

  test("takes an empty variable as none", () => {
    expect(
      loadConfig({ env: { DCHAT_RELAY_MAX_STREAMS: "" }, file: file("") }).config.relay.max_streams,
    ).toBe(64);
  });

  test("counts relative paths from the file's folder in a file, from the working directory elsewhere", () => {
    const path = file('[relay]\ndata_dir = "data"\n');
    expect(loadConfig({ env: {}, file: path }).config.relay.data_dir).toBe(join(folder, "data"));
    const env = { DCHAT_RELAY_DATA_DIR: "data" };
    expect(loadConfig({ env, file: path }).config.relay.data_dir).toBe(resolve("data"));
  });

  test("warns of a password in a flag, naming the variable to set and not the password", () => {
    const warnings = (url: string) =>
      loadConfig({ env: {}, file: file(""), flags: { "database.url": { flag: "--url", values: [url] } } })
        .warnings;
    for (const url of ["postgres://u:hunter2@h/d", "postgres://u@h/d?password=hunter2"]) {
      expect(warnings(url)).toEqual([
        expect.stringMatching(/^--url has a password.*set DCHAT_DATABASE_URL in/),
      ]);
      expect(warnings(url).join()).not.toContain("hunter2");
    }
    for (const url of [
      "postgres://u@h/d",
      "postgres://h/d?application_name=x",
      "postgresql://h:5432/d?host=%2Frun",
    ])
      expect(warnings(url)).toEqual([]);
    const env = { DCHAT_DATABASE_URL: "postgres://u:hunter2@h/d" };
    expect(loadConfig({ env, file: file("") }).warnings).toEqual([]);
  });

  test("warns of a variable that looks like a setting, not of those that Kubernetes sets", () => {
    const env = {
      DCHAT_RELAY_MAX_CONECTIONS: "3",
      DCHAT_RELAY_SERVICE_HOST: "x",
      DCHAT_RELAY_PORT_7070_TCP: "x",
    };
    expect(loadConfig({ env, file: file("") }).warnings).toEqual([
      "DCHAT_RELAY_MAX_CONECTIONS is set, but there is no such setting",
    ]);
  });
});

test("configReport() has a row for every setting and shows no password", () => {
  const env = { DCHAT_DATABASE_URL: "postgres://u:hunter2@h/d?sslpassword=hunter3&application_name=x" };
  const rows = configReport(loadConfig({ env, file: file("") }), { HOME: "/h" });
  expect(rows.map((row) => row.key)).toEqual([...settings.keys()]);
  expect(JSON.stringify(rows)).not.toContain("hunter");
  expect(rows.find((row) => row.key === "relay.data_dir")?.value).toBe('"/h/.local/state/dchat/relay"');
  expect(rows.find((row) => row.key === "database.url")?.value).toContain("postgres://u:[secret]@h/d");
});

describe("addresses to listen on", () => {
  const listen = (text: string) => {
    const flags = { "relay.listen": { flag: "--listen", values: [text] } };
    return loadConfig({ env: {}, file: file(""), flags }).config.relay.listen[0];
  };

  test.each([
    ["0.0.0.0:7070", "/ip4/0.0.0.0/tcp/7070"],
    ["localhost:0", "/dns/localhost/tcp/0"],
    ["[::1]:65535", "/ip6/::1/tcp/65535"],
    ["/ip4/127.0.0.1/tcp/7070", "/ip4/127.0.0.1/tcp/7070"],
    ["/ip6/::/tcp/7071/ws", "/ip6/::/tcp/7071/ws"],
  ])("reads %s", (text, expected) => {
    expect(listen(text)).toBe(expected);
  });

  test.each([
    "7070",
    ":7070",
    "host",
    "host:",
    "host:65536",
    "host:-1",
    "256.0.0.1:1",
    "1.2.3:4",
    "::1:80",
    "[::1]",
    "[zz]:1",
    "a b:1",
    "/ip4/1.2.3.4",
    "/ip4/1.2.3.4/udp/1",
    "/ip4/::1/tcp/1",
    "/ip4/1.2.3.4/tcp/1/tls",
    "/ip4/1.2.3.4/tcp/99999",
    "http://host:80",
  ])("refuses %p", (text) => {
    expect(() => listen(text)).toThrow(/^--listen must be a list of HOST:PORT or a multiaddr/);
  });

  test("the API listens on HOST:PORT only", () => {
    const api = (text: string) => loadConfig({ env: { DCHAT_RELAY_API_LISTEN: text }, file: file("") });
    expect(api("[::1]:80").config.relay.api_listen).toEqual({ host: "::1", port: 80 });
    expect(() => api("/ip4/127.0.0.1/tcp/80")).toThrow(/must be HOST:PORT/);
  });
});

test("access lists take addresses, networks and PeerIds, and nothing else", () => {
  const deny = (text: string) =>
    loadConfig({ env: { DCHAT_RELAY_DENY: text }, file: file("") }).config.relay.deny;
  const right = "192.0.2.7,192.0.2.0/24,2001:db8::/32,12D3KooWAPNFAQ7vB7LWqGZY8S8Pkp1gAtm4pmiUhd5TzWd9FiTU";
  expect(deny(right)).toEqual(right.split(","));
  for (const text of [
    "192.0.2.0/33",
    "2001:db8::/129",
    "192.0.2",
    "relay.example",
    "12D3KooW",
    "1.2.3.4/8/8",
  ]) {
    expect(() => deny(text)).toThrow(/DCHAT_RELAY_DENY must be a list of IP addresses/);
  }
});

test("sizes have a binary unit, and 0 is none", () => {
  const memory = (text: string) =>
    loadConfig({ env: { DCHAT_RELAY_MAX_MEMORY: text }, file: file("") }).config.relay.max_memory;
  expect([memory("0"), memory("512MiB"), memory("2GiB")]).toEqual([0, 536_870_912, 2_147_483_648]);
  for (const text of ["512", "512MB", "-1MiB", "1.5GiB"])
    expect(() => memory(text)).toThrow(/must be a size/);
});

test("sizes that need a bound have both, and no 0", () => {
  const output = (text: string) =>
    loadConfig({ env: { DCHAT_RELAY_MAX_OUTPUT: text }, file: file("") }).config.relay.max_output;
  expect([output("160KiB"), output("16MiB")]).toEqual([163_840, 16_777_216]);
  for (const text of ["0", "159KiB", "17MiB"])
    expect(() => output(text)).toThrow('must be a size from 160KiB to 16MiB, like "256KiB"');
});

test("every size's default is legal, and limits of streams are no less than the protocols need", () => {
  const { relay } = loadConfig({ env: {}, file: file("") }).config;
  expect(relay.stream_window).toBe(limit.YAMUX_WINDOW_BYTES);
  expect(relay.max_stream_frame).toBe(limit.STREAM_FRAME_BYTES_MAX_DEFAULT);
  const wrong = {
    STREAM_WINDOW: "255KiB",
    MAX_STREAM_FRAME: "63KiB",
    MAX_STREAM_OPENS_PER_SECOND: "0",
  };
  for (const [name, value] of Object.entries(wrong)) {
    const variable = `DCHAT_RELAY_${name}`;
    expect(() => loadConfig({ env: { [variable]: value }, file: file("") })).toThrow(`${variable} must be a`);
  }
});

test("parseDuration() reads whole and broken numbers with a unit, and nothing else", () => {
  const right = { "0s": 0, "500ms": 500, "1.5s": 1500, "2m": 120_000, "1h": 3_600_000, "90d": 7_776_000_000 };
  for (const [text, ms] of Object.entries(right)) expect([text, parseDuration(text)]).toEqual([text, ms]);
  for (const text of ["", "5", "s", "-1s", "1 s", "1e3s", "1w", "1.s", "0.0001s", "99999999999d"]) {
    expect([text, parseDuration(text)]).toEqual([text, undefined]);
  }
});
