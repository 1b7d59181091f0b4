/** For tests: adversarial Ed25519 signatures, and a BigInt oracle for what ZIP-215 says of them. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import type { SignedMessage } from "./port.ts";

const { Point } = ed25519;
const { Fn } = Point;
const MESSAGE = new TextEncoder().encode("Zcash");
const Y8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc";
const MINUS_Y8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03";
const ZEROS = "00".repeat(30);
const ONES = "ff".repeat(30);

/** Every encoding of a point of small order that ZIP-215 takes: eight canonical, six not. */
const SMALL_ORDER = [
  `01${ZEROS}00`,
  `ec${ONES}7f`,
  `00${ZEROS}00`,
  `00${ZEROS}80`,
  `${Y8}05`,
  `${Y8}85`,
  `${MINUS_Y8}7a`,
  `${MINUS_Y8}fa`,
  `01${ZEROS}80`,
  `ec${ONES}ff`,
  `ee${ONES}7f`,
  `ee${ONES}ff`,
  `ed${ONES}7f`,
  `ed${ONES}ff`,
].map((text) => Uint8Array.fromHex(text));

const TORSION = SMALL_ORDER.slice(0, 8).map((bytes) => Point.fromBytes(bytes, true));

/** R and A of small order and S = 0: valid by ZIP-215, all 196 of them. */
export const small: SignedMessage[] = SMALL_ORDER.flatMap((key) =>
  SMALL_ORDER.map((r) => ({
    key,
    message: MESSAGE,
    signature: Uint8Array.from([...r, ...new Uint8Array(32)]),
  })),
);

function challenge(...parts: readonly Uint8Array[]): bigint {
  const digest = sha512(new Uint8Array(Buffer.concat(parts)));
  return Fn.create(BigInt(`0x${digest.toReversed().toHex()}`));
}

/** Honest equations with a torsion component in A and in R, for each pair: ZIP-215 takes all 64. */
export const torsioned: SignedMessage[] = TORSION.flatMap((inKey, i) =>
  TORSION.map((inR, j) => {
    const [a, r] = [BigInt(1_000 + i), BigInt(2_000 + j)];
    const key = Point.BASE.multiply(a).add(inKey).toBytes();
    const commitment = Point.BASE.multiply(r).add(inR).toBytes();
    const s = Fn.create(r + challenge(commitment, key, MESSAGE) * a);
    return { key, message: MESSAGE, signature: Uint8Array.from([...commitment, ...Fn.toBytes(s)]) };
  }),
);

/** What must fail by any rule: S not reduced, no point, a coordinate beyond the field that is no point. */
export const never: SignedMessage[] = torsioned.slice(0, 8).flatMap((item) => {
  const s = BigInt(`0x${item.signature.slice(32).toReversed().toHex()}`) + Fn.ORDER;
  const unreduced = Uint8Array.fromHex(s.toString(16).padStart(64, "0")).toReversed();
  const noPoint = Uint8Array.fromHex(`02${ZEROS}00`);
  return [
    { ...item, signature: Uint8Array.from([...item.signature.subarray(0, 32), ...unreduced]) },
    { ...item, key: noPoint },
    { ...item, signature: Uint8Array.from([...noPoint, ...item.signature.subarray(32)]) },
    { ...item, message: new Uint8Array(3) },
  ];
});

export const ALL = [
  ["small order", small],
  ["torsion", torsioned],
  ["never", never],
] as const;

/** ZIP-215 as noble has it, over BigInt. */
export function noble(item: SignedMessage): boolean {
  return ed25519.verify(item.signature, item.message, item.key, { zip215: true });
}
