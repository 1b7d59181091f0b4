/** For tests: the builds that this engine runs. Bun runs both; what lacks wide arithmetic runs the portable one. */
import { fittingBuild, type WasmBuild } from "./mod.ts";

export const BUILDS: readonly WasmBuild[] = fittingBuild() === "wide" ? ["wide", "portable"] : ["portable"];
