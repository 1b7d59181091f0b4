import { argon2Sync } from "node:crypto";
import type { PasswordHash } from "../port.ts";

/** Argon2id version 1.3 (RFC 9106) in one lane, which is what libsodium computes too. */
export const argon2id: PasswordHash["argon2id"] = (options) =>
  new Uint8Array(
    argon2Sync("argon2id", {
      message: options.password,
      nonce: options.salt,
      parallelism: 1,
      tagLength: options.length,
      memory: options.memoryKib,
      passes: options.passes,
    }),
  );
