/** How much of its input a connection takes in one go; the last frame may end beyond `bytes`. */
export interface Portion {
  readonly frames: number;
  readonly bytes: number;
}

/** All that there is. */
export const ALL: Portion = { frames: Infinity, bytes: Infinity };
