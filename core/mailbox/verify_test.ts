import { describe, expect, test } from "bun:test";
import { openCrypto } from "@dchat/crypto-wasm";
import * as fc from "fast-check";
import { leaf as anyLeaf, promise as anyPromise } from "../../test/harness/arbitrary.ts";
import { type Hash, hash, mailboxId, nonce, publicKey, signature } from "../ground/mod.ts";
import { append, leafHash, makeProof, type Node, planInclusion, rootOf } from "../merkle/mod.ts";
import {
  type AppendPromise,
  batchStatement,
  certificateStatement,
  decodeCommand,
  FrameReader,
  generationStatement,
  type Head,
  headStatement,
  type NodeCertificate,
  promiseBytes,
  type PromiseFact,
  signCommand,
} from "../wire/mod.ts";
import { entryLeaf } from "./leaf.ts";
import {
  headsConflict,
  isPromiseOf,
  verifyCertificate,
  verifyGeneration,
  verifyHead,
  verifyPromise,
  verifyReceipt,
} from "./verify.ts";

const crypto = await openCrypto({ needs: [] });
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
const signer = crypto.ed25519.fromSeed(filled(32, 1));
const other = crypto.ed25519.fromSeed(filled(32, 2));
const headKey = publicKey(signer.publicKey);
const otherKey = publicKey(other.publicKey);
const sign = (statement: Uint8Array) => signature(crypto.ed25519.sign(signer, statement));
const flip = <T extends Uint8Array>(bytes: T, brand: (bytes: Uint8Array) => T): T => {
  const copy = new Uint8Array(bytes);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return brand(copy);
};

/** What a node does for a batch: one tree, one signature, a path for each. */
function promised(facts: readonly PromiseFact[]): AppendPromise[] {
  const nodes = new Map<string, Hash>();
  const tree = { peaks: [] as Hash[], size: 0 };
  for (const fact of facts) {
    const index = tree.size;
    append(crypto.hash, tree, leafHash(crypto.hash, promiseBytes(fact))).forEach((node, level) =>
      nodes.set(`${level}:${Math.floor(index / 2 ** level)}`, node),
    );
  }
  const load = ({ level, index }: Node): Hash => nodes.get(`${level}:${index}`) ?? hash(filled(32, 0));
  const batch = { size: facts.length, root: rootOf(crypto.hash, tree.peaks), timeMs: 1234 };
  const signed = sign(batchStatement(batch));
  return facts.map((fact, batchIndex) => {
    const plan = planInclusion(batchIndex, facts.length);
    const path = makeProof(crypto.hash, plan, plan.wanted.map(load));
    return { ...fact, batchIndex, batchSize: batch.size, path, batchTimeMs: batch.timeMs, signature: signed };
  });
}

