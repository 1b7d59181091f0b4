/** base58btc, the alphabet of PeerIds. Quadratic: for short inputs only. */
const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/** A SHA-256 multihash has 46 characters, an inline key 52; nothing longer is read. */
const TEXT_LENGTH_MAX = 128;

export function encodeBase58(bytes: Uint8Array): string {
  const digits: number[] = [];
  for (const byte of bytes) {
    let carry = byte;
    for (let index = 0; index < digits.length; index++) {
      carry += (digits[index] ?? 0) * 256;
      digits[index] = carry % 58;
      carry = Math.floor(carry / 58);
    }
    for (; carry > 0; carry = Math.floor(carry / 58)) digits.push(carry % 58);
  }
  let text = "1".repeat(leading(bytes));
  for (let index = digits.length - 1; index >= 0; index--) text += ALPHABET[digits[index] ?? 0] ?? "";
  return text;
}

/** The bytes of `text`, or null where it isn't base58btc or is too long to be a PeerId. */
export function decodeBase58(text: string): Uint8Array | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const bytes: number[] = [];
  let zeros = 0;
  for (const char of text) {
    let carry = ALPHABET.indexOf(char);
    if (carry < 0) return null;
    if (carry === 0 && bytes.length === 0) zeros++;
    for (let index = 0; index < bytes.length; index++) {
      carry += (bytes[index] ?? 0) * 58;
      bytes[index] = carry & 0xff;
      carry >>>= 8;
    }
    for (; carry > 0; carry >>>= 8) bytes.push(carry & 0xff);
  }
  const out = new Uint8Array(zeros + bytes.length);
  for (let index = 0; index < bytes.length; index++) out[out.length - 1 - index] = bytes[index] ?? 0;
  return out;
}

function leading(bytes: Uint8Array): number {
  let count = 0;
  while (count < bytes.length && bytes[count] === 0) count++;
  return count;
}
