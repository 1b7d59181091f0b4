/** What a js-libp2p dialler checks on whom it dials; see ../README.md. Runs on Bun and on Node. */
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import type { Ping } from "@libp2p/ping";
import { multiaddr } from "@multiformats/multiaddr";

const ECHO_BYTES = 1 << 20;
const STREAMS = 50;

interface Options {
  readonly address: string;
  readonly echo: string;
  readonly report: (line: unknown) => void;
}

/** Connects and reports each check as a line; a failed one doesn't stop the others. */
export async function runChecks(host: Libp2p, options: Options): Promise<void> {
  const identified = new Promise((resolve) => {
    host.addEventListener("peer:identify", (event) => resolve(event.detail), { once: true });
  });
  const connection = await host.dial(multiaddr(options.address));
  options.report({ check: "connect", ok: true });
  const check = async (name: string, run: () => Promise<unknown>): Promise<void> => {
    try {
      options.report({ check: name, ok: true, detail: await run() });
    } catch (error) {
      options.report({ check: name, ok: false, detail: String(error) });
    }
  };
  await check("identify", async () => describe(await identified, connection));
  await check("ping", async () => (host.services as { ping: Ping }).ping.ping(multiaddr(options.address)));
  await check("unknown", async () => refusal(connection));
  await check("echo", async () => roundTrip(connection, options.echo, ECHO_BYTES));
  await check("streams", async () => {
    const all = Array.from({ length: STREAMS }, () => roundTrip(connection, options.echo, 10_000));
    await Promise.all(all);
  });
  await check("reset", async () => {
    const stream = await connection.newStream(options.echo);
    stream.send(new TextEncoder().encode("half a"));
    stream.abort(new Error("cut"));
    await roundTrip(connection, options.echo, 100);
  });
}

function describe(identified: unknown, connection: Connection): unknown {
  const result = identified as {
    agentVersion?: string;
    protocols: string[];
    listenAddrs: { toString(): string }[];
    observedAddr?: { toString(): string };
  };
  return {
    agent: result.agentVersion,
    protocols: result.protocols,
    addresses: result.listenAddrs.map(String),
    observed: result.observedAddr?.toString(),
    remote: connection.remoteAddr.toString(),
  };
}

async function refusal(connection: Connection): Promise<string> {
  let stream: Stream;
  try {
    stream = await connection.newStream("/dchat/interop/absent/1");
  } catch (error) {
    return String(error);
  }
  // js-libp2p may believe at once and be told later.
  for await (const chunk of stream) throw new Error(`an unknown protocol answered ${chunk.byteLength} bytes`);
  throw new Error("an unknown protocol was accepted");
}

/** Writes while it reads, half-closes, and wants back what it wrote and then the end. */
async function roundTrip(connection: Connection, protocol: string, length: number): Promise<void> {
  const stream = await connection.newStream(protocol);
  const sent = new Uint8Array(length);
  for (let at = 0; at < length; at++) sent[at] = at * 31 + (at >> 8);
  const writing = (async () => {
    for (let at = 0; at < length; at += 50_000) {
      if (!stream.send(sent.subarray(at, at + 50_000))) await stream.onDrain();
    }
    await stream.close();
  })();
  let at = 0;
  for await (const chunk of stream) {
    for (const byte of chunk.subarray()) {
      if (byte !== sent[at++]) throw new Error(`byte ${at - 1} came back wrong`);
    }
  }
  if (at !== length) throw new Error(`sent ${length} bytes, got ${at} back`);
  await writing;
}
