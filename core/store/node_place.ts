/** Where a node of a Merkle tree is: it covers leaves index·2^level and on. */
export interface NodePlace {
  readonly level: number;
  readonly index: number;
}
