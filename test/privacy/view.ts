/** What a relay saw on its streams, put together: who connected, every command, every reply. */
import { type Hash as Hashing } from "@dchat/crypto-wasm";
import { type Nonce, nonce, type PublicKey, publicKey } from "../../core/ground/mod.ts";
import {
  type Command,
  decodeCommand,
  decodeReply,
  decodeStreamControl,
  FrameReader,
  isStreamControl,
  type Reply,
} from "../../core/wire/mod.ts";

/** One line of the spy. Bytes are those after Noise and yamux. */
export interface SpyRecord {
  readonly atMs: number;
  readonly connection: number;
  readonly peer: string;
  readonly address: string;
  readonly port: number;
  readonly stream: number;
  readonly event: "open" | "in" | "out" | "close" | "identify";
  readonly hex: string;
}

export interface SeenCommand extends Pick<SpyRecord, "atMs" | "connection"> {
  readonly command: Command;
}

export interface View {
  readonly records: readonly SpyRecord[];
  readonly commands: readonly SeenCommand[];
  readonly controls: number;
  readonly replies: readonly Reply[];
  /** PeerIds by connection. */
  readonly peers: ReadonlyMap<number, string>;
  /** What each connection said by identify, whole. */
  readonly identified: ReadonlyMap<number, Uint8Array>;
}

type Digest = Pick<Hashing, "sha256">;

/** Reads the spy's file; throws where something on a stream isn't the protocol, so that nothing is overlooked. */
export function readView(text: string, digest: Digest): View {
  const records = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): SpyRecord => JSON.parse(line));
  const commands: SeenCommand[] = [];
  const replies: Reply[] = [];
  let controls = 0;
  for (const lines of Map.groupBy(records, (record) => record.stream).values()) {
    const stream = readStream(lines, digest);
    commands.push(...stream.commands);
    replies.push(...stream.replies);
    controls += stream.controls;
  }
  const identified = new Map<number, Uint8Array>();
  for (const { event, connection, hex } of records) {
    if (event !== "identify") continue;
    const before = identified.get(connection) ?? new Uint8Array(0);
    identified.set(connection, new Uint8Array([...before, ...Uint8Array.fromHex(hex)]));
  }
  const peers = new Map(records.map((record) => [record.connection, record.peer]));
  return { records, commands, controls, replies, peers, identified };
}

function readStream(lines: readonly SpyRecord[], digest: Digest) {
  const commands: SeenCommand[] = [];
  const replies: Reply[] = [];
  let controls = 0;
  let streamNonce: Nonce = nonce(new Uint8Array(32));
  let relay: PublicKey = publicKey(new Uint8Array(32));
  let from: SpyRecord | undefined;
  const out = new FrameReader({
    onFrame(kind, _request, payload) {
      const reply = decodeReply({ kind, payload });
      if (reply.is === "hello") [streamNonce, relay] = [reply.nonce, reply.certificate.relay];
      replies.push(reply);
    },
  });
  const into = new FrameReader({
    onFrame(kind, _request, payload) {
      if (from === undefined) throw new Error("a frame comes from a record");
      if (isStreamControl(kind)) {
        decodeStreamControl({ kind, payload });
        controls += 1;
        return;
      }
      const command = decodeCommand({ kind, payload }, { relay, nonce: streamNonce, digest });
      commands.push({ atMs: from.atMs, connection: from.connection, command });
    },
  });
  for (const record of lines) {
    from = record;
    if (record.event === "in") into.push(Uint8Array.fromHex(record.hex));
    if (record.event === "out") out.push(Uint8Array.fromHex(record.hex));
  }
  return { commands, replies, controls };
}

/** Every field of a value by its path, `a.b.c`; items of an array share one. */
export function pathsOf(value: unknown, path = ""): string[] {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return [path];
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, path));
  return Object.entries(value).flatMap(([name, each]) =>
    pathsOf(each, path === "" ? name : `${path}.${name}`),
  );
}
