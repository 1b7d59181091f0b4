/** Bytes to values and back, at the door: frames, commands, replies, statements. Layout: docs/protocol/mailbox.md. */
export { ByteReader, ByteWriter } from "./bytes.ts";
export type * from "./command.ts";
export {
  type DecodeContext,
  decodeCommand,
  decodeStreamControl,
  encodeStreamControl,
  isSizeClass,
  isStreamControl,
} from "./command_codec.ts";
export {
  COMMAND_KIND,
  CONTROL_KIND,
  ENTRY_KIND,
  GENERATION_FIRST,
  parseProtocolVersion,
  PROTOCOL_ID,
  PROTOCOL_VERSION,
  PROTOCOL_VERSIONS,
  REFUSAL_CODE,
  REPLY_KIND,
  TAG,
} from "./constant.ts";
export { FrameReader, type FrameSink, setRequest } from "./frame.ts";
export type * from "./reply.ts";
export { PATH_HASHES_MAX } from "./part_codec.ts";
export { decodeReply, encodeReply } from "./reply_codec.ts";
export { encodeCommand, signCommand, type SignOptions } from "./sign.ts";
export {
  decodeCertificate,
  decodeHead,
  decodePromise,
  encodeCertificate,
  encodeHead,
  encodePromise,
} from "./signed_codec.ts";
export {
  batchStatement,
  certificateStatement,
  commandStatement,
  commandToken,
  type Digest,
  generationStatement,
  headStatement,
  leafBytes,
  mailboxIdOf,
  needsNonce,
  promiseBytes,
  type PromiseFact,
  sameId,
  type StatementParts,
} from "./statement.ts";
