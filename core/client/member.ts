import type { Crypto } from "@dchat/crypto-wasm";
import type { Member, MemberCheck } from "../conversation/mod.ts";
import { checkCertificate, DEVICE_CERTIFICATE_BYTES, decodeCertificate } from "../identity/mod.ts";
import type { Device } from "./device.ts";

/**
 * Whether a certificate holds is asked as of when it was issued: members that read a commit at different times must
 * judge it alike. Whether it has run out is asked when somebody new is met.
 */
export function memberCheck(crypto: Crypto): MemberCheck {
  return (certificate, device) => {
    if (certificate.length !== DEVICE_CERTIFICATE_BYTES) return null;
    try {
      const { issuedMs } = decodeCertificate(certificate);
      return checkCertificate(crypto, certificate, { device, nowMs: issuedMs });
    } catch {
      return null;
    }
  };
}

/** Whether somebody whom we meet holds a certificate that hasn't run out. */
export function isCertifiedNow(device: Device, peer: Member): boolean {
  const nowMs = device.clock.now();
  return checkCertificate(device.crypto, peer.certificate, { device: peer.device, nowMs }) !== null;
}
