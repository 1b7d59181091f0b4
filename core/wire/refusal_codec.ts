/** Refusals, bytes to values and back: a code, then what helps the client to go on. */
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { inverse, REFUSAL_CODE } from "./constant.ts";
import type { Refusal } from "./reply.ts";
import { putStart, takeStart } from "./part_codec.ts";

const codeOf = inverse(REFUSAL_CODE);

export function putRefusal(to: ByteWriter, refusal: Refusal): void {
  to.u8(REFUSAL_CODE[refusal.code]);
  switch (refusal.code) {
    case "turn":
      to.u32(refusal.turn).u64(refusal.seq);
      return;
    case "version":
      to.u64(refusal.version);
      return;
    case "expired":
      to.u64(refusal.nowMs);
      return;
    case "generation":
      putStart(to, refusal.started);
      return;
    case "lapsed":
      to.u64(refusal.floor);
      return;
    case "range":
      to.u64(refusal.size);
      return;
    case "busy":
    case "unavailable":
      to.u32(refusal.retryMs);
      return;
    case "unsupported":
      putVersions(to, refusal.versions);
      return;
    default:
      return;
  }
}

export function takeRefusal(from: ByteReader): Refusal {
  const code = codeOf(from.u8());
  switch (code) {
    case "turn":
      return { code, turn: from.u32(), seq: from.u64() };
    case "version":
      return { code, version: from.u64() };
    case "expired":
      return { code, nowMs: from.u64() };
    case "generation":
      return { code, started: takeStart(from) };
    case "lapsed":
      return { code, floor: from.u64() };
    case "range":
      return { code, size: from.u64() };
    case "busy":
    case "unavailable":
      return { code, retryMs: from.u32() };
    case "unsupported":
      return { code, versions: takeVersions(from) };
    default:
      return { code };
  }
}

export function putVersions(to: ByteWriter, versions: readonly number[]): void {
  to.u8(versions.length);
  for (const version of versions) to.u16(version);
}

export function takeVersions(from: ByteReader): number[] {
  return from.many(from.u8(), () => from.u16());
}
