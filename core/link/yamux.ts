/** Yamux's constants (hashicorp/yamux spec): twelve bytes of header, version 0, big-endian. */
export const HEADER_BYTES = 12;

/** Data frames are cut at this, so that one stream's bulk doesn't hold back the others. */
export const SENT_FRAME_BYTES_MAX = 16 * 1024;
export const SENT_DATA_BYTES_MAX = SENT_FRAME_BYTES_MAX - HEADER_BYTES;

export const TYPE = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const;
export const FLAG = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;
export const GO_AWAY = { normal: 0, protocolError: 1, internalError: 2 } as const;
