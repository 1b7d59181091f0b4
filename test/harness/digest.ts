/** SHA-256 by the runtime, for tests of pure folders that take hashing as an argument. */
export const digest = {
  sha256(...parts: readonly Uint8Array[]): Uint8Array {
    const hasher = new Bun.SHA256();
    for (const part of parts) hasher.update(part);
    const out = new Uint8Array(32);
    hasher.digest(out);
    return out;
  },
};
