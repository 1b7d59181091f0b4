/** The control plane over HTTP: probes, the versioned API, metrics. Elysia lives here only. */
export { openApi } from "./api.ts";
export {
  type ControlCode,
  type ControlLog,
  type HttpListener,
  type ListenerOptions,
  openListener,
} from "./listener.ts";
export { type Exposition, metricsFetch } from "./metrics.ts";
export type { Api, ControlPorts, NotReady, RelayInfo, RelayStatus } from "./port.ts";
