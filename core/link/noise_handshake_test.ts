import { expect, test } from "bun:test";
import type { NoiseCrypto } from "@dchat/crypto-wasm";
import { crypto } from "./_pair.ts";
import { NoiseHandshake } from "./noise_handshake.ts";
import { encodePeerKey } from "./peer_id.ts";
import { ProtobufWriter } from "./protobuf.ts";

/** The second message of a handshake with a listener that has an RSA key, to a dialler with `noise`. */
function readRsa(noise: NoiseCrypto): { readonly taken: boolean; readonly refusal: string } {
  const payload = new ProtobufWriter()
    .bytes(1, encodePeerKey({ type: "rsa", data: new Uint8Array(100) }))
    .bytes(2, new Uint8Array(256))
    .finish();
  const own = (used: NoiseCrypto) =>
    new NoiseHandshake({ crypto: used, staticKey: crypto.x25519.generate(), payload, earlyMuxer: false });
  const [dialler, listener] = [own(noise), own(crypto.noise)];
  expect(listener.readFirst(dialler.writeFirst())).toBe(true);
  const taken = dialler.readSecond(listener.writeSecond() ?? new Uint8Array(0));
  return { taken, refusal: dialler.refusalOf("second") };
}

test("NoiseHandshake refuses a key that the engine can't verify with, and says so", () => {
  const inBrowser: NoiseCrypto = { ...crypto.noise, verifyPeerOther: () => "unsupported" };
  expect(readRsa(inBrowser)).toEqual({
    taken: false,
    refusal: "noise: the peer's key is of a type that can't be verified here",
  });
  expect(readRsa(crypto.noise)).toEqual({ taken: false, refusal: "noise: second message does not hold" });
});
