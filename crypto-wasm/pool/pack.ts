/** Signed messages as one buffer, which moves to a worker without a copy: for each length, key, signature, message. */
import type { SignedMessage } from "../port.ts";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const HEAD_BYTES = 4 + KEY_BYTES + SIGNATURE_BYTES;

/** Copies `items`, whose lengths have been checked, into a new buffer. */
export function packSigned(items: readonly SignedMessage[]): Uint8Array<ArrayBuffer> {
  let bytes = 0;
  for (const { message } of items) bytes += HEAD_BYTES + message.length;
  const packed = new Uint8Array(bytes);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { key, message, signature } of items) {
    view.setUint32(at, message.length);
    packed.set(key, at + 4);
    packed.set(signature, at + 4 + KEY_BYTES);
    packed.set(message, at + HEAD_BYTES);
    at += HEAD_BYTES + message.length;
  }
  return packed;
}

/** The items of `packSigned`, as views of its buffer. */
export function unpackSigned(packed: Uint8Array): SignedMessage[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const items: SignedMessage[] = [];
  for (let at = 0; at < packed.length;) {
    const end = at + HEAD_BYTES + view.getUint32(at);
    items.push({
      key: packed.subarray(at + 4, at + 4 + KEY_BYTES),
      signature: packed.subarray(at + 4 + KEY_BYTES, at + HEAD_BYTES),
      message: packed.subarray(at + HEAD_BYTES, end),
    });
    at = end;
  }
  return items;
}
