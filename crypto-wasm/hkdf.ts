/** The block function of an HKDF: HMAC over the concatenation of `parts`. */
type Hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]) => Uint8Array;

/** RFC 5869 section 2.3. */
export const HKDF_BLOCKS_MAX = 255;
const EMPTY = new Uint8Array(0);

/** RFC 5869 section 2.3 with any HMAC: `length` bytes, at most 255 blocks (the caller has checked). */
export function hkdfExpand(
  hmac: Hmac,
  options: { prk: Uint8Array; info: Uint8Array; length: number },
): Uint8Array {
  const out = new Uint8Array(options.length);
  let block: Uint8Array = EMPTY;
  for (let at = 0, i = 1; at < out.length; at += block.length, i++) {
    const next = hmac(options.prk, block, options.info, Uint8Array.of(i));
    block.fill(0);
    block = next;
    out.set(at + block.length <= out.length ? block : block.subarray(0, out.length - at), at);
  }
  block.fill(0);
  return out;
}

/** RFC 5869, extract and expand, with any HMAC. */
export function hkdfByHmac(
  hmac: Hmac,
  options: { ikm: Uint8Array; salt: Uint8Array; info: Uint8Array; length: number },
): Uint8Array {
  const prk = hmac(options.salt, options.ikm);
  const out = hkdfExpand(hmac, { prk, info: options.info, length: options.length });
  prk.fill(0);
  return out;
}
