/** libp2p connections on real sockets: a listener and a dialler that drive many links. */
export { identify, ping } from "./ask.ts";
export { dial, openDialler, type DiallerOptions } from "./dialler.ts";
export { openListener, type ListenOptions } from "./listener.ts";
export type * from "./port.ts";
export { reachOf } from "./reachable.ts";
export { type EdgeProcessOptions, runEdgeProcess } from "./process/child.ts";
export { type Usage } from "./process/order.ts";
export { type JoinedProcess, openSharedListener, type SharedListener } from "./process/shared.ts";
