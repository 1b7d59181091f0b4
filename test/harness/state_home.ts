/** Where what tests start keeps its state if it isn't told: never where the developer's own relay and devices are. */
import { tmpdir } from "node:os";
import { join } from "node:path";

/** For XDG_STATE_HOME; made by whoever first writes there. */
export const stateHome = join(tmpdir(), `dchat-state-${process.pid}`);