describe("verifyPromise()", () => {
  test("holds for each of a batch under its one signature, and for nothing else said of it", () => {
    fc.assert(
      fc.property(fc.array(anyPromise, { minLength: 1, maxLength: 9 }), (facts) => {
        for (const promise of promised(facts)) {
          const verify = (changes: Partial<AppendPromise>): boolean =>
            verifyPromise(crypto, { ...promise, ...changes }, headKey);
          expect(verify({})).toBe(true);
          expect(verifyPromise(crypto, promise, otherKey)).toBe(false);
          expect(verify({ seq: promise.seq === 0 ? 1 : promise.seq - 1 })).toBe(false);
          expect(verify({ generation: promise.generation === 0 ? 1 : 0 })).toBe(false);
          expect(verify({ keptUntilMs: promise.keptUntilMs === 0 ? 1 : 0 })).toBe(false);
          expect(verify({ mailbox: flip(promise.mailbox, mailboxId) })).toBe(false);
          expect(verify({ leaf: flip(promise.leaf, hash) })).toBe(false);
          expect(verify({ batchTimeMs: 1235 })).toBe(false);
          expect(verify({ batchSize: promise.batchSize + 1 })).toBe(false);
          expect(verify({ batchIndex: promise.batchSize })).toBe(false);
          expect(verify({ path: [...promise.path, promise.leaf] })).toBe(false);
          expect(verify({ signature: flip(promise.signature, signature) })).toBe(false);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("isPromiseOf()", () => {
  test("holds for the entry that was promised and no other", () => {
    fc.assert(
      fc.property(anyLeaf, anyLeaf, anyPromise, (mine, another, some) => {
        const leaf = entryLeaf(crypto.hash, mine);
        const promise = { ...some, generation: mine.generation, seq: mine.seq, leaf };
        expect(isPromiseOf(crypto, promise, mine)).toBe(true);
        expect(isPromiseOf(crypto, promise, { ...another, generation: mine.generation, seq: mine.seq })).toBe(
          Bun.deepEquals({ ...another, generation: mine.generation, seq: mine.seq }, mine),
        );
        expect(isPromiseOf(crypto, { ...promise, seq: mine.seq === 0 ? 1 : 0 }, mine)).toBe(false);
      }),
    );
  });
});

describe("verifyHead() and verifyGeneration()", () => {
  const fields = {
    mailbox: mailboxId(filled(32, 3)),
    generation: 2,
    size: 5,
    root: hash(filled(32, 4)),
    timeMs: 6,
  };
  const head: Head = { ...fields, signature: sign(headStatement(fields)) };
  const start = { ...fields, signature: sign(generationStatement(fields)) };

  test("hold for what was signed, and one never passes for the other", () => {
    expect(verifyHead(crypto, head, headKey)).toBe(true);
    expect(verifyGeneration(crypto, start, headKey)).toBe(true);
    expect(verifyHead(crypto, start, headKey)).toBe(false);
    expect(verifyGeneration(crypto, head, headKey)).toBe(false);
    for (const changes of [
      { size: 6 },
      { generation: 3 },
      { timeMs: 7 },
      { root: hash(filled(32, 5)) },
      { mailbox: mailboxId(filled(32, 5)) },
    ]) {
      expect(verifyHead(crypto, { ...head, ...changes }, headKey)).toBe(false);
      expect(verifyGeneration(crypto, { ...start, ...changes }, headKey)).toBe(false);
    }
  });

  test("headsConflict() finds two roots at one size of one generation", () => {
    const root = hash(filled(32, 9));
    expect(headsConflict(head, { ...head, root })).toBe(true);
    expect(headsConflict(head, { ...head, timeMs: 99 })).toBe(false);
    expect(headsConflict(head, { ...head, root, size: 6 })).toBe(false);
    expect(headsConflict(head, { ...head, root, generation: 3 })).toBe(false);
    expect(headsConflict(head, { ...head, root, mailbox: mailboxId(filled(32, 8)) })).toBe(false);
  });
});

describe("verifyCertificate()", () => {
  const fields = { relay: headKey, headKey: otherKey, peerId: filled(38, 7), notAfterMs: 1000 };
  const certificate: NodeCertificate = { ...fields, signature: sign(certificateStatement(fields)) };
  const expected = { relay: headKey, peerId: filled(38, 7), nowMs: 1000 };

  test("holds for this relay, this PeerId and until its time", () => {
    expect(verifyCertificate(crypto, certificate, expected)).toBe(true);
    expect(verifyCertificate(crypto, certificate, { ...expected, peerId: null })).toBe(true);
    expect(verifyCertificate(crypto, certificate, { ...expected, nowMs: 1001 })).toBe(false);
    expect(verifyCertificate(crypto, certificate, { ...expected, peerId: filled(38, 8) })).toBe(false);
    expect(verifyCertificate(crypto, certificate, { ...expected, relay: otherKey })).toBe(false);
    expect(verifyCertificate(crypto, { ...certificate, headKey }, expected)).toBe(false);
    expect(verifyCertificate(crypto, { ...certificate, notAfterMs: 2000 }, expected)).toBe(false);
  });
});

describe("verifyReceipt()", () => {
  test("holds for the acknowledge command as a reader signed it, for this relay and cursor alone", () => {
    const relay = publicKey(filled(32, 6));
    const mailbox = mailboxId(filled(32, 5));
    const body = { op: "acknowledge", cursor: 2 ** 40 + 7 } as const;
    const frame = signCommand(
      { body, mailbox, generation: 3, notAfterMs: 99, relay, nonce: null, key: signer, request: 1 },
      crypto,
    );
    const decoded: ReturnType<typeof decodeCommand>[] = [];
    const context = { relay, nonce: nonce(filled(32, 1)), digest: crypto.hash };
    new FrameReader({
      onFrame: (kind, _request, payload) => decoded.push(decodeCommand({ kind, payload }, context)),
    }).push(frame);
    const authority = decoded[0]?.authority;
    if (authority === undefined) throw new Error("no command");
    const receipt = {
      mailbox,
      generation: authority.generation,
      reader: authority.key,
      cursor: body.cursor,
      notAfterMs: authority.notAfterMs,
      signature: authority.signature,
    };
    expect(verifyReceipt(crypto, receipt, relay)).toBe(true);
    expect(verifyReceipt(crypto, receipt, otherKey)).toBe(false);
    expect(verifyReceipt(crypto, { ...receipt, cursor: receipt.cursor - 1 }, relay)).toBe(false);
    expect(verifyReceipt(crypto, { ...receipt, generation: 4 }, relay)).toBe(false);
    expect(verifyReceipt(crypto, { ...receipt, reader: otherKey }, relay)).toBe(false);
  });
});
