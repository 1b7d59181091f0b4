/**
 * Test vectors of the mailbox protocol, for other implementations: `bun test/protocol_vectors.ts` writes
 * docs/protocol/vector/*.json anew, test/protocol_test.ts holds them equal to the code. Everything comes from
 * fixed seeds; bytes are lower-case hex.
 */
import { type Crypto, openCrypto } from "@dchat/crypto-wasm";
import { entryId, type Hash, hash, mailboxId, publicKey, signature } from "../core/ground/mod.ts";
import { entryLeaf, promiseLeaf } from "../core/mailbox/mod.ts";
import {
  append,
  makeProof,
  type Node,
  planConsistency,
  planInclusion,
  type ProofPlan,
  leafHash,
  rootOf,
} from "../core/merkle/mod.ts";
import {
  type AppendPromise,
  batchStatement,
  certificateStatement,
  type CommandBody,
  CONTROL_KIND,
  COMMAND_KIND,
  decodeCommand,
  encodeStreamControl,
  FrameReader,
  generationStatement,
  headStatement,
  leafBytes,
  mailboxIdOf,
  promiseBytes,
  PROTOCOL_ID,
  REPLY_KIND,
  signCommand,
} from "../core/wire/mod.ts";

import { DAY_MS, filled, key, NONCE, NOW_MS, POLICY, preimage, RELAY } from "./harness/vector_value.ts";
import { evidenceVectors } from "./protocol_vectors_evidence.ts";
import { replyVectors } from "./protocol_vectors_reply.ts";

const OWNER_SEED = filled(32, 0x01);
const WRITER_SEED = filled(32, 0x02);
const READER_SEED = filled(32, 0x03);
const HEAD_SEED = filled(32, 0x04);
/** Values as JSON: bytes become hex, everything else stays. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.toHex();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

function commandVectors(crypto: Crypto): unknown {
  const keys = {
    owner: crypto.ed25519.fromSeed(OWNER_SEED),
    writer: crypto.ed25519.fromSeed(WRITER_SEED),
    reader: crypto.ed25519.fromSeed(READER_SEED),
  };
  const record = {
    owner: publicKey(keys.owner.publicKey),
    relay: RELAY,
    policy: POLICY,
    nonce: filled(16, 0x0a),
  };
  const mailbox = mailboxIdOf(record, crypto.hash);
  const writer = publicKey(keys.writer.publicKey);
  const reader = publicKey(keys.reader.publicKey);
  const id = entryId(filled(16, 0x1d));
  const entry = filled(1024, 0xe1);
  const base = { op: "append", id, turn: 7, slot: 0, change: null, entry } as const;
  const change = { writer: key(0x77), added: [key(0x61), key(0x62)], removed: [key(0x63)] };
  const bodies: readonly (readonly [who: keyof typeof keys, body: CommandBody])[] = [
    ["owner", { op: "create", record, writer, readers: [reader, key(0x64)] }],
    ["reader", { op: "describe" }],
    ["writer", { ...base, kind: "plain" }],
    ["writer", { ...base, kind: "control", change }],
    ["owner", { ...base, kind: "package", slot: 3 }],
    ["owner", { ...base, kind: "lastResort", slot: 3 }],
    ["reader", { op: "read", from: 2 ** 33 + 5, bytesMax: 262_144 }],
    ["reader", { op: "subscribe", from: 42 }],
    ["reader", { op: "acknowledge", cursor: Number.MAX_SAFE_INTEGER }],
    ["reader", { op: "receipts", from: key(0x61) }],
    ["writer", { op: "take", take: id }],
    ["owner", { op: "reset", version: 9, owner: key(0x6f), writer, readers: [reader], policy: POLICY }],
    ["owner", { op: "delete" }],
    ["reader", { op: "proveInclusion", seq: 3, size: 11 }],
    ["reader", { op: "proveConsistency", from: 4, to: 11 }],
  ];
  const context = { relay: RELAY, nonce: NONCE, digest: crypto.hash };
  const commands = bodies.map(([who, body], request) => {
    const fields = { mailbox, generation: 2, notAfterMs: NOW_MS + DAY_MS, relay: RELAY, nonce: NONCE };
    const frame = signCommand({ ...fields, body, key: keys[who], request }, crypto);
    const { authority, statement } = decodeCommand(unframe(frame), context);
    return { signedBy: who, request, authority, body, statement, frame };
  });
  const controls = [
    { op: "credit", bytes: 1_048_576 } as const,
    { op: "unsubscribe", request: 0x01020304 } as const,
  ].map((control) => ({ control, frame: encodeStreamControl(control) }));
  const seeds = { owner: OWNER_SEED, writer: WRITER_SEED, reader: READER_SEED };
  return { protocol: PROTOCOL_ID, seeds, relay: RELAY, nonce: NONCE, commands, controls };
}

function unframe(frame: Uint8Array): { kind: number; payload: Uint8Array } {
  const frames: { kind: number; payload: Uint8Array }[] = [];
  new FrameReader({ onFrame: (kind, _request, payload) => frames.push({ kind, payload }) }).push(frame);
  const [only] = frames;
  if (only === undefined) throw new Error("not a frame");
  return only;
}

/** A tree that remembers its nodes, so that any proof can be made. */
function grown(crypto: Crypto, leaves: readonly Hash[]) {
  const nodes = new Map<string, Hash>();
  const tree = { peaks: [] as Hash[], size: 0 };
  const roots = [rootOf(crypto.hash, [])];
  for (const leaf of leaves) {
    const index = tree.size;
    append(crypto.hash, tree, leaf).forEach((node, level) =>
      nodes.set(`${level}:${Math.floor(index / 2 ** level)}`, node),
    );
    roots.push(rootOf(crypto.hash, tree.peaks));
  }
  const load = ({ level, index }: Node): Hash => {
    const node = nodes.get(`${level}:${index}`);
    if (node === undefined) throw new Error("no such node");
    return node;
  };
  const prove = (plan: ProofPlan): Hash[] => makeProof(crypto.hash, plan, plan.wanted.map(load));
  return { tree, roots, prove };
}

