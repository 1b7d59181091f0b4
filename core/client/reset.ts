/** Writing again when a turn has keys that nobody who follows the rules knows. */
import { current, type Line } from "./line.ts";
import { setKeys } from "./owner.ts";
import { sync } from "./sync.ts";

/** Starts a turn whose keys follow from our epoch, unless reading on shows that another has come meanwhile. */
export async function resetTurn(line: Line): Promise<void> {
  const before = (await current(line)).position;
  const description = await sync(line);
  const { position } = await current(line);
  if (position.turn !== before.turn || position.generation !== before.generation) return;
  await setKeys(line, description);
}
