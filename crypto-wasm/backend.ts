import { openBlake3 } from "./blake3.ts";
import { nativeParts } from "./native/mod.ts";
import type { BackendName, Parts } from "./part.ts";
import type { Random } from "./port.ts";
import { openSodium, sodiumParts } from "./sodium/mod.ts";

const OPENERS: Record<BackendName, (random: Random) => Promise<Partial<Parts>>> = {
  native: async () => nativeParts(),
  sodium: async (random) => sodiumParts(await openSodium(), random),
  hashwasm: async () => ({ blake3: await openBlake3() }),
  wide: async () => ({}),
  portable: async () => ({}),
};

export const BACKENDS = [
  "native",
  "wide",
  "portable",
  "sodium",
  "hashwasm",
] as const satisfies readonly BackendName[];

/** Opens a backend: loads its WASM where it has one, and returns every part that it can do. */
export function openBackend(name: BackendName, random: Random): Promise<Partial<Parts>> {
  return OPENERS[name](random);
}
