/** Committed entries to subscribers: positions, credit, replay then live. */
export { Delivery, type DeliveryOptions } from "./delivery.ts";
export type { DeliveryEvents, Ending, EntrySource, Outlet } from "./port.ts";
export { DeliveryStream, type SubscribeOptions } from "./stream.ts";
export { Turns } from "./turns.ts";
