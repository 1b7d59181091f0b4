import crypto from "node:crypto";
import type { PasswordHash } from "../port.ts";
import { takenFrom } from "./key.ts";

/** Whether this engine has it: Bun does, Node from 24.7 on. */
export const hasArgon2id: boolean = "argon2Sync" in crypto;

/** Argon2id version 1.3 (RFC 9106) in one lane, which is what libsodium computes too. */
export const argon2id: PasswordHash["argon2id"] = (options) =>
  takenFrom(
    crypto.argon2Sync("argon2id", {
      message: options.password,
      nonce: options.salt,
      parallelism: 1,
      tagLength: options.length,
      memory: options.memoryKib,
      passes: options.passes,
    }),
  );
