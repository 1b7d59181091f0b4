/** Why an operation of crypto-wasm could not be done. Messages name the argument and never hold its value. */
export type CryptoErrorCode =
  "argument" | "disposed" | "backend" | "poisoned" | "busy" | "nonce-reused" | "protocol";

export class CryptoError extends Error {
  override readonly name = "CryptoError";
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
