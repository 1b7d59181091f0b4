/** Yamux's constants (hashicorp/yamux spec): twelve bytes of header, version 0, big-endian. */
export const HEADER_BYTES = 12;

export const TYPE = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const;
export const FLAG = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;
export const GO_AWAY = { normal: 0, protocolError: 1, internalError: 2 } as const;
