/** What a batch costs the loop when a thread verifies it: the loop's own CPU, and the time until the answer; and in place. */
import { type Crypto, openCryptoPool } from "@dchat/crypto-wasm";
import { quantile, round } from "../harness/quantile.ts";
import type { Row, Size } from "../harness/result.ts";

const ROUNDS: Readonly<Record<Size, number>> = { small: 10, standard: 300, large: 2_000 };

export async function pool(dchat: Crypto, size: Size): Promise<Row[]> {
  using threads = openCryptoPool({ ed25519: dchat.ed25519, signaturesMin: 1 });
  const rows: Row[] = [];
  for (const n of [1, 2, 4, 8, 16, 64, 256]) {
    const items = Array.from({ length: n }, () => {
      using key = dchat.ed25519.generate();
      const message = dchat.random.bytes(256);
      return { key: key.publicKey, message, signature: dchat.ed25519.sign(key, message) };
    });
    for (let i = 0; i < ROUNDS[size] / 10; i++) await threads.verifyBatch(items);
    const took = new Float64Array(ROUNDS[size]);
    const before = process.threadCpuUsage();
    for (let i = 0; i < took.length; i++) {
      const started = performance.now();
      await threads.verifyBatch(items);
      took[i] = (performance.now() - started) * 1_000;
    }
    const { user, system } = process.threadCpuUsage(before);
    const placed = process.threadCpuUsage();
    for (let i = 0; i < took.length; i++) dchat.ed25519.verifyBatch(items);
    const inPlace = process.threadCpuUsage(placed);
    const at = (share: number): number => round(quantile(took, share));
    rows.push({
      subject: "dchat",
      parameters: { operation: "verify pool", size: n },
      figures: {
        p50Us: at(0.5),
        p25Us: at(0.25),
        p75Us: at(0.75),
        p99Us: at(0.99),
        loopCpuUs: round((user + system) / took.length),
        inPlaceCpuUs: round((inPlace.user + inPlace.system) / took.length),
      },
    });
  }
  return rows;
}
