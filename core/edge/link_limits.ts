import { limit } from "../ground/mod.ts";
import type { LinkLimits } from "../link/mod.ts";
import type { EdgeLimits } from "./port.ts";

/** What links are held to, whole. */
export function linkLimits(limits: EdgeLimits): LinkLimits {
  return {
    streamsMax: limits.streamsMax,
    streamWindowBytes: limits.streamWindowBytes ?? limit.STREAM_WINDOW_BYTES_DEFAULT,
    streamFrameBytesMax: limits.streamFrameBytesMax ?? limit.STREAM_FRAME_BYTES_MAX_DEFAULT,
    streamOpensPerSecond: limits.streamOpensPerSecond ?? limit.STREAM_OPENS_PER_SECOND_DEFAULT,
    outputBytesMax: limits.outputBytesMax ?? limit.LINK_OUTPUT_MARK_BYTES,
    handshakeTimeoutMs: limits.handshakeTimeoutMs,
    keepaliveIntervalMs: limits.keepaliveIntervalMs,
    keepaliveTimeoutMs: limits.keepaliveTimeoutMs,
  };
}
