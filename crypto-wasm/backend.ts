import { openBlake3 } from "./blake3.ts";
import { nativeParts } from "./native/mod.ts";
import type { BackendName, Parts } from "./part.ts";
import type { Random } from "./port.ts";
import { openSodium, sodiumParts } from "./sodium/mod.ts";

/** Opens a backend: loads its WASM where it has one, and returns every part that it can do. */
export async function openBackend(name: BackendName, random: Random): Promise<Partial<Parts>> {
  switch (name) {
    case "native":
      return nativeParts();
    case "sodium":
      return sodiumParts(await openSodium(), random);
    case "hashwasm":
      return { blake3: await openBlake3() };
    case "wasm":
      return {};
  }
}
