/** Merkle trees of RFC 9162 over SHA-256: append, roots, inclusion and consistency. Knows nothing of mailboxes. */
export * from "./hash.ts";
export * from "./proof.ts";
export * from "./tree.ts";
