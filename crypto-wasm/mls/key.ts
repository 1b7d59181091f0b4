import { CryptoError } from "../error.ts";
import type { AgreementKey } from "../port.ts";

/** ts-mls passes keys around as CryptoKeys without looking inside: these have the shape, and hold ours. */
abstract class MlsKey {
  readonly extractable = true;
  readonly usages = [];
  readonly algorithm: { readonly name: string };

  constructor(name: string) {
    this.algorithm = { name };
  }
}

export class MlsPublicKey extends MlsKey {
  readonly type = "public";
  readonly bytes: Uint8Array;

  constructor(name: string, bytes: Uint8Array) {
    super(name);
    this.bytes = bytes;
  }
}

export class MlsPrivateKey extends MlsKey {
  readonly type = "private";
  readonly publicKey: Uint8Array;
  /** X25519's handle, or the seed of X-Wing. */
  readonly secret: AgreementKey | Uint8Array;

  constructor(name: string, publicKey: Uint8Array, secret: AgreementKey | Uint8Array) {
    super(name);
    this.publicKey = publicKey;
    this.secret = secret;
  }
}

/** `key` as ours; throws CryptoError where another provider made it or it belongs to another KEM. */
export function ownPublicKey(name: string, key: object): MlsPublicKey {
  if (key instanceof MlsPublicKey && key.algorithm.name === name) return key;
  throw new CryptoError("argument", `key must be a public ${name} key of this provider`);
}

/** As `ownPublicKey`, for private keys. */
export function ownPrivateKey(name: string, key: object): MlsPrivateKey {
  if (key instanceof MlsPrivateKey && key.algorithm.name === name) return key;
  throw new CryptoError("argument", `key must be a private ${name} key of this provider`);
}
