/** Test vectors of docs/protocol/evidence.md: documents that prove something, and documents that don't. */
import type { Crypto } from "@dchat/crypto-wasm";
import { type Evidence, evidenceFields, subjectOf } from "../core/mailbox/mod.ts";
import { planInclusion } from "../core/merkle/mod.ts";
import { evidenceOfEachKind, logOf, proofIn, SigningNode } from "./harness/evidence.ts";

export function evidenceVectors(crypto: Crypto): unknown {
  const node = new SigningNode(crypto, { identity: 0x04, head: 0x05, peer: 0x70 });
  const [log, split] = [logOf(crypto, 6), logOf(crypto, 6, 1)];
  const later = { generation: 3 };
  const path = (of: typeof log) => proofIn(crypto, of, planInclusion(2, of.length));
  const nothing: readonly (readonly [string, Evidence])[] = [
    ["a head that has what was promised", broken(node.head(log), log)],
    ["a leaf that isn't in the head", broken(node.head(log), split)],
    ["a head of the generation after a restore", broken(node.head(split, later), split)],
    ["a head that was signed twice", { kind: "heads", first: node.head(log), second: node.head(log) }],
  ];

  function broken(second: ReturnType<typeof node.head>, shown: typeof log): Evidence {
    return { kind: "broken", first: node.promise(log, 2), second, leaf: shown[2]!, path: path(shown) };
  }

  return {
    proves: evidenceOfEachKind(crypto).map((evidence) => ({
      ...subjectOf(evidence),
      document: evidenceFields(evidence),
    })),
    provesNothing: nothing.map(([name, evidence]) => ({ name, document: evidenceFields(evidence) })),
  };
}