function statementVectors(crypto: Crypto): unknown {
  const signer = crypto.ed25519.fromSeed(HEAD_SEED);
  const sign = (statement: Uint8Array) => signature(crypto.ed25519.sign(signer, statement));
  const mailbox = mailboxId(filled(32, 0x4d));
  const leaves = [0, 1, 2].map((seq) => {
    const fields = preimage(seq);
    return { ...fields, bytes: leafBytes(fields), leaf: entryLeaf(crypto.hash, fields) };
  });
  const facts = leaves.map(({ generation, seq, leaf, expiryMs }) => ({
    mailbox,
    generation,
    seq,
    leaf,
    keptUntilMs: expiryMs,
  }));
  const batch = grown(
    crypto,
    facts.map((fact) => leafHash(crypto.hash, promiseBytes(fact))),
  );
  const root = rootOf(crypto.hash, batch.tree.peaks);
  const statement = batchStatement({ size: facts.length, root, timeMs: NOW_MS });
  const promises = facts.map((fact, batchIndex): AppendPromise => ({
    ...fact,
    batchIndex,
    batchSize: facts.length,
    path: batch.prove(planInclusion(batchIndex, facts.length)),
    batchTimeMs: NOW_MS,
    signature: sign(statement),
  }));
  const head = { mailbox, generation: 2, size: 3, root: hash(filled(32, 0x72)), timeMs: NOW_MS };
  const certificate = {
    relay: publicKey(signer.publicKey),
    headKey: key(0x68),
    peerId: filled(38, 0x70),
    notAfterMs: NOW_MS + 90 * DAY_MS,
  };
  return {
    protocol: PROTOCOL_ID,
    signerSeed: HEAD_SEED,
    leaves,
    batch: {
      statement,
      root,
      promises: promises.map((promise) => ({
        ...promise,
        bytes: promiseBytes(promise),
        hash: promiseLeaf(crypto, promise),
      })),
    },
    head: { ...head, statement: headStatement(head), signature: sign(headStatement(head)) },
    generation: { ...head, statement: generationStatement(head), signature: sign(generationStatement(head)) },
    certificate: {
      ...certificate,
      statement: certificateStatement(certificate),
      signature: sign(certificateStatement(certificate)),
    },
  };
}

function merkleVectors(crypto: Crypto): unknown {
  const data = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
  ];
  const leaves = data.map((hex) => leafHash(crypto.hash, Uint8Array.fromHex(hex)));
  const { roots, prove } = grown(crypto, leaves);
  const pairs = roots.flatMap((_, size) => roots.slice(0, size).map((_root, index) => ({ index, size })));
  return {
    source:
      "RFC 9162, section 2.1; the leaves and roots that implementations of Certificate Transparency test with",
    leafData: data,
    leafHashes: leaves,
    roots,
    inclusion: pairs.map(({ index, size }) => ({ index, size, path: prove(planInclusion(index, size)) })),
    consistency: pairs.map(({ index, size }) => ({
      from: index,
      to: size,
      path: prove(planConsistency(index, size)),
    })),
  };
}

