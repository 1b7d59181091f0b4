/** FROST(Ed25519, SHA-512) signing over noble's points, written straight from RFC 9591 section 5 as a peer to measure. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";

const { Point } = ed25519;
const { Fn } = Point;
type EdPoint = InstanceType<typeof Point>;
const CONTEXT = new TextEncoder().encode("FROST-ED25519-SHA512-v1");

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function toScalar(...parts: readonly Uint8Array[]): bigint {
  return Fn.create(
    BigInt(
      `0x${sha512(concat(...parts))
        .toReversed()
        .toHex()}`,
    ),
  );
}

function randomScalar(): bigint {
  return toScalar(crypto.getRandomValues(new Uint8Array(64)));
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const identifier = (member: bigint): Uint8Array => Fn.toBytes(member);

interface Nonces {
  readonly member: bigint;
  readonly secrets: readonly [bigint, bigint];
  readonly points: readonly [EdPoint, EdPoint];
}

/** A key split among members by a polynomial of degree threshold - 1. */
export class NobleFrost {
  readonly publicKey: Uint8Array;
  readonly #shares: ReadonlyMap<bigint, bigint>;

  constructor(members: number, threshold: number) {
    const coefficients = Array.from({ length: threshold }, randomScalar);
    const at = (x: bigint): bigint => coefficients.reduceRight((sum, c) => Fn.create(sum * x + c), 0n);
    this.#shares = new Map(Array.from({ length: members }, (_, i) => [BigInt(i + 1), at(BigInt(i + 1))]));
    this.publicKey = Point.BASE.multiply(at(0n)).toBytes();
  }

  /** Both rounds of `signers`, the commitment of all computed once, the sum verified as one signature. */
  sign(message: Uint8Array, signers: readonly number[]): Uint8Array {
    const all = signers.map((signer) => commit(BigInt(signer)));
    const list = concat(
      ...all.flatMap(({ member, points: [d, e] }) => [identifier(member), d.toBytes(), e.toBytes()]),
    );
    const head = concat(this.publicKey, sha512(concat(CONTEXT, ascii("msg"), message)));
    const prefix = concat(head, sha512(concat(CONTEXT, ascii("com"), list)));
    const bound = all.map((one) => ({
      ...one,
      factor: toScalar(CONTEXT, ascii("rho"), prefix, identifier(one.member)),
    }));
    const commitment = bound
      .map(({ points: [d, e], factor }) => d.add(e.multiply(factor)))
      .reduce((sum, point) => sum.add(point))
      .toBytes();
    const challenge = toScalar(commitment, this.publicKey, message);
    const members = all.map(({ member }) => member);
    const sum = bound
      .map(({ member, secrets: [d, e], factor }) => {
        const share = this.#shares.get(member) ?? 0n;
        return d + e * factor + lagrange(member, members) * share * challenge;
      })
      .reduce((total, part) => Fn.create(total + part), 0n);
    const signature = concat(commitment, Fn.toBytes(sum));
    if (!ed25519.verify(signature, message, this.publicKey)) throw new Error("the sum is no signature");
    return signature;
  }
}

function commit(member: bigint): Nonces {
  const [d, e] = [randomScalar(), randomScalar()];
  return { member, secrets: [d, e], points: [Point.BASE.multiply(d), Point.BASE.multiply(e)] };
}

function lagrange(member: bigint, members: readonly bigint[]): bigint {
  let result = 1n;
  for (const other of members) {
    if (other !== member) result = Fn.create(result * other * Fn.inv(Fn.create(other - member)));
  }
  return result;
}
