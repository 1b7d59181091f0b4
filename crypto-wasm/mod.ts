/**
 * dchat's cryptography: bytes in, bytes out. The only importer of libsodium and of the project's own .wasm.
 *
 * What it does not protect: engines compile WASM and JavaScript as they like, so constant time is a property of
 * the source, not a promise of the machine; wiped buffers may have been copied by a garbage collector before.
 */
export { CryptoError, type CryptoErrorCode } from "./error.ts";
export * from "./frost/mod.ts";
export { libp2pNoiseCrypto, type Libp2pNoiseCrypto } from "./libp2p_noise.ts";
export { MLS_SUITES, mlsCryptoProvider, type MlsSuite } from "./mls/mod.ts";
export { openCrypto } from "./open.ts";
export {
  type CryptoPool,
  type CryptoPoolOptions,
  type FrostGeneration,
  type FrostPool,
  type FrostStepOptions,
  openCryptoPool,
} from "./pool/mod.ts";
export type * from "./port.ts";