/** Two receipts, of the readers whose keys are so many times one byte. */
function receiptsOf(first: number, second: number, { next = 0 } = {}): Uint8Array {
  const receipt = (reader: number) => [...filled(32, reader), ...filled(20, 0), ...filled(64, 1)];
  const end = next === 0 ? [0] : [1, ...filled(32, next)];
  return new Uint8Array([0, 2, ...receipt(first), ...receipt(second), ...end]);
}

/** Payloads that must be refused, with why. */
function malformedVectors(crypto: Crypto): unknown {
  const signed = crypto.ed25519.fromSeed(READER_SEED);
  const frameOf = (body: CommandBody): Uint8Array =>
    unframe(
      signCommand(
        {
          body,
          mailbox: mailboxId(filled(32, 0x4d)),
          generation: 1,
          notAfterMs: NOW_MS,
          relay: RELAY,
          nonce: NONCE,
          key: signed,
          request: 1,
        },
        crypto,
      ),
    ).payload;
  const read = frameOf({ op: "read", from: 1, bytesMax: 2 });
  const changed = (from: Uint8Array, at: number, ...bytes: number[]): Uint8Array => {
    const copy = from.slice();
    copy.set(bytes, at);
    return copy;
  };
  const twice = { writer: key(1), added: [key(2)], removed: [key(2)] };
  const base = {
    op: "append",
    id: entryId(filled(16, 1)),
    turn: 0,
    slot: 0,
    change: null,
    entry: filled(1024, 1),
  } as const;
  const plainAppend = frameOf({ ...base, kind: "plain" });
  const command = (name: string, op: keyof typeof COMMAND_KIND, payload: Uint8Array) => ({
    name,
    kind: COMMAND_KIND[op],
    payload,
  });
  const reply = (name: string, is: keyof typeof REPLY_KIND, payload: Uint8Array) => ({
    name,
    kind: REPLY_KIND[is],
    payload,
  });
  return {
    protocol: PROTOCOL_ID,
    commands: [
      command("empty", "read", filled(0, 0)),
      command("one byte short", "read", read.slice(0, -1)),
      command("one byte more", "read", new Uint8Array([...read, 0])),
      command("generation 0", "read", changed(read, 32, 0, 0, 0, 0)),
      command("a number over 2^53 - 1", "read", changed(read, 140, 0x00, 0x20, 0, 0, 0, 0, 0, 0)),
      command("an entry outside the size classes", "append", plainAppend.slice(0, -1)),
      command("no such entry kind", "append", changed(plainAppend, 160, 4)),
      command("a slot on a plain entry", "append", changed(plainAppend, 161, 0, 1)),
      command(
        "a reader key that stands twice",
        "append",
        frameOf({ ...base, kind: "control", change: twice }),
      ),
      command("one byte short", "receipts", frameOf({ op: "receipts", from: key(1) }).slice(0, -1)),
      { name: "no such kind", kind: 0x3f, payload: read },
    ],
    controls: [{ name: "three bytes", kind: CONTROL_KIND.credit, payload: filled(3, 1) }],
    replies: [
      reply("empty", "acknowledged", filled(0, 0)),
      reply("one byte more", "deleted", filled(1, 0)),
      reply("no such refusal", "refused", new Uint8Array([0])),
      reply("an entry outside the size classes", "entry", filled(81 + 1023, 0)),
      reply("receipts of one reader twice", "receipts", receiptsOf(1, 1)),
      reply("receipts out of order", "receipts", receiptsOf(2, 1)),
      reply("a page of receipts that goes on within itself", "receipts", receiptsOf(1, 2, { next: 2 })),
      { name: "no such kind", kind: 0xff, payload: filled(0, 0) },
    ],
  };
}

/** File names in docs/protocol/vector and what stands in them. */
export async function vectors(): Promise<ReadonlyMap<string, unknown>> {
  await using crypto = await openCrypto({ needs: [] });
  return new Map([
    ["command.json", plain(commandVectors(crypto))],
    ["evidence.json", plain(evidenceVectors(crypto))],
    ["malformed.json", plain(malformedVectors(crypto))],
    ["merkle.json", plain(merkleVectors(crypto))],
    ["reply.json", plain(replyVectors())],
    ["statement.json", plain(statementVectors(crypto))],
  ]);
}

if (import.meta.main) {
  for (const [name, value] of await vectors()) {
    await Bun.write(
      `${import.meta.dir}/../docs/protocol/vector/${name}`,
      `${JSON.stringify(value, null, 2)}\n`,
    );
  }
}
