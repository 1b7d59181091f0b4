/**
 * Device certificates: an identity's word that a device speaks for it until a time.
 *
 * What they don't protect: a certificate shows identity and device to whoever holds it, so it travels sealed
 * only; it can't be called back, so it is short-lived enough to run out.
 *
 * Layout, big-endian, 145 bytes: version (1) · identity (32) · device (32) · issued, Unix ms (8) · not after,
 * Unix ms (8) · Ed25519 signature (64) by the identity over "dchat/device-certificate/1\0" and what precedes it.
 */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { limit, publicKey, type PublicKey } from "../ground/mod.ts";
import { concat, utf8 } from "./bytes.ts";
import { fault } from "./fault.ts";

const TAG = utf8("dchat/device-certificate/1\0");
const VERSION = 1;
const SIGNED_BYTES = 1 + 32 + 32 + 8 + 8;
export const DEVICE_CERTIFICATE_BYTES = SIGNED_BYTES + 64;

export interface DeviceCertificate {
  readonly identity: PublicKey;
  readonly device: PublicKey;
  readonly issuedMs: number;
  readonly notAfterMs: number;
  readonly signature: Uint8Array;
}

type Signing = Pick<Crypto, "ed25519">;

export interface IssueOptions {
  readonly device: PublicKey;
  readonly issuedMs: number;
  readonly notAfterMs: number;
}

/** Certifies `device` by the identity key; the encoded certificate, fresh. */
export function issueCertificate(crypto: Signing, identity: SigningKey, options: IssueOptions): Uint8Array {
  const { device, issuedMs, notAfterMs } = options;
  const signed = new Uint8Array(SIGNED_BYTES);
  signed[0] = VERSION;
  signed.set(identity.publicKey, 1);
  signed.set(device, 33);
  const view = new DataView(signed.buffer);
  view.setBigUint64(65, BigInt(issuedMs));
  view.setBigUint64(73, BigInt(notAfterMs));
  return concat(signed, crypto.ed25519.sign(identity, concat(TAG, signed)));
}

/** The parts of a certificate, copied, nothing of it verified. Throws Fault<"identity/certificate">. */
export function decodeCertificate(bytes: Uint8Array): DeviceCertificate {
  if (bytes.length !== DEVICE_CERTIFICATE_BYTES) {
    throw fault(
      "identity/certificate",
      `A device certificate has ${DEVICE_CERTIFICATE_BYTES} bytes, got ${bytes.length}`,
    );
  }
  if (bytes[0] !== VERSION) {
    throw fault(
      "identity/certificate",
      `This device certificate has version ${bytes[0]}, and this dchat knows version ${VERSION}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    identity: publicKey(bytes.slice(1, 33)),
    device: publicKey(bytes.slice(33, 65)),
    issuedMs: Number(view.getBigUint64(65)),
    notAfterMs: Number(view.getBigUint64(73)),
    signature: bytes.slice(SIGNED_BYTES),
  };
}

/**
 * The identity that `bytes` certifies `device` for at `nowMs`, or null where it doesn't: malformed, for another
 * device, not signed by the identity (ZIP-215), run out, or issued further ahead than clocks may differ.
 */
export function checkCertificate(
  crypto: Signing,
  bytes: Uint8Array,
  at: { readonly device: Uint8Array; readonly nowMs: number },
): PublicKey | null {
  if (bytes.length !== DEVICE_CERTIFICATE_BYTES || bytes[0] !== VERSION) return null;
  const certificate = decodeCertificate(bytes);
  const { device, identity, issuedMs, notAfterMs, signature } = certificate;
  if (device.some((byte, index) => byte !== at.device[index]) || at.device.length !== device.length)
    return null;
  if (at.nowMs > notAfterMs || at.nowMs < issuedMs - limit.CLOCK_SKEW_MS_MAX) return null;
  const signed = concat(TAG, bytes.subarray(0, SIGNED_BYTES));
  return crypto.ed25519.verify(identity, signed, signature) ? identity : null;
}
