/** What a large step of a FROST ceremony holds up the loop for, in place and when a thread takes it. */
import {
  type Crypto,
  type CryptoPool,
  type FrostAgreement,
  type FrostGeneration,
  openCryptoPool,
} from "@dchat/crypto-wasm";
import { round } from "../harness/quantile.ts";
import type { Row, Size } from "../harness/result.ts";

const ROUNDS: Readonly<Record<Size, number>> = { small: 1, standard: 3, large: 20 };
const GROUPS: readonly (readonly [members: number, threshold: number])[] = [
  [3, 2],
  [5, 3],
  [6, 4],
  [8, 8],
  [16, 16],
];

/** The microseconds of the loop's own CPU that the last step of each member's key generation takes. */
async function finishing(pool: CryptoPool, settings: FrostAgreement): Promise<number[]> {
  const parts: FrostGeneration[] = [];
  for (const member of settings.members) parts.push(await pool.frost.generate(settings, member));
  const sent: Map<number, Uint8Array>[] = [];
  for (const part of parts) {
    const others = parts.filter((other) => other !== part);
    sent.push(await part.share(new Map(others.map(({ member, commitment }) => [member, commitment]))));
  }
  const took: number[] = [];
  for (const part of parts) {
    const inbox = new Map<number, Uint8Array>();
    for (const [at, { member }] of parts.entries()) {
      const share = sent[at]?.get(part.member);
      if (share !== undefined) inbox.set(member, share);
    }
    const before = process.threadCpuUsage();
    const { share, group } = await part.finish(inbox);
    const { user, system } = process.threadCpuUsage(before);
    took.push(user + system);
    share[Symbol.dispose]();
    group[Symbol.dispose]();
  }
  return took;
}

export async function frostPool(dchat: Crypto, size: Size): Promise<Row[]> {
  using placed = openCryptoPool({ ed25519: dchat.ed25519, workers: 0 });
  using threaded = openCryptoPool({ ed25519: dchat.ed25519, membersMin: 2 });
  const rows: Row[] = [];
  for (const [members, threshold] of GROUPS) {
    for (const [subject, pool] of [
      ["in place", placed],
      ["thread", threaded],
    ] as const) {
      const took: number[] = [];
      for (let i = 0; i < ROUNDS[size]; i++) {
        const session = dchat.random.bytes(32);
        const all = Array.from({ length: members }, (_, at) => at + 1);
        took.push(...(await finishing(pool, { session, members: all, threshold })));
      }
      rows.push({
        subject: `dchat ${subject}`,
        parameters: { operation: "frost pool", size: members, threshold },
        // The clock of a thread's CPU may tick coarsely: only the mean of many says something.
        figures: { loopCpuUs: round(took.reduce((sum, each) => sum + each, 0) / took.length) },
      });
    }
  }
  return rows;
}
