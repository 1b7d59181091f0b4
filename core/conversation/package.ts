import { generateKeyPackageWithKey, type KeyPackage, type PrivateKeyPackage } from "ts-mls";
import { decodeKeyPackage as decodeMls, encodeKeyPackage as encodeMls } from "ts-mls/keyPackage.js";
import { type PublicKey } from "../ground/mod.ts";
import { fault } from "./fault.ts";
import { joined, Reader } from "./bytes.ts";
import { type Member, memberOfLeaf } from "./member.ts";
import { CAPABILITIES, type Mls, READER_KEY_EXTENSION, SUITE } from "./mls.ts";

/** Clocks of devices may differ by this much before a fresh package seems to come from the future. */
const NOT_BEFORE_SLACK_S = 24 * 60 * 60;

/** A device as it presents itself: its signing seed (32 bytes), and the certificate that says whose it is. */
export interface DeviceKeys {
  readonly seed: Uint8Array;
  readonly publicKey: PublicKey;
  readonly certificate: Uint8Array;
}

/** A KeyPackage with its private part. */
export interface OwnPackage {
  readonly publicPackage: KeyPackage;
  readonly privatePackage: PrivateKeyPackage;
}

/** A KeyPackage of `device` whose leaf announces `reader`, valid until `notAfterMs` (Unix). */
export function makePackage(
  mls: Mls,
  options: { device: DeviceKeys; reader: PublicKey; nowMs: number; notAfterMs: number },
): Promise<OwnPackage> {
  const { device, reader } = options;
  return generateKeyPackageWithKey(
    { credentialType: "basic", identity: device.certificate },
    CAPABILITIES,
    {
      notBefore: BigInt(Math.floor(options.nowMs / 1000) - NOT_BEFORE_SLACK_S),
      notAfter: BigInt(Math.floor(options.notAfterMs / 1000)),
    },
    [],
    { signKey: device.seed, publicKey: device.publicKey },
    mls.suite,
    [{ extensionType: READER_KEY_EXTENSION, extensionData: reader }],
  );
}

export function encodePackage(keyPackage: KeyPackage): Uint8Array {
  return encodeMls(keyPackage);
}

/** A KeyPackage and the device that it is of; throws Fault<"conversation/package">. Its signature is checked when it is added. */
export function parsePackage(mls: Mls, bytes: Uint8Array): { keyPackage: KeyPackage; member: Member } {
  const decoded = whole(decodeMls, bytes);
  if (decoded === null) throw fault("conversation/package", "A KeyPackage can't be read");
  if (decoded.cipherSuite !== SUITE) {
    throw fault("conversation/package", `A KeyPackage of ${SUITE} was expected, got ${decoded.cipherSuite}`);
  }
  return { keyPackage: decoded, member: memberOfLeaf(mls, { leaf: decoded.leafNode, index: 0 }) };
}

/** Runs a decoder of ts-mls over all of `bytes`; null where it fails or leaves bytes over. */
export function whole<T>(
  decode: (bytes: Uint8Array, offset: number) => [T, number] | undefined,
  bytes: Uint8Array,
): T | null {
  try {
    const result = decode(bytes, 0);
    return result !== undefined && result[1] === bytes.length ? result[0] : null;
  } catch {
    return null;
  }
}

/** Both parts of an own package, to keep sealed until its Welcome comes. */
export function encodeOwnPackage(own: OwnPackage): Uint8Array {
  const { initPrivateKey, hpkePrivateKey, signaturePrivateKey } = own.privatePackage;
  return joined([
    { sized: encodeMls(own.publicPackage) },
    { sized: initPrivateKey },
    { sized: hpkePrivateKey },
    { sized: signaturePrivateKey },
  ]);
}

/** Throws Fault<"conversation/malformed">. */
export function decodeOwnPackage(bytes: Uint8Array): OwnPackage {
  const reader = new Reader(bytes, "own KeyPackage");
  const publicPackage = whole(decodeMls, reader.sized());
  if (publicPackage === null) throw reader.fault("its public part can't be read");
  const privatePackage = {
    initPrivateKey: reader.sized(),
    hpkePrivateKey: reader.sized(),
    signaturePrivateKey: reader.sized(),
  };
  reader.end();
  return { publicPackage, privatePackage };
}
