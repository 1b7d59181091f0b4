/** The hosts of bench/peer as subjects; see the README there for what they speak. */
import { join } from "node:path";
import { buildGo, buildRust } from "../../test/harness/build.ts";
import { openSubject, type Subject } from "./subject.ts";

export type PeerName = "js-libp2p" | "js-libp2p stock" | "go-libp2p" | "rust-libp2p";

/** What stands in results beside figures of the peers. */
export const PEER_VERSIONS: Readonly<Record<string, string>> = {
  "js-libp2p": "3.3.11",
  "go-libp2p": "0.51.0",
  "rust-libp2p": "0.57.1",
};

export interface Peer {
  readonly name: PeerName;
  readonly subject: Subject;
  /** Multiaddr with /p2p/. */
  readonly address: string;
}

async function commandOf(name: PeerName): Promise<readonly string[] | null> {
  const host = join(import.meta.dir, "../peer/js_libp2p.ts");
  if (name === "js-libp2p") return [process.execPath, host, "--tuned"];
  if (name === "js-libp2p stock") return [process.execPath, host];
  const built =
    name === "go-libp2p" ? await buildGo("bench/peer/go") : await buildRust("bench/peer/rust", "peer");
  return built === null ? null : [built];
}

/** Starts a peer and waits until it listens; null where what it is built with is missing here. */
export async function openPeer(name: PeerName): Promise<Peer | null> {
  const command = await commandOf(name);
  if (command === null) return null;
  const subject = openSubject(command);
  const first = await subject.next();
  if (typeof first["addr"] !== "string") throw new Error(`${name} printed no address`);
  return { name, subject, address: first["addr"] };
}

/** Asks a subject to collect its garbage, and waits until it has. */
export async function collect(subject: Subject): Promise<void> {
  subject.say("gc");
  // A whole relay logs on the same stream.
  while ((await subject.next())["gc"] === undefined);
}

/** Resident memory of a subject once its garbage is collected, KiB. */
export async function restedKib(subject: Subject): Promise<number> {
  await collect(subject);
  return subject.usage().rssKib;
}
