/** Metrics and logs: implements the events ports of the others. */
export { type Fields, type Log, type LogLevel, type LogOptions, logTo, openLog } from "./log.ts";
export { type Held, Metrics } from "./metrics.ts";
export { openTelemetry, type Telemetry, type TelemetryOptions } from "./telemetry.ts";
