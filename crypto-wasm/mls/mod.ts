/** The cryptography of MLS (RFC 9420) for ts-mls: HPKE, signatures, hashes on dchat's backends. */
export { MLS_SUITES, mlsCryptoProvider, type MlsSuite } from "./provider.ts";
