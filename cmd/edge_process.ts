/** `dchat edge-process`, which a relay starts, and how it does. */
import { join } from "node:path";
import { hasRelay, runEdge } from "@dchat/core/node/mod.ts";
import { z } from "zod";
import { type ArgTable, command, exit, usage } from "./frame/mod.ts";

const args = {
  backends: { type: "string", valueHint: "fast|portable", description: "Which code does the cryptography" },
} satisfies ArgTable;

export const edgeProcess = command({
  about: "Holds connections of devices for the relay that started it. By hand it does nothing.",
  args,
  input: z.strictObject({ backends: z.enum(["fast", "portable"]).default("fast") }),
  examples: [],
  async run({ backends }) {
    if (!(await hasRelay())) {
      throw usage(
        "dchat edge-process is started by a relay: dchat relay --edge-processes N runs N of them, itself among them",
      );
    }
    await runEdge({ backends });
    return exit.done;
  },
});

/** What starts it: this program again. */
export function edgeCommand(): readonly string[] {
  // A compiled dchat is the program itself; from source it is a script that bun runs.
  const script = import.meta.url.includes("/$bunfs/") ? [] : [join(import.meta.dir, "dchat.ts")];
  return [process.execPath, ...script, "edge-process"];
}
