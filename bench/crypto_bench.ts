/** Every operation of crypto-wasm beside libsodium's WASM, node:crypto and noble; MLS beside ts-mls's provider. */
import { openCrypto } from "@dchat/crypto-wasm";
import { devDependencies as pinned } from "../package.json";
import sodium, { ready } from "libsodium-wrappers-sumo";
import { frost } from "./crypto/frost.ts";
import { handshakes } from "./crypto/handshake.ts";
import { MEMBERS, mls } from "./crypto/mls.ts";
import { aeads } from "./crypto/aead.ts";
import { batches, curves } from "./crypto/curve.ts";
import { hashes, keyedHashes } from "./crypto/hash.ts";
import { kemsAndPassword } from "./crypto/kem.ts";
import { frostPool } from "./crypto/frost_pool.ts";
import { overheads, type Worst, worstOverhead } from "./crypto/overhead.ts";
import { pool } from "./crypto/pool.ts";
import { p50, time } from "./crypto/time.ts";
import { round } from "./harness/quantile.ts";
import { atLeast, atMost, type Benchmark, type Ratio, type Row } from "./harness/result.ts";

/** n, and how many times ours must beat libsodium's loop and node:crypto's. */
const BATCH_TARGETS = [
  [8, 4, 1.4],
  [64, 5, 1.75],
  [256, 5.4, 2],
] as const;

export const benchmark: Benchmark = {
  name: "crypto",
  about:
    "every cryptographic operation beside libsodium's WASM, node:crypto and noble; MLS beside ts-mls's own",
  standard: true,
  versions: () => ({
    libsodium: sodium.SODIUM_VERSION_STRING,
    "node:crypto": `BoringSSL ${process.versions.boringssl?.slice(0, 12) ?? ""}`,
    noble: `ciphers ${pinned["@noble/ciphers"]}, curves ${pinned["@noble/curves"]}, hashes ${pinned["@noble/hashes"]}, post-quantum ${pinned["@noble/post-quantum"]}`,
    "ts-mls": pinned["ts-mls"],
  }),
  async run({ size, progress, signal }) {
    await ready;
    await using dchat = await openCrypto();
    await using portable = await openCrypto({ backends: "portable" });
    const peers = { dchat, portable };
    const rows: Row[] = [];
    const all = [batches, curves, frost, aeads, hashes, keyedHashes, kemsAndPassword].flatMap((open) =>
      open(peers),
    );
    for (const timed of [...all, ...(await overheads(dchat))]) {
      signal.throwIfAborted();
      progress(`crypto: ${timed.operation}, ${timed.size}`);
      rows.push(...(await time(timed, size)));
    }
    progress("crypto: MLS");
    rows.push(...(await mls(dchat, size)));
    progress("crypto: threads");
    rows.push(...(await pool(dchat, size)));
    rows.push(...(await frostPool(dchat, size)));
    progress("crypto: Noise");
    rows.push(handshakes(size));
    return {
      rows,
      ratios: ratios(rows, MEMBERS[size]),
      plots: [
        { title: "Ed25519: us for a signature in a batch", x: "size", y: "signatureUs", log: "x" },
        { title: "ChaCha20-Poly1305: MiB a second by frame", x: "size", y: "mibPerSecond", log: "x" },
      ],
      notes: [
        "one call's time in the quietest of several rounds that take turns: p50, the quartiles and p99; node:crypto's verify has its keys imported beforehand",
        worstNote(worstOverhead(rows)),
        ...(await scheduling()),
      ],
    };
  },
};

function worstNote({ operation, count }: Worst): string {
  return `of ${count} operations through the interface and by their backends alone, at 64 bytes, ${operation} costs most of what it may; each may cost 5 % or 0.3 us, whichever is more`;
}

/** Says so where the kernel ran this before other processes (`chrt`): then their load hardly counts. */
async function scheduling(): Promise<string[]> {
  const stat = await Bun.file("/proc/self/stat")
    .text()
    .catch(() => "");
  // proc(5): field 41 is the policy; the second field is in brackets and may hold spaces.
  const policy = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38];
  return policy === "1" || policy === "2"
    ? ["ran with real-time priority, before what else the machine did"]
    : [];
}

/** What is claimed of a run's rows; `members` is the size of MLS's larger group. */
export function ratios(rows: readonly Row[], members: number): Ratio[] {
  const over = (subject: string, operation: string, at?: number): number =>
    round(p50(rows, subject, operation, at) / p50(rows, "dchat", operation, at));
  const batch = "ed25519 verifyBatch";
  const overRelay = (n: number): number =>
    round(p50(rows, "dchat bare", batch, n) / p50(rows, "dchat relay", batch, n));
  const claims = BATCH_TARGETS.flatMap(([n, bySodium, byNode]) => [
    atLeast(`verifyBatch of ${n}, libsodium's loop over dchat`, over("libsodium", batch, n), bySodium),
    atLeast(`verifyBatch of ${n}, node:crypto's loop over dchat`, over("node:crypto", batch, n), byNode),
    atLeast(`verifyBatch of ${n}, bare WASM over a relay's call path`, overRelay(n), 0.9),
  ]);
  const agree = (subject: string): number => p50(rows, subject, "x25519 agree");
  const overSodium = (subject: string): number => round(agree("libsodium") / agree(subject));
  const mlsKinds = ["x25519", "x-wing"].flatMap((kind) => [
    atLeast(
      `MLS messages (${kind}), ts-mls's default over dchat`,
      over("ts-mls default", `mls message, ${kind}`),
      1.8,
    ),
    atLeast(
      `MLS commit among ${members} (${kind}), ts-mls's default over dchat`,
      over("ts-mls default", `mls commit, ${kind}`),
      2.5,
    ),
  ]);
  return [
    ...claims,
    atLeast("X25519 in the wide WASM, libsodium over ours", overSodium("dchat wide"), 2.2),
    // What Node runs: docs/decision/crypto-backends.md says why it is no faster.
    atLeast("X25519 in the portable WASM, libsodium over ours", overSodium("dchat portable"), 2.2),
    atLeast("FROST 2 of 3, noble over dchat", over("noble", "frost sign, 2 of 3"), 10),
    atMost(
      "FROST key generation of 3 in ms",
      round(p50(rows, "dchat", "frost key generation, 3 parties") / 1_000),
      5,
    ),
    ...mlsKinds,
    atMost(
      "Noise handshake, listener's CPU in ms",
      round(p50(rows, "dchat", "noise handshake, listener") / 1_000),
      0.25,
    ),
    atMost(
      "the interface's cost over the backend alone, the worst of its operations, over 5 % or 0.3 us",
      round(worstOverhead(rows).share),
      1,
    ),
  ];
}
