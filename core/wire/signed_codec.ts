/** What a relay signs, alone and whole: what is kept of it, and shown to others. The layouts are those of replies. */
import { ByteReader, ByteWriter } from "./bytes.ts";
import {
  PATH_HASHES_MAX,
  putCertificate,
  putHead,
  putPromise,
  takeCertificate,
  takeHead,
  takePromise,
} from "./part_codec.ts";
import type { AppendPromise, Head, NodeCertificate } from "./reply.ts";

/** A promise with the longest path, which is longer than all others. */
const BYTES_MAX = 256 + PATH_HASHES_MAX * 32;

function encode<T>(put: (to: ByteWriter, value: T) => void, value: T): Uint8Array {
  const writer = new ByteWriter(BYTES_MAX);
  put(writer, value);
  return writer.finish();
}

/** What is made shares nothing with `bytes`. */
function decode<T>(take: (from: ByteReader) => T, bytes: Uint8Array): T {
  const reader = new ByteReader(bytes.slice());
  const value = take(reader);
  reader.end();
  return value;
}

export function encodeHead(head: Head): Uint8Array {
  return encode(putHead, head);
}

/** Throws Fault<"wire/malformed">, as all of these. */
export function decodeHead(bytes: Uint8Array): Head {
  return decode(takeHead, bytes);
}

export function encodePromise(promise: AppendPromise): Uint8Array {
  return encode(putPromise, promise);
}

export function decodePromise(bytes: Uint8Array): AppendPromise {
  return decode(takePromise, bytes);
}

export function encodeCertificate(certificate: NodeCertificate): Uint8Array {
  return encode(putCertificate, certificate);
}

export function decodeCertificate(bytes: Uint8Array): NodeCertificate {
  return decode(takeCertificate, bytes);
}
