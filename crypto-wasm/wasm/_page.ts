/** For tests: a page as an application would write one, with nothing of the tests in its bundle. */
import { everything } from "../_everything.ts";
import { openCrypto } from "../mod.ts";

/** What one of each takes in the quietest of rounds that take turns, in us. */
function timesOf(all: readonly (() => unknown)[]): number[] {
  const best = all.map(() => Infinity);
  for (let round = 0; round < 40; round++) {
    for (const [i, work] of all.entries()) {
      const from = performance.now();
      for (let n = 0; n < 100; n++) work();
      best[i] = Math.min(best[i] ?? 0, (performance.now() - from) * 10);
    }
  }
  return best.map((us) => Math.round(us));
}

await using crypto = await openCrypto({ backends: "portable" });
const bytes = new Uint8Array(32);
const refused = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return "nothing";
  } catch (error) {
    return String(error);
  }
};
const { default: sodium } = await import("libsodium-wrappers-sumo");
await sodium.ready;
using key = crypto.x25519.fromSecret(bytes);
const secret = key.exportSecret();
await fetch("/report", {
  method: "POST",
  body: JSON.stringify({
    everything: everything(crypto),
    backends: crypto.backends,
    fast: await refused(() => openCrypto({ needs: [] })),
    rsa: crypto.noise.verifyPeerOther("rsa", bytes, bytes, bytes),
    x25519Us: timesOf([
      () => crypto.x25519.agree(key, key.publicKey),
      () => sodium.crypto_scalarmult(secret, key.publicKey),
    ]),
  }),
});
