/** For tests: an edge process for whoever holds the other end of file 3. Serves what _kit.ts's listeners serve. */
import { clock, crypto, SERVED } from "../_kit.ts";
import { runEdgeProcess } from "./child.ts";

await runEdgeProcess({ fd: 3, crypto, clock, serves: (protocol) => SERVED.has(protocol) });
process.exit(0);
