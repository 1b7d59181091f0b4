/** Who somebody is: key files, device certificates, fingerprints and safety numbers. Pure; files are read in core/node. */
export {
  checkCertificate,
  decodeCertificate,
  DEVICE_CERTIFICATE_BYTES,
  type DeviceCertificate,
  issueCertificate,
  type IssueOptions,
} from "./certificate.ts";
export type { IdentityCode } from "./fault.ts";
export { fingerprint, fingerprintGroups, safetyNumber } from "./fingerprint.ts";
export {
  ARGON2_MEMORY_KIB,
  ARGON2_PASSES,
  inspectKeystore,
  type KeyCrypto,
  type Keystore,
  type KeystoreParts,
  type KeyType,
  openKeystore,
  sealKeystore,
  type SealOptions,
} from "./keystore.ts";
export { encodePem, parsePem } from "./pem.ts";
