/**
 * docs/protocol/vector/conversation.json, for other implementations: what of a conversation has one right encoding.
 * DCHAT_WRITE_DOCS=1 writes it anew; without it, a difference fails. Bytes are lower-case hex, all from fixed seeds.
 */
import { openCrypto } from "@dchat/crypto-wasm";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { entryId, hash, limit, mailboxId, publicKey } from "../ground/mod.ts";
import {
  bundleHash,
  type Content,
  encodeContent,
  encodeInvite,
  encodePairInfo,
  encodePlace,
  type Invite,
  inviteKeys,
  type MailboxPlace,
} from "./mod.ts";
import { openSealed, sealEntry } from "./seal.ts";

const path = join(import.meta.dir, "../../docs/protocol/vector/conversation.json");

/** Bytes that count up from `from`. */
const run = (length: number, from = 0) => Uint8Array.from({ length }, (_, at) => (from + at) % 256);
const crypto = await openCrypto({ needs: [], random: (length) => run(length, 64) });

const contents: Content[] = [
  { id: entryId(run(16)), timeMs: 1_800_000_000_000, head: null, text: "Hello Ann, this is Bob." },
  {
    id: entryId(run(16, 7)),
    timeMs: 0,
    head: { generation: 3, size: 1_000_000, root: hash(run(32, 9)) },
    text: "水 🙂",
  },
];

const invite: Invite = {
  expiresMs: 1_800_000_000_000,
  relay: publicKey(run(32, 1)),
  addresses: ["/ip4/192.0.2.1/tcp/7070", "/dns4/relay.example/tcp/443/ws"],
  inbox: mailboxId(run(32, 2)),
  secret: run(16, 3),
  bundle: bundleHash(crypto, [run(300), run(301)]),
};

const place: MailboxPlace = {
  mailbox: mailboxId(run(32, 4)),
  record: {
    owner: publicKey(run(32, 5)),
    relay: publicKey(run(32, 6)),
    policy: { entriesMax: 10_000, bytesMax: 67_108_864, ttlMs: 2_592_000_000, retentionMs: 0 },
    nonce: run(16, 7),
  },
  addresses: ["/ip4/192.0.2.1/tcp/7070"],
};

function contentVector({ id, timeMs, head, text }: Content) {
  const encoded = encodeContent({ id, timeMs, head, text }).toHex();
  return {
    id: id.toHex(),
    timeMs,
    head: head === null ? null : { ...head, root: head.root.toHex() },
    text,
    encoded,
  };
}

function sealVector(length: number, kind: "plain" | "control" | "package") {
  const key = run(32, 11);
  const at = { mailbox: mailboxId(run(32, 12)), id: entryId(run(16, 13)), kind };
  const message = run(length, 14);
  const entry = sealEntry(crypto, key, { ...at, message });
  return {
    key: key.toHex(),
    mailbox: at.mailbox.toHex(),
    id: at.id.toHex(),
    kind,
    message: message.toHex(),
    entryBytes: entry.length,
    nonce: entry.slice(0, 24).toHex(),
    entry: entry.length > limit.ENTRY_SIZE_CLASSES_BYTES[0] ? null : entry.toHex(),
    entrySha256: crypto.hash.sha256(entry).toHex(),
  };
}

function inviteVector() {
  const { writerSeed, sealKey } = inviteKeys(crypto, invite.secret);
  return {
    expiresMs: invite.expiresMs,
    relay: invite.relay.toHex(),
    addresses: invite.addresses,
    inbox: invite.inbox.toHex(),
    secret: invite.secret.toHex(),
    packages: [run(300).toHex(), run(301).toHex()],
    bundle: invite.bundle.toHex(),
    uri: encodeInvite(crypto, invite),
    writerSeed: writerSeed.toHex(),
    sealKey: sealKey.toHex(),
  };
}

const vectors = {
  content: contents.map(contentVector),
  seal: [
    sealVector(200, "plain"),
    sealVector(979, "control"),
    sealVector(980, "plain"),
    sealVector(700, "package"),
  ],
  invite: inviteVector(),
  place: {
    mailbox: place.mailbox.toHex(),
    owner: place.record.owner.toHex(),
    relay: place.record.relay.toHex(),
    policy: place.record.policy,
    nonce: place.record.nonce.toHex(),
    addresses: place.addresses,
    encoded: encodePlace(place).toHex(),
    ownerSeed: run(32, 8).toHex(),
    pairInfo: encodePairInfo({ place, ownerSeed: run(32, 8) }).toHex(),
  },
};

test("docs/protocol/vector/conversation.json is what the code makes", async () => {
  const text = `${JSON.stringify(vectors, null, 2)}\n`;
  if (process.env["DCHAT_WRITE_DOCS"] === "1") await Bun.write(path, text);
  expect(await Bun.file(path).text()).toBe(text);
});

test("what the vectors seal opens under their key, and fills a size class to the byte", () => {
  for (const { key, mailbox, id, kind, message, entry, entryBytes } of vectors.seal) {
    if (entry === null) {
      expect(entryBytes).toBe(4096);
      continue;
    }
    const at = { mailbox: mailboxId(Uint8Array.fromHex(mailbox)), id: entryId(Uint8Array.fromHex(id)), kind };
    const opened = openSealed(crypto, Uint8Array.fromHex(key), { ...at, entry: Uint8Array.fromHex(entry) });
    expect(opened?.toHex()).toBe(message);
    expect(entryBytes).toBe(1024);
  }
});
