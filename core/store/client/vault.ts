import type { Crypto } from "@dchat/crypto-wasm";
import { Fault } from "../../ground/mod.ts";
import { joined } from "../../conversation/mod.ts";

const NONCE_BYTES = 24;

/** Which cell of the database something is sealed for: it opens nowhere else. */
export interface Cell {
  readonly table: string;
  /** Column, where a row has several sealed ones. */
  readonly column?: string;
  readonly key: string | number | Uint8Array | readonly (number | Uint8Array)[];
}

/** Seals and opens cells under the database's key. Disposing wipes the key. */
export class Vault implements Disposable {
  readonly #crypto: Crypto;
  readonly #key: Uint8Array;

  /** Takes `key` over. */
  constructor(crypto: Crypto, key: Uint8Array) {
    this.#crypto = crypto;
    this.#key = key;
  }

  seal(cell: Cell, plaintext: Uint8Array): Buffer {
    const nonce = this.#crypto.random.bytes(NONCE_BYTES);
    const box = this.#crypto.xchacha20Poly1305.seal(this.#key, nonce, plaintext, associatedData(cell));
    return Buffer.concat([nonce, box]);
  }

  /** Throws Fault<"store/corrupt"> naming the table: a changed cell, or one from another row. */
  open(cell: Cell, sealed: Uint8Array): Uint8Array {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const opened =
      sealed.length > NONCE_BYTES
        ? this.#crypto.xchacha20Poly1305.open(
            this.#key,
            nonce,
            sealed.subarray(NONCE_BYTES),
            associatedData(cell),
          )
        : null;
    if (opened === null) {
      throw new Fault(
        "store/corrupt",
        `A sealed cell of table ${cell.table} can't be opened: the file was changed`,
      );
    }
    return opened;
  }

  [Symbol.dispose](): void {
    this.#crypto.wipe(this.#key);
  }
}

function associatedData({ table, column = "sealed", key }: Cell): Uint8Array {
  const keys = Array.isArray(key) ? key : [key];
  return joined([
    { text: table },
    { text: column },
    ...keys.map((one: string | number | Uint8Array) =>
      one instanceof Uint8Array ? { sized: one } : { text: String(one) },
    ),
  ]);
}
