/**
 * ECDSA verification on secp256k1 (SEC 1, SEC 2) over BigInt, for libp2p peers that still have such keys: Bun's
 * node:crypto knows no such curve. Everything here is public, so nothing needs constant time. It takes a few
 * milliseconds, and checks only that a peer holds its key: no decision of two parties rests on it.
 */

const P = 2n ** 256n - 2n ** 32n - 977n;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** Jacobian coordinates: x = X / Z^2, y = Y / Z^3; Z = 0 is the point at infinity. */
interface Point {
  readonly x: bigint;
  readonly y: bigint;
  readonly z: bigint;
}

const INFINITY: Point = { x: 1n, y: 1n, z: 0n };
const G: Point = {
  x: 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  y: 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
  z: 1n,
};

/**
 * Whether `signature` (DER) holds under `key` (SEC 1 point), over the message whose SHA-256 is `digest`; null where the
 * key is no point.
 */
export function verifySecp256k1(key: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean | null {
  const point = decodePoint(key);
  if (point === null) return null;
  const parsed = parseDer(signature);
  if (parsed === null) return false;
  const { r, s } = parsed;
  if (r <= 0n || r >= N || s <= 0n || s >= N) return false;
  const inverse = invert(s, N);
  const sum = shamir(point, (toBigInt(digest) * inverse) % N, (r * inverse) % N);
  if (sum.z === 0n) return false;
  const zInverse = invert(sum.z, P);
  return mod(sum.x * zInverse * zInverse) % N === r;
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** The inverse by the extended Euclidean algorithm; `value` isn't 0 modulo the prime. */
function invert(value: bigint, prime: bigint): bigint {
  let [a, b] = [value % prime, prime];
  let [x, u] = [1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b] = [b - quotient * a, a];
    [x, u] = [u - quotient * x, x];
  }
  return x < 0n ? x + prime : x;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let factor = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = mod(result * factor);
    factor = mod(factor * factor);
  }
  return result;
}

function decodePoint(key: Uint8Array): Point | null {
  const x = toBigInt(key.subarray(1, 33));
  if (x >= P) return null;
  const square = mod(x * x * x + 7n);
  if (key.length === 65 && key[0] === 4) {
    const y = toBigInt(key.subarray(33));
    return y < P && mod(y * y) === square ? { x, y, z: 1n } : null;
  }
  if (key.length !== 33 || (key[0] !== 2 && key[0] !== 3)) return null;
  const root = power(square, (P + 1n) / 4n);
  if (mod(root * root) !== square) return null;
  return { x, y: (root & 1n) === BigInt(key[0] & 1) ? root : P - root, z: 1n };
}

/** SEQUENCE of two INTEGERs, strictly: no long forms, nothing after it. */
function parseDer(der: Uint8Array): { r: bigint; s: bigint } | null {
  if (der[0] !== 0x30 || der[1] !== der.length - 2 || der.length > 72) return null;
  const rLength = der[3] ?? 0;
  const sLength = der[5 + rLength] ?? 0;
  if (der[2] !== 2 || der[4 + rLength] !== 2 || 6 + rLength + sLength !== der.length) return null;
  const r = parseInteger(der.subarray(4, 4 + rLength));
  const s = parseInteger(der.subarray(6 + rLength));
  return r === null || s === null ? null : { r, s };
}

function parseInteger(bytes: Uint8Array): bigint | null {
  const first = bytes[0];
  if (first === undefined || first >= 0x80) return null;
  if (first === 0 && bytes.length > 1 && (bytes[1] ?? 0) < 0x80) return null;
  return toBigInt(bytes);
}

function double({ x, y, z }: Point): Point {
  if (y === 0n) return INFINITY;
  const ySquared = mod(y * y);
  const s = mod(4n * x * ySquared);
  const m = mod(3n * x * x);
  const x3 = mod(m * m - 2n * s);
  return { x: x3, y: mod(m * (s - x3) - 8n * ySquared * ySquared), z: mod(2n * y * z) };
}

function add(a: Point, b: Point): Point {
  if (a.z === 0n) return b;
  if (b.z === 0n) return a;
  const aSquared = mod(a.z * a.z);
  const bSquared = mod(b.z * b.z);
  const u1 = mod(a.x * bSquared);
  const u2 = mod(b.x * aSquared);
  const s1 = mod(a.y * b.z * bSquared);
  const s2 = mod(b.y * a.z * aSquared);
  if (u1 === u2) return s1 === s2 ? double(a) : INFINITY;
  const h = u2 - u1;
  const r = s2 - s1;
  const hSquared = mod(h * h);
  const hCubed = mod(hSquared * h);
  const v = mod(u1 * hSquared);
  const x = mod(r * r - hCubed - 2n * v);
  return { x, y: mod(r * (v - x) - s1 * hCubed), z: mod(h * a.z * b.z) };
}

/** gScalar * G + pointScalar * point, in one pass over the bits. */
function shamir(point: Point, gScalar: bigint, pointScalar: bigint): Point {
  const both = add(G, point);
  let sum = INFINITY;
  for (let bit = 255n; bit >= 0n; bit--) {
    sum = double(sum);
    const g = (gScalar >> bit) & 1n;
    const p = (pointScalar >> bit) & 1n;
    if (g === 1n) sum = add(sum, p === 1n ? both : G);
    else if (p === 1n) sum = add(sum, point);
  }
  return sum;
}
