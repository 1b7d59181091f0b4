import type { Crypto } from "@dchat/crypto-wasm";
import type { BunSQLiteDatabase } from "drizzle-orm/bun-sqlite";
import type { Keeper } from "../../conversation/mod.ts";
import { conversationKeeper } from "./keeper_conversation.ts";
import { epochKeeper } from "./keeper_epoch.ts";
import { outgoingKeeper } from "./keeper_outgoing.ts";
import { signedKeeper } from "./keeper_signed.ts";
import type { Vault } from "./vault.ts";

export type DeviceSql = BunSQLiteDatabase;

export interface KeeperContext {
  readonly crypto: Crypto;
  readonly vault: Vault;
}

/** What a transaction reads and writes by; the store opens and commits it. */
export function openKeeper(sql: DeviceSql, context: KeeperContext): Keeper {
  return {
    ...conversationKeeper(sql, context),
    ...epochKeeper(sql, context),
    ...outgoingKeeper(sql, context),
    ...signedKeeper(sql, context),
  };
}
